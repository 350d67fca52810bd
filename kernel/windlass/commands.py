"""The commands this distribution adds to `windlass` (entry points of the group `windlass.commands`)."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

config = typer.Typer(help="Check the configuration of a server.", no_args_is_help=True)


def serve(
    listen: Annotated[
        str | None, typer.Option(help="Address for gRPC, as host:port (0: a free port); one beyond loopback needs TLS.")
    ] = None,
    home: Annotated[Path | None, typer.Option(help="Where data, sockets and the token live.")] = None,
    dsn: Annotated[str | None, typer.Option(help="PostgreSQL to use instead of an embedded one.")] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file; default: windlass.toml in the home.")] = None,
    dev: Annotated[bool, typer.Option("--dev", help="Developer mode: gRPC reflection, every line of the log.")] = False,
) -> None:
    """Run a kernel: the database (unless --dsn names one), the workers and the gRPC server.

    Ends on Ctrl-C or SIGTERM: running tasks get a grace, the rest is handed back.
    """
    import os

    import uvloop

    from windlass.config import load_config
    from windlass.errors import WindlassError
    from windlass.main import serve as run
    from windlass.telemetry.logs import set_up_logging

    try:
        environ = {**os.environ, **({"WINDLASS_HOME": str(home)} if home else {})}
        developing = {"server": {"listen": listen, "reflection": True}, "log": {"level": "debug"}}
        overrides = {"server": {"listen": listen}, "store": {"dsn": dsn}} | (developing if dev else {})
        read = partial(load_config, config, environ=environ, overrides=overrides)
        loaded = read()
        set_up_logging(loaded.log)
        uvloop.run(run(loaded, _say_ready, read))
    except WindlassError as error:
        print(f"error: {error.message}", file=sys.stderr)
        raise typer.Exit(1) from None


def first_token(
    subject: Annotated[str, typer.Argument(help="Who the token stands for, such as ada or billing-service.")],
    role: Annotated[str, typer.Option(help="viewer, submitter, operator, admin or agent.")] = "admin",
    days: Annotated[float | None, typer.Option(help="How long it is good; left out: until it is revoked.")] = None,
    home: Annotated[Path | None, typer.Option(help="Where data, sockets and the token live.")] = None,
    dsn: Annotated[str | None, typer.Option(help="PostgreSQL to use instead of an embedded one.")] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file; default: windlass.toml in the home.")] = None,
) -> None:
    """Make a token in the database itself, without a server: the first one, or one when all others are lost.

    Prints the secret, and nothing else, on standard output: it is kept nowhere and never shown again.
    """
    import os

    import uvloop

    from windlass.config import load_config
    from windlass.core.access import ROLE_NAMES
    from windlass.errors import WindlassError
    from windlass.host.grants import Grant
    from windlass.main import make_token
    from windlass.telemetry.logs import set_up_logging

    try:
        environ = {**os.environ, **({"WINDLASS_HOME": str(home)} if home else {})}
        loaded = load_config(config, environ=environ, overrides={"store": {"dsn": dsn}})
        set_up_logging(loaded.log)
        ttl = None if days is None else days * 86_400
        grant = Grant(subject, ROLE_NAMES.get(role, 0), origin=1, ttl=ttl)
        made, secret = uvloop.run(make_token(loaded, grant))
    except WindlassError as error:
        print(f"error: {error.message}", file=sys.stderr)
        raise typer.Exit(1) from None
    print(f"tokens/{made} for {subject}, {role}; its secret is shown this once:", file=sys.stderr)
    print(secret)


@config.command()
def check(
    home: Annotated[Path | None, typer.Option(help="Where the server's data would live.")] = None,
    file: Annotated[
        Path | None, typer.Option("--config", help="Configuration file; default: windlass.toml in the home.")
    ] = None,
) -> None:
    """Say whether a server would start with this configuration.

    Reads the file, the environment, and the sections of the installed plugins, as serve does; starts nothing. Exits
    with 1 when something is wrong.

    \b
    windlass config check --config /etc/windlass/windlass.toml
    """
    import os

    from windlass.config import load_config
    from windlass.errors import WindlassError
    from windlass.main import examine

    try:
        environ = {**os.environ, **({"WINDLASS_HOME": str(home)} if home else {})}
        loaded = load_config(file, environ=environ)
        quarantined = examine(loaded)
    except WindlassError as error:
        print(f"error: {error.message}", file=sys.stderr)
        raise typer.Exit(1) from None
    for plugin, problem in quarantined.items():
        print(f"warning: the plugin {plugin} can't be imported, its tasks would wait: {problem}", file=sys.stderr)
    print(f"a server would start: home {loaded.home}, {'its own PostgreSQL' if not loaded.store.dsn else 'store.dsn'}")


def _say_ready(address: str, console: str) -> None:
    print(f"windlass is ready on {address}", flush=True)
    if console:
        print(f"the console is on {console} (windlass console link signs you in)", flush=True)

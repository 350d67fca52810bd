"""`windlass agent`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from windlass_agent.main import AgentConfig
    from windlass_agent.place import Place

USUAL_SLOTS = 4
Servers = Annotated[
    list[str] | None, typer.Option("--server", help="Where a kernel is, as host:port; may be repeated.")
]
Pools = Annotated[
    list[str] | None, typer.Option("--pool", help="Another pool to serve, as NAME or NAME=SLOTS; may be repeated.")
]
Labels = Annotated[list[str] | None, typer.Option("--label", help="KEY=VALUE, shown with the agent; may be repeated.")]
TokenFile = Annotated[Path | None, typer.Option(help="The file with this agent's token (role agent, subject --id).")]


def agent(  # noqa: PLR0913, PLR0917 - every option is a parameter
    id: Annotated[str, typer.Option("--id", help="This agent's name: it serves the pool agent:ID.")],
    server: Servers = None,
    token_file: TokenFile = None,
    tls: Annotated[bool, typer.Option("--tls", help="Encrypt; the machine's own authorities sign.")] = False,
    ca: Annotated[str, typer.Option(help="Who signed the server's certificate (PEM); implies --tls.")] = "",
    cert: Annotated[str, typer.Option(help="This agent's certificate (PEM), in place of a token; implies --tls.")] = "",
    key: Annotated[str, typer.Option(help="The certificate's key (PEM).")] = "",
    pool: Pools = None,
    slots: Annotated[int, typer.Option(min=1, max=1000, help="Tasks at once in its own pool.")] = USUAL_SLOTS,
    label: Labels = None,
    grace: Annotated[float | None, typer.Option(min=0, help="Seconds that running tasks get after SIGTERM.")] = None,
    home: Annotated[Path | None, typer.Option(help="Where its windlass.toml is looked for.")] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file: [plugins.*], [log], [node].")] = None,
) -> None:
    """Run tasks on this host for a kernel elsewhere, over one stream and without access to its database.

    Ends on Ctrl-C or SIGTERM: running tasks get a grace, the rest is handed back. A stream that breaks is opened again.

    \b
    windlass agent --id web-01 --server kernel.example.org:7654 --ca ca.pem --token-file web-01.token
    """
    import uvloop
    from windlass.errors import WindlassError

    from windlass_agent.main import run

    try:
        place = (server or (), token_file, tls, ca, cert, key)
        loaded = _configured(id, place, _pairs(pool, "--pool"), slots, _pairs(label, "--label"), grace, home, config)
        uvloop.run(run(loaded, _say))
    except WindlassError as error:
        print(f"error: {error.message}", file=sys.stderr)
        raise typer.Exit(1) from None


def _say(words: str) -> None:
    print(words, flush=True)


def _configured(
    id_: str,
    place: tuple[object, ...],
    pools: dict[str, str],
    slots: int,
    labels: dict[str, str],
    grace: float | None,
    home: Path | None,
    file: Path | None,
) -> AgentConfig:
    import os

    import msgspec
    from windlass.config import default_home, load_config
    from windlass.core.agents import WHAT_FITS, is_agent_id, is_agent_pool
    from windlass.errors import BootError
    from windlass.telemetry.logs import set_up_logging

    from windlass_agent.agent import slots_of
    from windlass_agent.main import AgentConfig

    if not is_agent_id(id_):
        raise BootError(f"--id must be {WHAT_FITS}, not {id_!r}")
    if foreign := [name for name in pools if is_agent_pool(name)]:
        raise BootError(f"--pool {foreign[0]} is the own pool of an agent: it is served by that agent alone")
    where = home or default_home(os.environ).with_name("windlass-agent")
    loaded = load_config(file, environ={**os.environ, "WINDLASS_HOME": str(where)})
    set_up_logging(loaded.log)
    node = loaded.node if grace is None else msgspec.structs.replace(loaded.node, drain_grace=grace)
    others = {name: _number(name, text) for name, text in pools.items()}
    return AgentConfig(id_, _place(*place), slots_of(id_, slots, others), labels, node, loaded.plugins)  # type: ignore[arg-type]


def _place(servers: Sequence[str], token_file: Path | None, tls: bool, ca: str, cert: str, key: str) -> Place:
    import os

    from windlass.errors import BootError

    from windlass_agent.place import Place, Tls

    try:
        token = token_file.read_text("ascii").strip() if token_file else os.environ.get("WINDLASS_TOKEN", "")
    except (OSError, UnicodeDecodeError) as error:
        raise BootError(f"the token file {token_file} can't be read: {error}") from error
    if token_file and not token:
        raise BootError(f"the token file {token_file} is empty")
    secured = Tls(ca, cert, key) if tls or ca or cert or key else None
    return Place(tuple(servers), token, secured)


def _pairs(given: Sequence[str] | None, option: str) -> dict[str, str]:
    from windlass.errors import BootError

    found = dict(one.partition("=")[::2] for one in given or ())
    for name, value in found.items():
        if not name or (option == "--label" and not value):
            raise BootError(f"{option} {name}={value} must look like {'KEY=VALUE' if option == '--label' else 'NAME'}")
    return found


def _number(pool: str, text: str) -> int | None:
    from windlass.errors import BootError

    if not text:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 1_000:
        raise BootError(f"--pool {pool}={text}: slots must be from 1 to 1000")
    return int(text)

"""How to reach a database: the DSN in a file, which nobody gets to see, and what a program is told of it.

A program gets it by its environment, never by its arguments, which everybody on the machine may read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo
from windlass import Rejected

from windlass_backups.trouble import Trouble

_HARMLESS = {"keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"}
"""What libpq reads from no variable, and a program does well without."""

_INHERITED = ("PATH", "HOME", "KRB5CCNAME", "LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Login:
    """`where` (a database at a server) and `server` are for people.  `environment` is all that a program needs."""

    where: str
    server: str
    conninfo: str = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    def hide(self, text: str) -> str:
        """The text without the passwords."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text

    def to(self, database: str) -> Login:
        """The same server, another database."""
        environment = {**self.environment, "PGDATABASE": database}
        conninfo = make_conninfo(self.conninfo, dbname=database)
        return Login(*_place(conninfo), conninfo, environment, self.secrets)

    @contextmanager
    def connected(self) -> Iterator[psycopg.Connection]:
        """A connection in autocommit mode.  What goes wrong with it inside the block is Trouble, without secrets."""
        try:
            with psycopg.connect(self.conninfo, autocommit=True, application_name="windlass backups") as connection:
                yield connection
        except psycopg.Error as error:
            raise Trouble(f"{self.where}: {self.hide(' '.join(str(error).split()))}") from None


def read_login(path: str, field_name: str) -> Login:
    """The DSN in this file.  Raises Rejected, with what to mend and without what the file says."""
    return login_of(_read(path, field_name), f"{field_name}: {path}")


def login_of(dsn: str, named: str) -> Login:
    """Raises Rejected, in the name of whatever held the DSN."""
    try:
        values = {key: str(value) for key, value in conninfo_to_dict(dsn).items() if value is not None}
    except psycopg.Error:
        # What it complains of may be a part of the password.
        raise Rejected(f"{named} holds no libpq DSN: write host=… dbname=… user=…, or postgresql://…") from None
    variables, secret_names = _known_to_libpq()
    if unknown := values.keys() - variables.keys() - _HARMLESS:
        raise Rejected(f"{named}: {min(unknown)} can't be handed to pg_dump: leave it out of the DSN")
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environment |= {variables[key]: value for key, value in values.items() if key in variables}
    secrets = tuple(value for key, value in values.items() if key in secret_names and value)
    conninfo = make_conninfo("", **({"connect_timeout": "10"} | values))
    return Login(*_place(conninfo), conninfo, {"PGCONNECT_TIMEOUT": "10", **environment, "LC_ALL": "C"}, secrets)


def _read(path: str, field_name: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            facts = os.fstat(file.fileno())
            if facts.st_mode & 0o077:
                raise Rejected(f"{field_name}: others may read {path}, which holds a password: chmod 600 it")
            if facts.st_uid not in (0, os.geteuid()):
                raise Rejected(f"{field_name}: {path} belongs to another user: chown it to the server's")
            return file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise Rejected(f"{field_name}: {path} can't be read: {why}; it holds one libpq DSN, mode 600") from None


def _known_to_libpq() -> tuple[dict[str, str], set[str]]:
    """The variable of each keyword that has one, and the keywords whose values are secret."""
    options = Conninfo.get_defaults()
    variables = {option.keyword.decode(): option.envvar.decode() for option in options if option.envvar}
    return variables, {option.keyword.decode() for option in options if option.dispchar == b"*"}


def _place(conninfo: str) -> tuple[str, str]:
    values = conninfo_to_dict(conninfo)
    host = values.get("host") or values.get("hostaddr") or "the local socket"
    port = f":{values['port']}" if values.get("port") and not str(host).startswith("/") else ""
    database = values.get("dbname") or values.get("user") or "the user's own"
    return f"database {database} at {host}{port}", f"{host}{port}"

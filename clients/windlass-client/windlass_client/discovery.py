"""Finds the server and its token.

Of the address: the caller's own words, then WINDLASS_ADDRESS, then what `windlass serve` wrote on this machine.
Of the token: the caller's own words, then WINDLASS_TOKEN, then the file WINDLASS_TOKEN_FILE names, then the token file
of the server with that address on this machine.

`serve` writes `<home>/run/server-<pid>.json`: {"address": "127.0.0.1:7654", "token_file": …, "pid": …, "started": …}.
The home is WINDLASS_HOME, else $XDG_STATE_HOME/windlass, else ~/.local/state/windlass.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from windlass_client.errors import InvalidArgument, Unauthenticated, Unavailable

PROBE_S = 0.5
LOOPBACK = ("127.", "localhost:", "[::1]:", "unix:")


@dataclass(frozen=True, slots=True)
class Server:
    """Where to call, and what to show there; the token is empty when none was found."""

    address: str
    token: str

    @property
    def on_this_machine(self) -> bool:
        return self.address.startswith(LOOPBACK)


@dataclass(frozen=True, slots=True)
class Announced:
    """What a running `windlass serve` says of itself."""

    address: str
    token_file: str
    pid: int
    written: float

    def answers(self) -> bool:
        """Whether something listens there; a number may have gone to another process after a crash."""
        host, _, port = self.address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_S).close()
        except (OSError, ValueError):
            return False
        return True


def find_server(address: str | None, token: str | None, environ: Mapping[str, str] = os.environ) -> Server:
    """Unavailable when there is no server to be found, Unauthenticated when a token file cannot be read."""
    address = address or environ.get("WINDLASS_ADDRESS")
    announced = announcements(home(environ))
    if not address:
        chosen = _choose(announced, environ)
        return Server(chosen.address, _given_token(token, environ) or _read_token(chosen.token_file))
    found = _given_token(token, environ)
    if not found:
        same = [each for each in announced if each.address == address]
        found = _read_token(same[0].token_file) if same else ""
    return _checked(Server(address, found))


def home(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder that `windlass serve` keeps its state in."""
    if own := environ.get("WINDLASS_HOME"):
        return Path(own)
    state = environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    return Path(state) / "windlass"


def announcements(folder: Path) -> list[Announced]:
    """The servers whose process is alive, the newest first."""
    found = [announced for path in (folder / "run").glob("server-*.json") if (announced := _read(path))]
    return sorted((each for each in found if _alive(each.pid)), key=lambda each: each.written, reverse=True)


def _choose(announced: list[Announced], environ: Mapping[str, str]) -> Announced:
    """The newest that answers; with a single one the call itself will tell."""
    if not announced:
        raise Unavailable(
            f'no windlass server found in {home(environ)}: start one with "windlass serve", or set WINDLASS_ADDRESS',
            reason="SERVER_NOT_FOUND",
        )
    if len(announced) == 1:
        return announced[0]
    return next((each for each in announced if each.answers()), announced[0])


def _read(path: Path) -> Announced | None:
    """None for a file that went away, or is none of ours."""
    try:
        said = json.loads(path.read_bytes())
        return Announced(str(said["address"]), str(said["token_file"]), int(said["pid"]), path.stat().st_mtime)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError, ValueError):
        return False
    return True


def _given_token(token: str | None, environ: Mapping[str, str]) -> str:
    if token or (token := environ.get("WINDLASS_TOKEN")):
        return _wire(token, "the token")
    file = environ.get("WINDLASS_TOKEN_FILE")
    return _read_token(file) if file else ""


def _read_token(file: str) -> str:
    try:
        return _wire(Path(file).read_text(), file)
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "not text"
        raise Unauthenticated(f"cannot read the token file {file}: {words}", reason="TOKEN_FILE_UNREADABLE") from error


def _wire(token: str, whence: str) -> str:
    """The token as it may travel in a header."""
    token = token.strip()
    if not (token.isascii() and token.isprintable()):
        raise Unauthenticated(f"{whence} is no token: it holds characters no token has", reason="TOKEN_MALFORMED")
    return token


def _checked(server: Server) -> Server:
    if server.token and not server.on_this_machine:
        raise InvalidArgument(
            f"{server.address} is another machine: the token would travel there readable for everyone",
            reason="TLS_REQUIRED",
        )
    return server

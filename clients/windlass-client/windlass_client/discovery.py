"""Finds the server, its token, and how to reach it safely.

The address: the caller's own words, the profile that the caller names, WINDLASS_ADDRESS, the profile that
WINDLASS_PROFILE names or that is the default of profiles.toml, then what `windlass serve` wrote on this machine.
A profile counts only when the address is taken from it: what it knows goes to no other server.

The token: the caller's own words, the token file of a profile that the caller names, WINDLASS_TOKEN, the file that
WINDLASS_TOKEN_FILE names, then what belongs to the address: the profile's token file, or that of the server of this
machine.

TLS: as the caller says (`tls=True`, Tls(ca=…)), else as `grpcs://host:port` or `grpc://host:port` says, else as the
profile says; without a profile it is used when one of WINDLASS_TLS_CA, WINDLASS_TLS_CERT and WINDLASS_TLS_KEY is set,
or the server of this machine says so.  A token goes unencrypted to this machine only.

`serve` writes `<home>/run/server-<pid>.json`: {"address": "127.0.0.1:7654", "token_file": …, "pid": …, "started": …},
and "tls": true when it serves with TLS.
The home is WINDLASS_HOME, else $XDG_STATE_HOME/windlass, else ~/.local/state/windlass.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from windlass_client.errors import InvalidArgument, Unauthenticated, Unavailable
from windlass_client.profiles import Profile, read_profiles
from windlass_client.tls import Tls, tls_of

PROBE_S = 0.5
SECURE = "grpcs://"
PLAIN = "grpc://"
LOCAL = ("unix:", "unix-abstract:")


@dataclass(frozen=True, slots=True)
class Server:
    """Where to call, and what to show there; the token is empty when none was found, `tls` None for a plain link."""

    address: str
    token: str
    tls: Tls | None = None

    @property
    def on_this_machine(self) -> bool:
        if self.address.startswith(LOCAL):
            return True
        host = self.address.rpartition(":")[0].strip("[]")
        try:
            return host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Announced:
    """What a running `windlass serve` says of itself."""

    address: str
    token_file: str
    pid: int
    written: float
    tls: bool = False
    console: str = ""
    """Where its web console is, for browsers; empty when it has none."""

    def place(self, address: str) -> Profile:
        """How to reach it by this address, which is its own, perhaps with a scheme."""
        return Profile("", address, self.token_file, Tls() if self.tls else None)

    def answers(self) -> bool:
        """Whether something listens there; a number may have gone to another process after a crash."""
        host, _, port = self.address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_S).close()
        except (OSError, ValueError):
            return False
        return True


def find_server(
    address: str | None,
    token: str | None,
    environ: Mapping[str, str] = os.environ,
    *,
    tls: Tls | bool | None = None,
    profile: str | None = None,
) -> Server:
    """Unavailable when there is no server to be found, Unauthenticated when a token file cannot be read.

    InvalidArgument for a profile that there is not, for an address without its port, and where a token would travel
    readable for everyone.
    """
    place = _place(address, profile, environ)
    own = _wire(token, "the token") if token else _read_token(place.token_file) if profile else ""
    found = own or _environment_token(environ) or _read_token(place.token_file)
    bare = _whole(place.address.removeprefix(SECURE).removeprefix(PLAIN))
    return _checked(Server(bare, found, _tls(place, tls, environ)))


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


def _place(address: str | None, profile: str | None, environ: Mapping[str, str]) -> Profile:
    """The server to call; what has no name in profiles.toml is a profile without a name."""
    if profile:
        if address:
            raise InvalidArgument("an address and a profile were given: give one of them", reason="ADDRESS_AMBIGUOUS")
        return read_profiles(environ).get(profile)
    announced = announcements(home(environ))
    if address := address or environ.get("WINDLASS_ADDRESS"):
        bare = address.removeprefix(SECURE).removeprefix(PLAIN)
        return next((each.place(address) for each in announced if each.address == bare), Profile("", address))
    profiles = read_profiles(environ)
    if name := environ.get("WINDLASS_PROFILE") or profiles.default:
        return profiles.get(name)
    chosen = _choose(announced, environ)
    return chosen.place(chosen.address)


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


def _tls(place: Profile, wanted: Tls | bool | None, environ: Mapping[str, str]) -> Tls | None:
    """How to reach this place; None for a plain link."""
    if isinstance(wanted, Tls):
        return wanted
    said = place.tls
    if not place.name:
        files = (environ.get(f"WINDLASS_TLS_{name}", "") for name in ("CA", "CERT", "KEY"))
        said = tls_of(False, *files) or said
    if wanted is None and place.address.startswith(PLAIN):
        wanted = False
    if wanted or place.address.startswith(SECURE):
        return said or Tls()
    return None if wanted is False else said


def _read(path: Path) -> Announced | None:
    """None for a file that went away, or is none of ours."""
    try:
        said = json.loads(path.read_bytes())
        address, token_file, pid = str(said["address"]), str(said["token_file"]), int(said["pid"])
        return Announced(
            address, token_file, pid, path.stat().st_mtime, bool(said.get("tls")), str(said.get("console", ""))
        )
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


def _environment_token(environ: Mapping[str, str]) -> str:
    if token := environ.get("WINDLASS_TOKEN"):
        return _wire(token, "the token")
    return _read_token(environ.get("WINDLASS_TOKEN_FILE", ""))


def _read_token(file: str) -> str:
    """Empty when there is no such file to read."""
    if not file:
        return ""
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


def _whole(address: str) -> str:
    if not address.startswith(LOCAL) and not address.rpartition(":")[2].isdigit():
        wanted = f"{address.rstrip(':')}:7654, if that is its port"
        raise InvalidArgument(f"the address {address} has no port: say {wanted}", reason="PORT_MISSING")
    return address


def _checked(server: Server) -> Server:
    if server.token and server.tls is None and not server.on_this_machine:
        raise InvalidArgument(
            f"{server.address} is another machine: the token would travel there readable for everyone."
            f" Use TLS: set WINDLASS_TLS_CA to the certificate that signed the server's, or call grpcs://{server.address}"
            " when this machine trusts it already; or reach the server through a tunnel",
            reason="TLS_REQUIRED",
        )
    return server

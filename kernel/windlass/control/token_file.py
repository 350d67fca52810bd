"""The server's own token: made once, kept in a file that only its owner reads."""

from __future__ import annotations

import getpass
import os
import secrets
from pathlib import Path

from windlass.errors import BootError


def write_token(file: Path) -> str:
    """The token in this file, which is made when it is not there.  Raises `BootError` when it is empty."""
    if file.exists():
        return _read_token(file)
    token = secrets.token_urlsafe(32)
    # Not the pid: two containers may share the home and both be pid 7.
    fresh = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(token + "\n")
    try:
        # Two servers may start at once: the first one's token stands.
        os.link(fresh, file)
    except FileExistsError:
        token = _read_token(file)
    finally:
        fresh.unlink()
    return token


def _read_token(file: Path) -> str:
    if token := file.read_text("ascii").strip():
        return token
    raise BootError(f"the token file {file} is empty: remove it, and the next start makes a new one")


def owner() -> str:
    """The name of who runs this process, and so owns the file."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"

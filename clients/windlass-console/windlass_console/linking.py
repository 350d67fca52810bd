"""Getting a link into a running console, for who has a token."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from windlass_client import WindlassError
from windlass_client.discovery import announcements, find_server, home

TIMEOUT = 10.0


class NoLink(Exception):
    """Why there is none, and what to do."""


def make_link(url: str) -> str:
    """The address that signs in once.  Raises NoLink."""
    base = (url or _of_this_machine()).rstrip("/")
    if urlsplit(base).scheme not in ("http", "https"):
        raise NoLink(f"{base} is not the address of a console: it begins with http:// or https://")
    try:
        token = find_server(None, None).token
    except WindlassError as error:
        raise NoLink(str(error)) from error
    headers = {"authorization": f"Bearer {token}"}
    asked = urllib.request.Request(f"{base}/links", method="POST", headers=headers)  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(asked, timeout=TIMEOUT) as answer:  # noqa: S310
            path = str(json.load(answer)["path"])
    except urllib.error.HTTPError as error:
        words = error.read(500).decode(errors="replace").strip()
        raise NoLink(f"the console at {base} refuses: {words or error.reason}") from error
    except (OSError, ValueError, KeyError) as error:
        raise NoLink(f"no console answers at {base}: {error}; start one with: windlass console") from error
    return urlsplit(base)._replace(path=path).geturl()


def _of_this_machine() -> str:
    for server in announcements(home()):
        if server.console:
            return server.console
    raise NoLink("no server of this machine has a console; name one with --url, or start one: windlass console")

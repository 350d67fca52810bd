"""A way into a web console, for who has a token: a link that signs a browser in."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from windlass_client.errors import InvalidArgument, Unauthenticated, Unavailable

TIMEOUT_S = 10.0
REFUSED = 401


def console_link(console: str, token: str) -> str:
    """The address under this console that signs in once, within a minute, with the rights of the token.

    InvalidArgument when `console` is no address for browsers, Unauthenticated when the server does not know the token,
    Unavailable when no console answers.
    """
    base = console.rstrip("/")
    if urlsplit(base).scheme not in ("http", "https"):
        raise InvalidArgument(f"{base!r} is not the address of a console: it begins with http:// or https://")
    headers = {"authorization": f"Bearer {token}"}
    asked = urllib.request.Request(f"{base}/links", method="POST", headers=headers)  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(asked, timeout=TIMEOUT_S) as answer:  # noqa: S310
            path = str(json.load(answer)["path"])
    except urllib.error.HTTPError as error:
        with error:
            words = error.read(500).decode(errors="replace").strip()
        if error.code == REFUSED:
            raise Unauthenticated(f"the console at {base} does not take the token: {words}") from None
        raise Unavailable(f"the console at {base} gives no link: {words or error.reason}") from None
    except (OSError, ValueError, KeyError) as error:
        raise Unavailable(f"no console answers at {base}: {error}; start one with: windlass console") from error
    return urlsplit(base)._replace(path=path).geturl()

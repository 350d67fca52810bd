"""The secrets of a script: which names they go by, and what they hold on the host that runs it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from windlass import Rejected, check_secret_name, read_secret

from windlass_scripts.disguises import SHORTEST

MOST = 16

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")


def check_secrets(field: str, secrets: Mapping[str, str]) -> None:
    """ValueError for what can be no name, or no reference; whether there is such a secret, only the host knows."""
    if len(secrets) > MOST:
        raise ValueError(f"{field}: {len(secrets)} secrets, more than the {MOST} allowed")
    for name, reference in secrets.items():
        if not _VARIABLE.match(name):
            raise ValueError(f"{field}: {name!r} is no name; use letters, digits and _, not starting with a digit")
        check_secret_name(f"{field}.{name}", reference)


def read_secrets(directory: str, secrets: Mapping[str, str]) -> dict[str, bytes]:
    """The content of each, by name.  Blocks.  Raises Rejected, naming the secret, when it is not there or not safe."""
    if secrets and not directory:
        names = ", ".join(secrets)
        raise Rejected(f"secrets: {names}: this host has no secrets; set secrets_directory in [plugins.scripts]")
    return {name: _read(directory, reference, f"secrets.{name}") for name, reference in secrets.items()}


def _read(directory: str, reference: str, field: str) -> bytes:
    content = read_secret(directory, reference, field)
    if len(content.rstrip(b"\r\n")) < SHORTEST:
        raise Rejected(
            f"{field}: {reference} has fewer than {SHORTEST} bytes, too short to be kept out of what the script says;"
            " use a longer one"
        )
    return content

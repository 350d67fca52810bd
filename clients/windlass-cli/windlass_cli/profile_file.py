"""Changes the file of profiles as its owner would: only the lines that are meant, comments and all else as it was."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from windlass_cli.exits import INVALID, Failure

NAME = re.compile(r"[A-Za-z0-9_-]+\Z")
DEFAULT = "default"


def is_name(text: str) -> bool:
    return bool(NAME.match(text)) and text != DEFAULT


def added(text: str, name: str, said: Mapping[str, str | bool]) -> str:
    """With one more profile, at the end."""
    lines = [f"[{name}]", *(f"{key} = {_value(value)}" for key, value in said.items())]
    return (f"{text.rstrip()}\n\n" if text.strip() else "") + "\n".join(lines) + "\n"


def chosen(text: str, name: str) -> str:
    """With this one as the default, which stands before the first profile."""
    line = f"{DEFAULT} = {_value(name)}"
    head, bracket, rest = re.match(r"(.*?)(^\[|\Z)(.*)", text, re.DOTALL | re.MULTILINE).groups()  # type: ignore[union-attr]
    found = re.compile(rf"^\s*{DEFAULT}\s*=.*$", re.MULTILINE)
    head = found.sub(lambda _: line, head, count=1) if found.search(head) else f"{line}\n" + (head or "\n")
    return f"{head}{bracket}{rest}"


def write(file: Path, change: Callable[[str], str]) -> None:
    """All of it or, when that fails, nothing."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        text = file.read_text() if file.exists() else ""
        beside = file.with_name(f"{file.name}.{os.getpid()}")
        beside.write_text(change(text))
        beside.replace(file)
    except OSError as error:
        raise Failure(INVALID, f"cannot write {file}: {error.strerror}") from error


def _value(value: str | bool) -> str:
    """A JSON string is a TOML string."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

"""The scripts that run inside Redis, each atomic: a file of Lua, and the files whose functions it uses before it."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files


class Script:
    """One script of one site: its source, and the digest by which a server that has it is asked to run it.

    The site is part of the source.  So a server that has started anew knows no script of this site, whoever else uses
    it, and the first to find that out runs `begin`.
    """

    __slots__ = ("root", "sha", "source")

    def __init__(self, root: str, *parts: str) -> None:
        self.root = root
        self.source = "\n".join((f"-- {root}", *map(_text, parts)))
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


class Scripts:
    """All scripts of the site whose keys begin with `root`."""

    def __init__(self, root: str) -> None:
        self.begin = Script(root, "epochs", "begin")
        self.submit = Script(root, "epochs", "submit")
        self.settle = Script(root, "epochs", "settle")
        self.notice = Script(root, "epochs", "notice")
        self.applying = Script(root, "applying")
        self.applied = Script(root, "finish", "applied")
        self.dead = Script(root, "finish", "dead")
        self.replicated = Script(root, "replicated")
        self.look = Script(root, "look")
        self.list = Script(root, "list")
        self.extend = Script(root, "extend")


@cache
def _text(name: str) -> str:
    return files(__name__).joinpath(f"{name}.lua").read_text("utf-8")

"""Trees for tests: what generation n holds follows from n alone, so that anyone can say what is right."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from windlass_entities.tree import Draft, Tree


@dataclass(frozen=True)
class Orchard:
    """`pages` of ASNs, `changing` of which differ from one generation to the next, and each seventh is not there."""

    pages: int = 60
    changing: int = 6
    feeds: int = 3

    def files(self, generation: int) -> dict[str, bytes]:
        """All that this generation holds."""
        pages = {f"{number}": self._page(number, generation) for number in range(1, self.pages + 1)}
        asns = {name: page for name, page in pages.items() if page}
        countries = {code: _bytes({"code": code, "of": generation}) for code in ("DE", "FR", "US")}
        sidecars = {f"feeds/feed_{feed}.json": _bytes({"feed": feed, "of": generation}) for feed in range(self.feeds)}
        entries = [{"asn": int(name), **_counts("countries"), "sha256": sha(page)} for name, page in asns.items()]
        named = [{"code": code, **_counts("asns"), "sha256": sha(page)} for code, page in countries.items()]
        indexes = {
            "asns/index.json": _bytes({"schema_version": 1, "asns": entries}),
            "countries/index.json": _bytes({"schema_version": 1, "countries": named}),
        }
        hashes = {path: sha(content) for path, content in sidecars.items()}
        manifest = _bytes({"schema_version": 1, "atlas": "", "files": hashes})
        version = {
            "schema_version": 1,
            "generation": generation,
            "as_of": None,
            "feeds": self.feeds,
            "countries": len(countries),
            "asns": len(asns),
            "indexes": {path: sha(content) for path, content in indexes.items()},
            "manifest_sha256": sha(manifest),
        }
        return {
            "public/version.json": _bytes(version),
            **{f"public/{path}": content for path, content in indexes.items()},
            **{f"public/asns/{name}.json": page for name, page in asns.items()},
            **{f"public/countries/{code}.json": page for code, page in countries.items()},
            **{f"private/{path}": content for path, content in sidecars.items()},
            "private/manifest.json": manifest,
        }

    def draft(self, base: int, staging: Path | None = None) -> Draft:
        """From `base` to the next; every other file is staged when there is a folder for that."""
        before, after = self.files(base) if base else {}, self.files(base + 1)
        changed = {path: content for path, content in after.items() if before.get(path) != content}
        return Draft(base, _staged(changed, staging), [path for path in before if path not in after])

    def whole(self, base: int) -> Draft:
        return Draft(base, self.files(base + 1), is_whole=True)

    def _page(self, number: int, generation: int) -> bytes | None:
        turn = (generation + number * self.changing // self.pages) // max(1, self.pages // self.changing)
        return (
            None if (turn + number) % 7 == 0 else _bytes({"asn": number, "turn": turn, "filler": "x" * (number % 900)})
        )


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def flaws(tree: Tree) -> list[str]:
    """What is wrong with a tree by its own words: the root names the indexes, and they name the pages."""
    try:
        found = list(_flaws(tree))
    except (OSError, ValueError, KeyError) as error:
        return [f"generation {tree.generation}: {error!r}"]
    return [f"generation {tree.generation}: {flaw}" for flaw in found]


def contents(path: Path) -> dict[str, bytes]:
    """All files below a folder, by their path in it."""
    found = {}
    for parent, _, names in os.walk(path):
        for name in names:
            file = Path(parent, name)
            found[str(file.relative_to(path))] = file.read_bytes()
    return found


def _flaws(tree: Tree) -> Iterable[str]:
    version = json.loads(tree.read("public/version.json"))
    if version["generation"] != tree.generation:
        yield f"version.json is of {version['generation']}"
    named = dict(version["indexes"])
    for folder, key in (("asns", "asn"), ("countries", "code")):
        pages = json.loads(tree.read(f"public/{folder}/index.json"))[folder]
        named |= {f"{folder}/{page[key]}.json": page["sha256"] for page in pages}
        there = {f"{folder}/{name}" for name in tree.names(f"public/{folder}")}
        if extra := there - set(named):
            yield f"nobody names {sorted(extra)[:3]}"
    yield from _different(tree, "public", named)
    yield from _different(tree, "private", json.loads(tree.read("private/manifest.json"))["files"])


def _different(tree: Tree, folder: str, named: Mapping[str, str]) -> Iterable[str]:
    for path, expected in named.items():
        if sha(tree.read(f"{folder}/{path}")) != expected:
            yield f"{folder}/{path} is another"


def _staged(files: Mapping[str, bytes], staging: Path | None) -> dict[str, Path | bytes]:
    result: dict[str, Path | bytes] = dict(files)
    for number, (path, content) in enumerate(files.items() if staging else ()):
        if staging and number % 2:
            staging.mkdir(parents=True, exist_ok=True)
            (staging / str(number)).write_bytes(content)
            result[path] = staging / str(number)
    return result


def _counts(others: str) -> dict[str, object]:
    return {"name": None, "feeds": 1, others: 1, "attributed_ips": 1}


def _bytes(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"

"""A place where feeds change and generations come of it: real files, the real engine, the real publisher."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from windlass_entities.engine import Draft, Engine, Sources
from windlass_entities.health import Thresholds
from windlass_entities.tree import Publisher, open_tree

START = datetime(2026, 3, 1, tzinfo=UTC)
KEPT = (".json", ".coverage")


class Heard:
    """A listener that remembers.  It calls the work off at question `stop`, if there is one."""

    def __init__(self, stop: int | None = None) -> None:
        self.stages: list[str] = []
        self.steps: list[str] = []
        self.progresses: list[tuple[int, int]] = []
        self.asked: list[tuple[str, float]] = []
        self._stop = stop

    def stage(self, text: str) -> None:
        self.stages.append(text)

    def progress(self, current: int, total: int) -> None:
        self.progresses.append((current, total))

    def step(self, text: str, **data: Any) -> None:
        self.steps.append(text)

    def cancelled(self) -> bool:
        self.asked.append((self.stages[-1], time.monotonic()))
        return self._stop is not None and len(self.asked) > self._stop


class Workshop:
    """`now` is the time of the engine; `put` gives files the time of `now` unless told otherwise."""

    def __init__(self, folder: Path, data: Path | None = None) -> None:
        self.root, self.folder = folder / "root", folder / "feeds"
        for each in (self.root, self.folder, folder / "cache"):
            each.mkdir(parents=True)
        self.catalogue = folder / "catalog.json"
        tables = folder if data is None else data / "geo"
        suffix = "csv" if data is None else "csv.gz"
        self.sources = Sources(
            feeds=self.folder,
            catalogue=self.catalogue,
            countries=tables / f"country-ipv4.{suffix}",
            asns=tables / f"asn-ipv4.{suffix}",
            cache=folder / "cache",
        )
        self.data = data
        self.now = START
        self.heard = Heard()
        if data is not None:
            shutil.copy(data / "feeds" / "catalog.json", self.catalogue)

    @property
    def engine(self) -> Engine:
        return Engine(self.root, self.sources, Thresholds(), lambda: self.now, self.root / "staging" / "1.1")

    def describe(self, *feeds: str, **more: dict[str, object]) -> None:
        """Writes the catalogue; `more` gives other fields for a feed."""
        entries = {feed: {"category": "cloud", "maintainer": "somebody", "licence": "CC0-1.0"} for feed in feeds}
        self.catalogue.write_text(json.dumps({feed: entry | more.get(feed, {}) for feed, entry in entries.items()}))

    def put(self, feed: str, text: str | bytes, at: datetime | None = None) -> None:
        path = self.folder / f"{feed}.netset"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        seconds = (at or self.now).timestamp()
        os.utime(path, (seconds, seconds))

    def take_away(self, feed: str) -> None:
        (self.folder / f"{feed}.netset").unlink()

    def wave(self, number: int) -> list[str]:
        """The files are those of the wave, those it lacks are gone; gives the names of all feeds there ever were."""
        assert self.data is not None
        names = sorted(json.loads(self.catalogue.read_bytes()))
        for name in names:
            self.of_wave(number, name)
        return names

    def of_wave(self, number: int, feed: str) -> None:
        assert self.data is not None
        source = self.data / "feeds" / f"wave{number}" / f"{feed}.netset"
        if source.exists():
            self.put(feed, source.read_bytes(), START + timedelta(days=number))
        elif (self.folder / f"{feed}.netset").exists():
            self.take_away(feed)

    def refresh(self, *feeds: str) -> Draft | None:
        return self.publish(self.engine.refresh(feeds, self.heard))

    def rebuild(self) -> Draft | None:
        return self.publish(self.engine.rebuild(self.heard))

    def publish(self, draft: Draft | None) -> Draft | None:
        if draft is not None:
            publisher = Publisher(self.root, 1, 0.0)
            publisher.publish(draft)
            list(publisher.settle())
        return draft

    def read(self, path: str) -> Any:
        with open_tree(self.root) as tree:
            return json.loads(tree.read(path))

    def facts(self, feed: str) -> Any:
        return self.read(f"private/feeds/{feed}.json")

    def pages(self) -> set[str]:
        with open_tree(self.root) as tree:
            asns = {f"AS{name}" for name in tree.names("public/asns")}
            return {name[:-5] for name in asns.union(tree.names("public/countries"))} - {"index", "ASindex"}

    def files(self) -> dict[str, bytes]:
        """Every file of the current generation, whose number is left out."""
        current = self.root / "current"
        found = {str(path.relative_to(current)): path.read_bytes() for path in current.rglob("*") if path.is_file()}
        marker = json.loads(found["public/version.json"])
        found["public/version.json"] = json.dumps(marker | {"generation": 0}).encode()
        return found

    def clean_twin(self, folder: Path) -> Workshop:
        """A workshop with the same files of feeds, that was left nothing but the inputs that this one accepted."""
        twin = Workshop(folder)
        twin.sources, twin.now, twin.folder = self.sources, self.now, self.folder
        kept = twin.root / "generations" / "00000001.000000000001" / "private" / "feeds"
        kept.mkdir(parents=True)
        for path in (self.root / "current" / "private" / "feeds").iterdir():
            if path.suffix in KEPT:
                shutil.copy(path, kept)
        shutil.copy(self.root / "current" / "private" / "transitions.json", kept.parent)
        (twin.root / "current").symlink_to("generations/00000001.000000000001")
        twin.rebuild()
        return twin


def changes(one: dict[str, bytes], other: dict[str, bytes]) -> Iterable[str]:
    """The paths that differ, for a message that can be read."""
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))

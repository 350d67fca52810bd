"""How long the pages of countries and ASNs take: from nothing, after a change, and to look over.

As a program, `python -m bench.entities DATA FOLDER COPIES`, it does all of that once in a process of its own.  FOLDER
is on a real disk: publishing is durable.  Of each feed there are COPIES, of which one changes.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import windlass_entities
from windlass_entities.engine import Draft, Engine, Sources
from windlass_entities.health import Thresholds
from windlass_entities.indexes import SCHEMA_VERSION
from windlass_entities.integrity import look
from windlass_entities.tree import Publisher, open_tree

from bench.measures import Row

GRACE = 60.0
CHANGES = {"small": "openai", "big": "x4b_datacenter", "spelled otherwise": "microsoft"}
TIMES = 7
MANY = 10


def entities(dsn: str) -> list[Row]:
    """The first wave of WINDLASS_DATA (or of the small sample) built from nothing; then its second, feed by feed."""
    data = Path(os.environ.get("WINDLASS_DATA") or Path(windlass_entities.__file__).parent / "sample")
    with tempfile.TemporaryDirectory(prefix="windlass-bench-") as name:
        once = _fresh(data, Path(name) / "once", 1)
        many = _fresh(data, Path(name) / "many", MANY)
        shutil.rmtree(Path(name) / "many")
        after = _fresh(data, Path(name) / "after", 1)
    ready = f"{once['files']:,.0f} files, peak {once['peak']:.0f} MiB"
    rows = [Row("entities from nothing, fresh process", once["rebuild"] * 1e3, "ms", ready)]
    for change, feed in CHANGES.items():
        if change in once:
            most = f"slowest {once[f'{change} slowest'] * 1e3:.0f} ms; {MANY} × the feeds: {many[change] * 1e3:.0f} ms"
            rows.append(Row(f"entities, {change} change ({feed}), warm", once[change] * 1e3, "ms", most))
    rows.append(Row("entities, check of a clean tree", once["check"] * 1e3, "ms", ready))
    rows.append(Row("entities from nothing, after many deletions", after["rebuild"] * 1e3, "ms", "of the larger tree"))
    return rows


MEASURES: dict[str, Callable[[str], list[Row]]] = {"entities": entities}


class _Quiet:
    def stage(self, text: str) -> None: ...
    def progress(self, current: int, total: int) -> None: ...
    def step(self, text: str, **data: object) -> None: ...
    def cancelled(self) -> bool:
        return False


class _Place:
    """A folder with feeds in it, and what is published of them."""

    def __init__(self, data: Path, folder: Path, copies: int) -> None:
        self.data, self.feeds, self.root = data, folder / "feeds", folder / "root"
        for each in (self.feeds, self.root, folder / "cache"):
            each.mkdir(parents=True)
        catalogue = json.loads((data / "feeds/catalog.json").read_bytes())
        named = {_copy(name, at): entry for name, entry in catalogue.items() for at in range(copies)}
        (folder / "catalog.json").write_text(json.dumps(named))
        countries, asns = data / "geo/country-ipv4.csv.gz", data / "geo/asn-ipv4.csv.gz"
        sources = Sources(self.feeds, folder / "catalog.json", countries, asns, folder / "cache")
        self.engine = Engine(self.root, sources, Thresholds(), lambda: datetime.now(UTC), self.root / "staging" / "1.1")
        for name in catalogue:
            for at in range(copies):
                self.put(name, 1, _copy(name, at))

    def put(self, feed: str, wave: int, name: str = "") -> bool:
        source = self.data / f"feeds/wave{wave}/{feed}.netset"
        if source.exists():
            shutil.copy(source, self.feeds / f"{name or feed}.netset")
        return source.exists()

    def publish(self, compute: Callable[[], Draft | None]) -> float:
        """Seconds until it is durable, and current."""
        began = time.perf_counter()
        draft = compute()
        publisher = Publisher(self.root, 1, GRACE)
        if draft is not None:
            publisher.publish(draft)
        seconds = time.perf_counter() - began
        if draft is not None:
            for _ in publisher.settle():
                pass
        return seconds


def _copy(name: str, at: int) -> str:
    return f"{name}_{at}" if at else name


def _fresh(data: Path, folder: Path, copies: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.entities", str(data), str(folder), str(copies)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def _whole(data: Path, folder: Path, copies: int) -> dict[str, float]:
    place = _Place(data, folder, copies)
    os.sync()
    found = {"rebuild": place.publish(lambda: place.engine.rebuild(_Quiet()))}
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for change, feed in CHANGES.items():
        took = [seconds for at in range(TIMES) if (seconds := _changed(place, feed, 2 - at % 2))]
        if took:
            found |= {change: sorted(took)[len(took) // 2], f"{change} slowest": max(took)}
    began = time.perf_counter()
    problems = look(place.root, SCHEMA_VERSION)
    found["check"] = time.perf_counter() - began
    assert not problems, problems[:3]
    with open_tree(place.root) as tree:
        found["files"] = sum(len(tree.names(f)) for f in ("public/countries", "public/asns", "private/feeds"))
    return found


def _changed(place: _Place, feed: str, wave: int) -> float:
    """Seconds; 0 where the data has no such feed.  What was written before it is on the disk already."""
    if not (place.data / f"feeds/wave2/{feed}.netset").exists() or not place.put(feed, wave):
        return 0.0
    os.sync()
    return place.publish(lambda: place.engine.refresh([feed], _Quiet()))


if __name__ == "__main__":
    print(json.dumps(_whole(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))

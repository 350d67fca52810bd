"""One pass beside others: what it stages is its own, and what it remembers never goes back."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from windlass import BlockingContext, Document, DocumentChanged, Success
from windlass_entities.engine import Draft, Engine, Say
from windlass_entities.files import look_at_all
from windlass_entities.handlers.passes import ABANDONED, Pass, run_pass
from windlass_entities.records import PUBLISHED, SEEN, Publication, last_publication
from windlass_entities.seen import remember_unchanged
from windlass_entities.settings import EntitiesSettings
from windlass_entities.tree import base_of

from tests.plugins.entities.test_engine import ASNS, COUNTRIES
from tests.plugins.entities.workshop import Workshop


class Shelf:
    """Documents in memory.  `before_put` is called once, as what happens right before a put."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[int, Any]] = {}
        self.before_put: Callable[[], None] | None = None

    def get(self, name: str) -> Document | None:
        if name not in self.kept:
            return None
        version, value = self.kept[name]
        return Document(name, version, msgspec.to_builtins(value, str_keys=True), datetime.now(UTC), "a test")

    def put(self, name: str, value: object, *, expected: int | None = None) -> int:
        happens, self.before_put = self.before_put, None
        if happens is not None:
            happens()
        version = self.kept.get(name, (0, None))[0]
        if expected not in (None, version):
            raise DocumentChanged(name)
        self.kept[name] = (version + 1, value)
        return version + 1

    def delete(self, name: str) -> bool:
        return self.kept.pop(name, None) is not None


class Errand:
    """The context of an attempt.  `afterwards` is what others do as soon as it has left the lane."""

    fences = iter(range(1, 1_000))

    def __init__(self, shelf: Shelf, task: int = 7, attempt: int = 1) -> None:
        self.task = SimpleNamespace(id=task, attempt=attempt, kind="RefreshEntities", trigger="operator")
        self.documents = shelf
        self.cancelled = threading.Event()
        self.afterwards: Callable[[], object] = lambda: None

    @contextmanager
    def lane(self, name: str, waiting: str) -> Iterator[Any]:
        yield SimpleNamespace(fence=next(self.fences), check=lambda: None)
        self.afterwards()

    def stage(self, name: str) -> None: ...
    def progress(self, current: int, total: int) -> None: ...
    def step(self, text: str, **data: Any) -> None: ...


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    (tmp_path / "country-ipv4.csv").write_text(COUNTRIES)
    (tmp_path / "asn-ipv4.csv").write_text(ASNS)
    shop = Workshop(tmp_path)
    shop.describe("alpha", "beta")
    shop.put("alpha", "10.0.0.0/24\n")
    shop.put("beta", "10.0.0.5\n")
    return shop


@pytest.fixture
def settings(workshop: Workshop) -> EntitiesSettings:
    sources = workshop.sources
    paths = {"feeds": sources.feeds, "catalogue": sources.catalogue, "countries": sources.countries}
    paths |= {"asns": sources.asns, "root": workshop.root}
    return msgspec.convert({name: str(path) for name, path in paths.items()} | {"grace": 0.0}, EntitiesSettings)


def refresh(settings: EntitiesSettings, errand: Errand, *feeds: str) -> Success:
    def compute(engine: Engine, say: Say) -> Draft | None:
        return engine.refresh(feeds, say)

    outcome = run_pass(cast("BlockingContext", errand), settings, compute)
    assert isinstance(outcome, Success), outcome
    return outcome


def remembered(shelf: Shelf) -> Publication:
    publication, _ = last_publication(cast("Any", shelf))
    assert publication is not None
    return publication


def test_who_publishes_next_is_remembered_last(workshop: Workshop, settings: EntitiesSettings) -> None:
    shelf = Shelf()
    first, second = Errand(shelf, task=7), Errand(shelf, task=8)

    def others_publish() -> None:
        workshop.put("beta", "10.0.2.1\n")
        refresh(settings, second, "beta")

    first.afterwards = others_publish
    refresh(settings, first, "alpha")
    assert base_of(workshop.root) == 2
    assert (remembered(shelf).generation, remembered(shelf).task) == (2, 8)


def test_who_has_nothing_to_do_does_not_speak_over_who_published(
    workshop: Workshop, settings: EntitiesSettings
) -> None:
    shelf = Shelf()
    refresh(settings, Errand(shelf), "alpha")
    lost, by_itself = shelf.kept.pop(PUBLISHED)
    refresh(settings, Errand(shelf, task=9), "alpha")
    assert remembered(shelf).task == 9, "whoever published it was lost before he could say so"
    shelf.kept.clear()

    def say_so() -> None:
        shelf.kept[PUBLISHED] = (lost, by_itself)

    shelf.before_put = say_so
    refresh(settings, Errand(shelf, task=9), "alpha")
    assert remembered(shelf).task == 7


def staged(workshop: Workshop, name: str, age: float = 0.0) -> Path:
    folder = workshop.root / "staging" / name
    folder.mkdir(parents=True)
    (folder / "page").touch()
    os.utime(folder, (time.time() - age, time.time() - age))
    return folder


def test_an_attempt_that_slept_leaves_what_a_later_one_has_staged(
    workshop: Workshop, settings: EntitiesSettings
) -> None:
    folders = {name: staged(workshop, name) for name in ("7.1", "7.2", "7.3", "70.1")}
    Pass(cast("BlockingContext", Errand(Shelf(), attempt=2)), settings, lambda engine, say: None).tidy()
    assert {name for name, folder in folders.items() if folder.exists()} == {"7.3", "70.1"}


def test_what_tasks_have_left_that_never_came_back_is_removed(workshop: Workshop, settings: EntitiesSettings) -> None:
    left, working = staged(workshop, "3.1", ABANDONED + 60), staged(workshop, "4.1", ABANDONED - 60)
    refresh(settings, Errand(Shelf()), "alpha")
    assert (left.exists(), working.exists()) == (False, True)


def test_only_feeds_are_remembered_as_seen(workshop: Workshop, settings: EntitiesSettings) -> None:
    shelf = Shelf()
    refresh(settings, Errand(shelf), "alpha", "beta")
    workshop.put("alpha", "# the same\n10.0.0.0/24\n")
    (workshop.folder / "stranger.netset").touch()
    names = ("alpha", "stranger", "nobody")
    remember_unchanged(cast("Any", shelf), settings, look_at_all(workshop.folder, names))
    assert set(shelf.kept) == {PUBLISHED, SEEN + "alpha"}
    workshop.describe("beta")
    refresh(settings, Errand(shelf), "alpha")
    remember_unchanged(cast("Any", shelf), settings, look_at_all(workshop.folder, names))
    assert set(shelf.kept) == {PUBLISHED}

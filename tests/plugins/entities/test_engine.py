"""What a change of feeds makes of the published pages, by the real engine and the real publisher."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from windlass_entities.engine import Cancelled, Unusable
from windlass_entities.engine.state import forget
from windlass_entities.files import look_at
from windlass_entities.findings import Targets, targets_of
from windlass_entities.integrity import look
from windlass_entities.tree import TreeTrouble

from tests.plugins.entities.workshop import START, Heard, Workshop, changes

COUNTRIES = "10.0.0.0,10.0.0.255,DE\n10.0.1.0,10.0.1.255,FR\n10.0.2.0,10.0.3.255,US\n2001:db8::,2001:db8::ffff,US\n"
ASNS = "10.0.0.0,10.0.0.127,100,One\n10.0.1.0,10.0.2.255,200,Two\n2001:db8::,2001:db8::ff,300,Three\n"


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "country-ipv4.csv").write_text(COUNTRIES)
    (tmp_path / "shop" / "asn-ipv4.csv").write_text(ASNS)
    shop = Workshop(tmp_path / "shop")
    shop.describe("alpha", "beta")
    shop.put("alpha", "10.0.0.0/24\n10.0.1.7\n2001:db8::/120\n")
    shop.put("beta", "10.0.0.5\n172.16.0.1\n")
    shop.refresh("alpha")
    return shop


def test_the_first_refresh_builds_everything(workshop: Workshop) -> None:
    assert workshop.heard.stages[0] == "bootstrap"
    assert workshop.pages() == {"DE", "FR", "US", "AS100", "AS200", "AS300"}
    assert workshop.facts("beta")["unattributed_ips"] == 1


def test_a_page_says_what_feeds_have_there(workshop: Workshop) -> None:
    page = workshop.read("public/countries/DE.json")
    assert page["totals"] == {"feeds": 2, "asns": 1, "attributed_ips": 257, "addresses": 256}
    assert [(line["feed"], line["attributed_ips"], line["unique_ips"]) for line in page["feeds"]] == [
        ("alpha", 256, 513),
        ("beta", 1, 2),
    ]
    assert page["asns"] == [{"asn": 100, "name": "One", "feeds": 2, "attributed_ips": 129}]
    assert page["feeds"][0]["last_change"] == "2026-03-01T00:00:00Z"


def test_a_refresh_without_a_change_publishes_nothing(workshop: Workshop) -> None:
    workshop.put("alpha", "# the same, told otherwise\n10.0.0.0/25\n10.0.0.128/25\n10.0.1.7\n2001:db8::-2001:db8::ff\n")
    before = workshop.files()
    assert workshop.refresh("alpha", "beta") is None
    assert workshop.files() == before


def test_pages_that_no_feed_is_in_disappear(workshop: Workshop) -> None:
    workshop.put("alpha", "10.0.2.0\n")
    draft = workshop.refresh("alpha")
    assert draft is not None
    assert workshop.pages() == {"DE", "US", "AS100", "AS200"}
    assert draft.report.removed == 2


def test_only_pages_that_the_feed_was_or_is_in_are_written(workshop: Workshop) -> None:
    workshop.put("beta", "10.0.0.5\n10.0.0.6\n172.16.0.1\n")
    draft = workshop.refresh("beta")
    assert draft is not None
    assert {path for path in draft.files if "s/" in path and "index" not in path} == {
        "public/countries/DE.json",
        "public/asns/100.json",
        "private/feeds/beta.json",
        "private/feeds/beta.coverage",
        "private/feeds/beta.members",
    }


def test_last_change_moves_only_with_the_addresses(workshop: Workshop) -> None:
    workshop.put("beta", "172.16.0.1\n10.0.0.5\n", START + timedelta(days=3))
    workshop.refresh("beta")
    assert workshop.facts("beta")["last_change"] == "2026-03-01T00:00:00Z"
    workshop.put("beta", "10.0.0.5\n", START + timedelta(days=4))
    workshop.refresh("beta")
    assert workshop.facts("beta")["last_change"] == "2026-03-05T00:00:00Z"


@pytest.mark.parametrize("harm", ["absent", "cut off", "unreadable", "a folder"])
def test_a_file_that_can_not_be_had_keeps_the_last_good_state(workshop: Workshop, harm: str) -> None:
    before = workshop.pages()
    workshop.take_away("alpha")
    if harm == "a folder":
        (workshop.folder / "alpha.netset").mkdir()
    elif harm != "absent":
        workshop.put("alpha", {"cut off": b"10.", "unreadable": b"<html>\nsorry\n"}[harm])
    draft = workshop.refresh("alpha")
    assert draft is not None
    assert list(draft.report.unavailable) == ["alpha"]
    assert workshop.pages() == before
    assert workshop.read("public/countries/FR.json")["feeds"][0]["health"] == "unavailable"
    assert workshop.rebuild() is None
    if harm == "a folder":
        (workshop.folder / "alpha.netset").rmdir()
    workshop.put("alpha", "10.0.0.0/24\n10.0.1.7\n2001:db8::/120\n", START + timedelta(days=2))
    workshop.refresh("alpha")
    assert workshop.facts("alpha")["health"] == "healthy"
    assert workshop.facts("alpha")["last_change"] == "2026-03-01T00:00:00Z"


@pytest.mark.parametrize("harm", ["a pipe", "a loop", "no disk"])
def test_a_file_that_would_never_be_read_is_unreadable_and_holds_nobody_up(
    workshop: Workshop, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, before = workshop.folder / "alpha.netset", workshop.pages()
    path.unlink()
    if harm == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path)
    if harm == "no disk":
        monkeypatch.setattr(Path, "stat", _failing(errno.EIO, path, Path.stat))
    draft = workshop.refresh("alpha", "beta")
    assert draft is not None
    assert draft.report.unavailable["alpha"].startswith("unreadable: ")
    assert look_at(workshop.folder, "alpha").sha256 == ""
    assert before < workshop.pages() | {"AS999"}


def _failing(code: int, at: Path, real: Callable[..., Any]) -> Callable[..., Any]:
    def fails(path: Path, **named: Any) -> Any:
        if path == at:
            raise OSError(code, os.strerror(code), str(path))
        return real(path, **named)

    return fails


def test_a_file_whose_time_is_no_date_is_unreadable_and_holds_nobody_up(workshop: Workshop, elsewhere: Path) -> None:
    os.utime(elsewhere, (2**39, 2**39))
    workshop.take_away("alpha")
    (workshop.folder / "alpha.netset").symlink_to(elsewhere)
    draft = workshop.refresh("alpha", "beta")
    assert draft is not None
    assert draft.report.unavailable == {"alpha": "unreadable: its time is beyond all dates"}


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A file on a file system that keeps any time, as Linux always has one."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        yield Path(file.name)


def test_a_disk_that_fills_while_pages_are_computed_is_told_as_such(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    right = workshop.files()
    workshop.put("beta", "10.0.2.1\n")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(TreeTrouble, match=r"there is no room left on its file system .* make room and try again"):
            workshop.refresh("beta")
    assert workshop.files() == right
    assert workshop.refresh("beta") is not None


def test_a_feed_without_entries_is_empty_and_on_no_page(workshop: Workshop) -> None:
    workshop.put("alpha", "# nothing today\n")
    workshop.refresh("alpha")
    assert workshop.facts("alpha")["health"] == "empty"
    assert workshop.pages() == {"DE", "AS100"}


def test_a_feed_that_left_the_catalogue_is_withdrawn(workshop: Workshop) -> None:
    workshop.describe("beta")
    draft = workshop.refresh("alpha")
    assert draft is not None
    assert draft.report.withdrawn == ("alpha",)
    assert workshop.pages() == {"DE", "AS100"}
    assert not (workshop.root / "current/private/feeds/alpha.members").exists()


def test_a_feed_with_a_bad_entry_in_the_catalogue_is_not_withdrawn(workshop: Workshop) -> None:
    workshop.describe("alpha", "beta", alpha={"maintained": "perhaps"})
    assert workshop.refresh("alpha") is None
    assert any("maintained" in step for step in workshop.heard.steps)


def test_another_maintainer_in_the_catalogue_changes_the_pages(workshop: Workshop) -> None:
    workshop.describe("alpha", "beta", alpha={"maintainer": "somebody else", "maintained": False})
    workshop.refresh("beta")
    lines = workshop.read("public/asns/300.json")
    assert lines["maintainers"][0]["maintainer"] == "somebody else"
    assert lines["feeds"][0]["health"] == "unmaintained"


def test_a_catalogue_that_can_not_be_read_changes_nothing(workshop: Workshop) -> None:
    workshop.catalogue.write_text("{")
    with pytest.raises(Unusable, match=r"catalog\.json: the catalogue must be a JSON object"):
        workshop.refresh("alpha")


def test_health_is_settled_only_when_asked_and_then_everywhere(workshop: Workshop) -> None:
    workshop.now = START + timedelta(minutes=14_400 + 10_081)
    assert workshop.refresh("alpha", "beta") is None
    draft = workshop.publish(workshop.engine.settle_health(workshop.now, workshop.heard))
    assert draft is not None
    assert [(move.feed, move.before, move.after) for move in draft.report.transitions] == [
        ("alpha", "healthy", "delayed"),
        ("beta", "healthy", "delayed"),
    ]
    assert workshop.read("public/asns/300.json")["feeds"][0]["health"] == "delayed"
    assert [move["feed"] for move in workshop.read("private/transitions.json")] == ["alpha", "beta"]
    assert workshop.engine.settle_health(workshop.now, workshop.heard) is None
    assert workshop.rebuild() is None


def test_other_tables_build_every_page_anew(workshop: Workshop) -> None:
    workshop.sources.countries.write_text(COUNTRIES.replace("DE", "NL"))
    workshop.put("beta", "10.0.1.9\n")
    workshop.refresh("beta")
    assert workshop.pages() == {"NL", "FR", "US", "AS100", "AS200", "AS300"}
    assert workshop.rebuild() is None


@pytest.mark.parametrize(
    "path",
    [
        "public/version.json",
        "public/asns/index.json",
        "public/countries/DE.json",
        "private/manifest.json",
        "private/transitions.json",
        "private/feeds/alpha.json",
        "private/feeds/alpha.members",
        "private/feeds/alpha.coverage",
    ],
)
@pytest.mark.parametrize("harm", ["gone", "torn"])
def test_a_rebuild_mends_whatever_is_damaged(workshop: Workshop, path: str, harm: str) -> None:
    right = workshop.files()
    damage(workshop, path, harm)
    assert workshop.rebuild() is not None
    assert not changes(workshop.files(), right)
    assert workshop.rebuild() is None


def test_selected_pages_and_feeds_are_compared_as_they_lie_there(workshop: Workshop) -> None:
    right = workshop.files()
    damage(workshop, "public/countries/US.json", "torn")
    damage(workshop, "public/asns/200.json", "gone")
    assert workshop.engine.rebuild_selected([], ["FR"], [300], workshop.heard) is None
    damage(workshop, "private/feeds/beta.members", "torn")
    draft = workshop.publish(workshop.engine.rebuild_selected(["beta"], ["US"], [200], workshop.heard))
    assert draft is not None
    assert sorted(draft.files) == [
        "private/feeds/beta.members",
        "public/asns/200.json",
        "public/countries/US.json",
        "public/version.json",
    ]
    assert not changes(workshop.files(), right)


@pytest.mark.parametrize(
    "path",
    ["public/countries/index.json", "private/manifest.json", "private/feeds/alpha.json", "private/feeds/alpha.members"],
)
@pytest.mark.parametrize("harm", ["gone", "torn", "another"])
def test_a_refresh_mends_what_it_can_not_start_from(workshop: Workshop, path: str, harm: str) -> None:
    right = workshop.files()
    damage(workshop, path, harm)
    assert workshop.refresh("beta") is not None
    assert not changes(workshop.files(), right)
    assert workshop.refresh("beta") is None


@pytest.mark.parametrize("harm", ["gone", "another"])
def test_a_feed_is_found_again_when_nothing_published_says_that_it_is_there(workshop: Workshop, harm: str) -> None:
    right = workshop.files()
    damage(workshop, "private/manifest.json", "gone")
    damage(workshop, "private/feeds/alpha.json", harm)
    workshop.refresh("beta")
    assert not changes(workshop.files(), right)


@pytest.mark.parametrize("is_cold", [True, False])
@pytest.mark.parametrize("harm", ["gone", "torn"])
@pytest.mark.parametrize(
    ("path", "targets"),
    [
        ("public/countries/US.json", Targets(countries=frozenset({"US"}))),
        ("public/asns/200.json", Targets(asns=frozenset({200}))),
        ("public/asns/index.json", Targets(indexes=True)),
        ("private/feeds/alpha.members", Targets(feeds=frozenset({"alpha"}))),
        ("private/feeds/alpha.coverage", Targets(feeds=frozenset({"alpha"}))),
        ("private/feeds/alpha.json", Targets(feeds=frozenset({"alpha"}))),
        ("private/manifest.json", Targets(everything=True)),
        ("public/version.json", Targets(everything=True)),
    ],
)
def test_a_repair_mends_what_was_found_and_nothing_else(
    workshop: Workshop, path: str, targets: Targets, harm: str, is_cold: bool
) -> None:
    right = workshop.files()
    assert workshop.engine.repair(targets, workshop.heard) is None
    damage(workshop, path, harm, is_cold)
    draft = workshop.publish(workshop.engine.repair(targets, workshop.heard))
    assert draft is not None
    assert draft.is_repair
    assert set(draft.files) == {path, "public/version.json"}
    assert not changes(workshop.files(), right)
    assert "repairing" in workshop.heard.stages


@pytest.mark.parametrize("is_cold", [True, False])
@pytest.mark.parametrize("harm", ["gone", "a file", "a link"])
@pytest.mark.parametrize("folder", ["public/countries", "public/asns", "private/feeds"])
def test_one_repair_mends_a_folder_that_is_none_any_more(
    workshop: Workshop, tmp_path: Path, folder: str, harm: str, is_cold: bool
) -> None:
    right, place = workshop.files(), workshop.root / "current" / folder
    shutil.rmtree(place)
    if harm == "a file":
        place.touch()
    elif harm == "a link":
        place.symlink_to(tmp_path)
    if is_cold:
        forget()
    assert workshop.publish(workshop.engine.repair(targets_of(look(workshop.root)), workshop.heard)) is not None
    assert look(workshop.root) == []
    assert not changes(workshop.files(), right)
    workshop.put("beta", "10.0.2.1\n")
    workshop.refresh("beta")
    assert look(workshop.root) == []


def test_a_repair_takes_out_what_belongs_nowhere_but_never_what_does(workshop: Workshop) -> None:
    right = workshop.files()
    (workshop.root / "current/public/asns/999.json").write_text("{}")
    extra = Targets(extra=frozenset({"public/asns/999.json", "public/asns/100.json"}))
    assert workshop.publish(workshop.engine.repair(extra, workshop.heard)) is not None
    assert not changes(workshop.files(), right)


def test_a_lost_input_is_read_again_from_the_feeds_file(workshop: Workshop) -> None:
    right = workshop.files()
    damage(workshop, "private/feeds/alpha.coverage", "torn")
    assert workshop.publish(workshop.engine.rebuild_selected(["alpha"], [], [], workshop.heard)) is not None
    assert not changes(workshop.files(), right)
    damage(workshop, "private/feeds/alpha.coverage", "gone")
    workshop.take_away("alpha")
    workshop.rebuild()
    assert "kept input is damaged" in workshop.facts("alpha")["unavailable"]
    assert workshop.pages() == {"DE", "AS100"}


def test_work_that_is_called_off_ends_at_the_next_question(workshop: Workshop) -> None:
    heard = Heard()
    workshop.engine.rebuild(heard)
    for stop in range(len(heard.asked)):
        with pytest.raises(Cancelled):
            workshop.engine.rebuild(Heard(stop=stop))
    assert heard.stages == ["planning", "scanning memberships", "rebuilding final payloads"]
    assert {stage for stage, _ in heard.asked} == set(heard.stages)
    assert heard.progresses[-1] == (6, 6)


@pytest.mark.calm
def test_between_two_questions_whether_it_is_called_off_passes_a_fifth_of_a_second_at_most(
    tmp_path: Path, data: Path
) -> None:
    shop = Workshop(tmp_path / "whole", data)
    shop.wave(1)
    shop.sources.atlas()
    began = time.monotonic()
    assert shop.engine.rebuild(shop.heard) is not None
    times = [began, *(at for _, at in shop.heard.asked), time.monotonic()]
    assert max(later - earlier for earlier, later in pairwise(times)) <= 0.2


def damage(workshop: Workshop, path: str, harm: str, is_cold: bool = True) -> None:
    """`is_cold`: as another process finds it, for this one remembers what the generation held."""
    if is_cold:
        forget()
    place = workshop.root / "current" / path
    data = place.read_bytes()
    place.unlink()
    if harm == "torn":
        place.write_bytes(data[: len(data) // 2])
    elif harm == "another":
        other = place.with_name(place.name.replace("alpha", "beta"))
        place.write_bytes(other.read_bytes() if other.exists() else data.replace(b"1", b"2"))

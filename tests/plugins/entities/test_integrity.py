"""What a check finds in a tree that somebody damaged, and which repair is the smallest."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from windlass_entities.integrity import Finding, Targets, counts_of, look, targets_of
from windlass_entities.members import Members
from windlass_entities.ranges import coverage_of
from windlass_entities.tree import Draft, Publisher, open_tree

from tests.plugins.entities.orchard import Orchard, sha

ORCHARD = Orchard(pages=40)
PAGE = "public/asns/10.json"
COUNTRY = "public/countries/DE.json"
SIDECAR = "private/feeds/feed_1.json"
EVERYTHING = Targets(everything=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    Publisher(tmp_path, 1, 0).publish(ORCHARD.draft(0))
    assert look(tmp_path) == []
    return tmp_path


def found(root: Path) -> list[tuple[str, str]]:
    return [(each.kind, each.target) for each in look(root)]


def in_tree(root: Path, path: str) -> Path:
    with open_tree(root) as tree:
        return tree.path / path


def damage(root: Path, path: str, content: bytes | None) -> None:
    """As a hand would: another file under the name, or none."""
    file = in_tree(root, path)
    file.unlink(missing_ok=True)
    if content is not None:
        file.write_bytes(content)


NAMED: list[tuple[str, str, str, Targets]] = [
    ("detail", PAGE, PAGE, Targets(asns=frozenset({10}))),
    ("detail", COUNTRY, COUNTRY, Targets(countries=frozenset({"DE"}))),
    ("sidecar", SIDECAR, "feed_1", Targets(feeds=frozenset({"feed_1"}))),
    ("sidecar", "private/manifest.json", "private/manifest.json", EVERYTHING),
    ("index", "public/asns/index.json", "public/asns/index.json", Targets(indexes=True)),
    ("index", "public/countries/index.json", "public/countries/index.json", Targets(indexes=True)),
]


@pytest.mark.parametrize(("sort", "path", "target", "repair"), NAMED)
def test_a_file_is_missing_malformed_or_stale(root: Path, sort: str, path: str, target: str, repair: Targets) -> None:
    stale = in_tree(root, path).read_bytes() + b" "
    for flaw, content in (("stale", stale), ("malformed", b"{"), ("missing", None)):
        damage(root, path, content)
        assert found(root) == [(f"{sort}_{flaw}", target)]
        assert targets_of(look(root)) == repair


@pytest.mark.parametrize("content", [None, b"{", b'{"schema_version":1}'], ids=["missing", "torn", "half"])
def test_without_its_version_marker_a_tree_is_built_anew(root: Path, content: bytes | None) -> None:
    damage(root, "public/version.json", content)
    assert found(root) == [("version_mismatch", "public/version.json")]
    assert targets_of(look(root)) == EVERYTHING


def test_a_tree_of_another_schema_is_built_anew(root: Path) -> None:
    findings = look(root, schema_version=2)
    assert [each.kind for each in findings] == ["version_mismatch"]
    assert "schema version 1 and generation 1, where 2 and 1" in findings[0].detail
    assert targets_of(findings) == EVERYTHING


def test_a_folder_without_a_tree_is_filled(tmp_path: Path) -> None:
    assert found(tmp_path) == [("version_missing", "")]
    assert targets_of(look(tmp_path)) == EVERYTHING


def test_a_marker_of_another_generation_is_a_mismatch(root: Path) -> None:
    damage(root, "public/version.json", ORCHARD.files(2)["public/version.json"])
    assert found(root) == [("version_mismatch", "public/version.json")]


def members_of(unattributed: int) -> bytes:
    none = np.array([], np.int64)
    return Members(none.astype("S2"), none, none, unattributed, unattributed, "").to_bytes()


def link_elsewhere(file: Path) -> None:
    file.unlink()
    file.with_name("elsewhere").write_bytes(ORCHARD.files(1)[PAGE])
    file.symlink_to("elsewhere")


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("plant", [link_elsewhere, pipe, folder])
def test_what_is_no_plain_file_is_not_followed_nor_waited_for(root: Path, plant: Callable[[Path], None]) -> None:
    plant(in_tree(root, PAGE))
    assert ("detail_malformed", PAGE) in found(root)


def test_what_nobody_names_is_extra_and_taken_out(root: Path) -> None:
    strays = [
        "public/asns/stray.json",
        "public/countries/XX.json",
        "public/note.txt",
        "private/feeds/old.json",
        "public/.DS_Store",
    ]
    in_tree(root, "public/asns/folder").mkdir()
    for path in strays:
        in_tree(root, path).write_bytes(b"{}")
    assert {target for kind, target in found(root) if kind.endswith("_extra")} == {*strays, "public/asns/folder"}
    targets = targets_of(look(root))
    assert targets == Targets(extra=frozenset({*strays, "public/asns/folder"}))
    assert len(targets) == 6
    after = ORCHARD.draft(1)
    Publisher(root, 1, 0).publish(Draft(1, after.files, [*after.gone, *targets.extra], is_repair=True))
    assert found(root) == []


def test_a_folder_that_is_gone_is_all_its_pages(root: Path) -> None:
    in_tree(root, "public/countries").rename(root / "away")
    assert found(root) == [("index_missing", "public/countries/index.json")]


def test_several_repairs_are_one(root: Path) -> None:
    damage(root, PAGE, b"{")
    damage(root, COUNTRY, None)
    damage(root, SIDECAR, None)
    damage(root, "public/asns/stray.json", b"")
    assert targets_of(look(root)) == Targets(
        feeds=frozenset({"feed_1"}),
        countries=frozenset({"DE"}),
        asns=frozenset({10}),
        extra=frozenset({"public/asns/stray.json"}),
    )
    assert counts_of(look(root)) == {
        "detail_extra": 1,
        "detail_malformed": 1,
        "detail_missing": 1,
        "sidecar_missing": 1,
    }


def test_a_newer_configuration_is_found_for_feeds_or_for_all(root: Path) -> None:
    findings = look(root, newer={"feed_1": "another category"})
    assert findings == [Finding("config_newer", "feed_1", "another category")]
    assert targets_of(findings) == Targets(feeds=frozenset({"feed_1"}))
    assert targets_of(look(root, newer={"": "another table"})) == EVERYTHING


@pytest.mark.parametrize(
    ("finding", "repair"),
    [
        (Finding("health_stale", "feed_1", ""), Targets(feeds=frozenset({"feed_1"}))),
        (Finding("feed_unavailable", "feed_1", ""), Targets()),
        (Finding("coverage_missing", "feed_1", ""), Targets(feeds=frozenset({"feed_1"}))),
        (Finding("sidecar_stale", "private/transitions.json", ""), EVERYTHING),
    ],
)
def test_each_finding_has_its_smallest_repair(finding: Finding, repair: Targets) -> None:
    assert targets_of([finding]) == repair
    assert bool(repair) == (repair != Targets())


def test_no_finding_is_no_repair() -> None:
    assert not targets_of([])
    assert len(EVERYTHING) == 1


@pytest.mark.parametrize(("name", "sort"), [("feed_9.coverage", "coverage"), ("feed_9.members", "sidecar")])
def test_a_sealed_file_is_malformed_when_torn_and_stale_when_another(tmp_path: Path, name: str, sort: str) -> None:
    whole = coverage_of([(1, 5)]).to_bytes() if sort == "coverage" else members_of(5)
    other = coverage_of([(1, 6)]).to_bytes() if sort == "coverage" else members_of(6)
    files = ORCHARD.files(1)
    manifest = json.loads(files["private/manifest.json"])
    manifest["files"][f"feeds/{name}"] = sha(whole)
    files |= {"private/manifest.json": json.dumps(manifest).encode(), f"private/feeds/{name}": whole}
    version = json.loads(files["public/version.json"]) | {"manifest_sha256": sha(files["private/manifest.json"])}
    files["public/version.json"] = json.dumps(version).encode()
    Publisher(tmp_path, 1, 0).publish(Draft(0, files))
    assert found(tmp_path) == []
    for flaw, content in (("stale", other), ("malformed", whole[:-1]), ("missing", None)):
        damage(tmp_path, f"private/feeds/{name}", content)
        assert found(tmp_path) == [(f"{sort}_{flaw}", "feed_9")]
        assert targets_of(look(tmp_path)) == Targets(feeds=frozenset({"feed_9"}))

"""Real pages, damaged anywhere: what the check finds is what the repair mends, and then there is nothing left."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from windlass_entities.integrity import Finding, look, targets_of

from tests.plugins.entities.workshop import Workshop

SEEDS = [1, 2]
HARMS = ("gone", "torn", "longer", "folder")


@pytest.fixture
def workshop(tmp_path: Path, sample: Path) -> Workshop:
    workshop = Workshop(tmp_path, sample)
    workshop.wave(1)
    workshop.rebuild()
    assert look(workshop.root) == []
    return workshop


def harm(file: Path, how: str) -> None:
    content = file.read_bytes()
    file.unlink()
    if how == "folder":
        file.mkdir()
    elif how != "gone":
        file.write_bytes(content[: len(content) // 2] if how == "torn" else content + b"\n")


def mend(workshop: Workshop, findings: list[Finding]) -> None:
    assert workshop.publish(workshop.engine.repair(targets_of(findings), workshop.heard)) is not None


@pytest.mark.parametrize("seed", SEEDS)
def test_damage_anywhere_is_found_and_one_repair_mends_all_of_it(workshop: Workshop, seed: int) -> None:
    chance = random.Random(seed)
    right = workshop.files()
    pages = sorted(path for path in right if path.startswith(("public/asns/", "public/countries/", "private/feeds/")))
    for path in chance.sample([path for path in pages if not path.endswith(("index.json", ".coverage"))], 12):
        harm(workshop.root / "current" / path, chance.choice(HARMS))
    (workshop.root / "current/public/asns/stray.json").touch()
    findings = look(workshop.root)
    assert 12 <= len(findings) <= 13 + 12
    mend(workshop, findings)
    assert look(workshop.root) == []
    assert workshop.files() == right


@pytest.mark.parametrize("how", ["gone", "torn"])
@pytest.mark.parametrize(
    "path",
    [
        "public/version.json",
        "public/asns/index.json",
        "public/countries/index.json",
        "private/manifest.json",
        "private/transitions.json",
    ],
)
def test_damage_to_what_names_others_is_mended(workshop: Workshop, path: str, how: str) -> None:
    right = workshop.files()
    harm(workshop.root / "current" / path, how)
    findings = look(workshop.root)
    assert len(findings) == 1
    mend(workshop, findings)
    assert look(workshop.root) == []
    assert workshop.files() == right

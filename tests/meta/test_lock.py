"""requirements.lock holds all we use of others, by hash, and nothing of where it came from."""

import re
from collections import defaultdict

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.meta.house import ROOT, load_toml, parts

LOCK = (ROOT / "requirements.lock").read_text()
OURS = {"windlass", *(part.distribution for part in parts())}
PYPROJECTS = [ROOT / "pyproject.toml", *(part.folder / "pyproject.toml" for part in parts())]


def _locked() -> defaultdict[str, set[str]]:
    versions = defaultdict[str, set[str]](set)
    for name, version in re.findall(r"^([\w.\-]+)(?:\[[\w,\-]+\])?==(\S+)", LOCK, re.MULTILINE):
        versions[canonicalize_name(name)].add(version)
    return versions


def _asked() -> list[tuple[str, Requirement]]:
    """Every requirement on somebody else's distribution, with the pyproject that makes it."""
    asked = []
    for path in PYPROJECTS:
        pyproject = load_toml(path)
        lists = [pyproject["project"].get("dependencies", []), pyproject["build-system"]["requires"]]
        lists += pyproject["project"].get("optional-dependencies", {}).values()
        lists += pyproject.get("dependency-groups", {}).values()
        asked += [(str(path.relative_to(ROOT)), Requirement(line)) for lines in lists for line in lines]
    return [(where, requirement) for where, requirement in asked if requirement.name not in OURS]


@pytest.mark.parametrize(("where", "requirement"), [pytest.param(w, r, id=f"{w}: {r}") for w, r in _asked()])
def test_what_a_part_asks_for_is_locked_at_a_version_it_accepts(where, requirement):
    versions = _locked()[canonicalize_name(requirement.name)]
    assert any(requirement.specifier.contains(version, prereleases=True) for version in versions), (
        f"{where} asks for {requirement}, requirements.lock has {versions or 'nothing'}: run `make lock`"
    )


def test_every_version_has_its_hashes():
    blocks = re.split(r"\n(?=\S)", LOCK.strip())
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_the_lock_names_no_index_and_no_place():
    forbidden = re.compile(r"https?:|://|file:|^-|^#|--index|--find-links|(^|\s)\.{0,2}/", re.MULTILINE)
    assert [line for line in LOCK.splitlines() if forbidden.search(line)] == []


def test_our_own_parts_are_not_locked():
    assert OURS & set(_locked()) == set()


def test_the_meta_distribution_depends_on_every_part_and_uv_finds_each_in_this_checkout():
    root = load_toml(ROOT / "pyproject.toml")
    names = {part.distribution for part in parts()}
    assert {Requirement(line).name for line in root["project"]["dependencies"]} == names
    assert set(root["tool"]["uv"]["sources"]) == names

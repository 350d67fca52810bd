"""The planted faults are faults of today's source: a patch that no longer fits catches nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.meta.house import names_of_tests
from tests.mutants.patches import ROOT, apply, copy_of_the_source, mutants

HERE = "tests/meta/test_mutants_apply.py"


def test_every_mutant_still_fits_the_source(tmp_path: Path):
    folder = tmp_path / "source"
    list(copy_of_the_source(folder))
    looked_at = {mutant.name: apply(mutant, folder, "--check") for mutant in mutants()}
    assert {name: looked.stderr for name, looked in looked_at.items() if looked.returncode} == {}
    assert len(mutants()) >= 20


def test_every_mutant_names_tests_that_exist():
    named = {test for mutant in mutants() for test in mutant.tests}
    assert [test for test in named if not _exists(test)] == []


@pytest.mark.parametrize("test", ["tests/meta/no_such_file.py", "tests/meta/house.py", f"{HERE}::test_nothing_at_all"])
def test_a_test_that_does_not_exist_is_seen(test: str):
    assert _exists(f"{HERE}::test_every_mutant_still_fits_the_source")
    assert not _exists(test)


def _exists(test: str) -> bool:
    """A file with tests, or one of them."""
    path, _, name = test.partition("::")
    found = names_of_tests(ROOT / path)
    return name in found if name else bool(found)

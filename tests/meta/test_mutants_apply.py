"""The planted faults are faults of today's source: a patch that no longer fits catches nothing."""

from __future__ import annotations

from pathlib import Path

from tests.mutants.patches import ROOT, apply, copy_of_the_source, mutants


def test_every_mutant_still_fits_the_source(tmp_path: Path):
    failed = {}
    for mutant in mutants():
        folder = tmp_path / mutant.name
        list(copy_of_the_source(folder))
        applied = apply(mutant, folder)
        if applied.returncode:
            failed[mutant.name] = applied.stderr
    assert failed == {}
    assert len(mutants()) >= 20


def test_every_mutant_names_tests_that_exist():
    named = {test for mutant in mutants() for test in mutant.tests}
    assert [test for test in named if not (ROOT / test.partition("::")[0]).exists()] == []

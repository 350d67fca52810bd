"""Places that are there for a while, without a handler around them: they are gone however the block is left."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest
from windlass_backups.login import login_of
from windlass_backups.scratch import scratch_database, scratch_folder
from windlass_backups.shelf import Shelf
from windlass_backups.trouble import Trouble

from tests.plugins.backups.test_retention import NOW


class Broken(Exception):
    pass


def broken_in(place: AbstractContextManager[Any], use: Callable[[Any], object]) -> None:
    """Use a place, and fail in it."""
    with place as there:
        use(there)
        raise Broken


def test_a_scratch_database_is_dropped_however_it_ends_also_with_somebody_in_it(postgres, scratches):
    server, seen = login_of(postgres, "the test"), []
    with pytest.raises(Broken):
        broken_in(scratch_database(server, "windlass_verify_7_1"), lambda _: seen.extend(scratches()))
    assert seen == ["windlass_verify_7_1"]
    with scratch_database(server, "windlass_verify_7_2") as (scratch, _):
        somebody = psycopg.connect(scratch.conninfo)
    assert scratches() == []
    somebody.close()


def test_what_goes_wrong_with_a_scratch_database_is_trouble_and_leaves_none(postgres, scratches):
    place = scratch_database(login_of(postgres, "it"), "windlass_verify_7_3")
    with pytest.raises(Trouble, match=r"database windlass_verify_7_3 at .*: division by zero"):
        broken_in(place, lambda there: there[1].execute("select 1 / 0"))
    assert scratches() == []


def test_a_scratch_folder_is_removed_however_it_ends(tmp_path):
    with pytest.raises(Broken):
        broken_in(scratch_folder(str(tmp_path), "windlass-verify-7-1"), lambda folder: (folder / "file").touch())
    assert os.listdir(tmp_path) == []


def test_a_draft_that_is_not_kept_is_removed(place):
    shelf, seen = Shelf("disk", str(place.disk), "main"), []
    with shelf.held(), pytest.raises(Broken):
        broken_in(shelf.draft(NOW, 7, 1), lambda _: seen.extend(place.shelf("main")))
    assert seen == [".2026-11-22T15-00-00.000Z.7.1.partial"]
    assert place.shelf("main") == []


def test_a_shelf_that_another_holds_is_not_entered_and_is_free_when_he_is_gone(place):
    mine, theirs = (Shelf("disk", str(place.disk), "main") for _ in range(2))
    said = "another process is writing a backup of main to disk"
    with mine.held(), pytest.raises(Trouble, match=said):
        broken_in(theirs.held(), id)
    with theirs.held():
        assert place.shelf("main") == []


def test_only_the_drafts_of_one_attempt_are_discarded(place):
    shelf = Shelf("disk", str(place.disk), "main")
    names = [".2026-11-22T15-00-00.000Z.7.1.partial", ".2026-11-22T15-00-00.000Z.7.2.partial", ".note.7.1.partial"]
    for name in names:
        (place.disk / "main" / name).mkdir(parents=True)
    shelf.discard(7, 1)
    assert place.shelf("main") == names[1:]

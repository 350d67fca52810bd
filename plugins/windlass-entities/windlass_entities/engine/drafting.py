"""From inputs and contributions to the draft."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from windlass_entities.atlas import Atlas
from windlass_entities.engine.building import Changes
from windlass_entities.engine.computation import Computation
from windlass_entities.engine.contributions import Holdings, reached
from windlass_entities.engine.draft import Draft, Report
from windlass_entities.engine.inputs import Inputs
from windlass_entities.engine.loading import Tree
from windlass_entities.engine.planning import Order
from windlass_entities.engine.say import Say
from windlass_entities.engine.staging import Staging
from windlass_entities.engine.state import State, keep
from windlass_entities.health import Transition, kept
from windlass_entities.indexes import ASNS, COUNTRIES, VERSION


class Base(NamedTuple):
    """What is published.  Without a tree `generation` may still be more than 0: numbers never go back."""

    generation: int
    tree: Tree | None
    state: State


def drafted(
    order: Order,
    inputs: Inputs,
    after: Holdings,
    base: Base,
    atlas: Atlas,
    staging: Path,
    say: Say,
    now: datetime,
) -> Draft | None:
    """None when every file is published just as it came out.  The state that the draft makes is kept in memory."""
    changes = Changes(base.tree, Staging(staging), verify=order.is_forced)
    run = Computation(base.state, after, atlas, changes)
    run.build_pages(reached(base.state, after, order), say)
    new = _transitions(base.state, after, now)
    run.write_private(inputs.coverages, kept(base.state.transitions, new), order.is_whole)
    changes.drop(order.extra - run.paths())
    if not (changes.files or changes.gone) and _is_marked(base, run.marker(base.generation)):
        return None
    version = run.marker(base.generation + 1)
    changes.files[VERSION] = version
    keep(version, run.state())
    report = _report(inputs, base.state, after, changes, run.removed, new)
    return Draft(
        base=base.generation,
        files=changes.files,
        gone=changes.gone,
        summary={"feeds": len(report.feeds), "countries": report.countries, "asns": report.asns, "gone": run.removed},
        is_whole=base.tree is None,
        is_repair=changes.is_repair or bool(base.state.damage),
        report=report,
    )


def _transitions(before: State, after: Holdings, now: datetime) -> tuple[Transition, ...]:
    pairs = [(before.facts[feed], facts) for feed, facts in after.facts.items() if feed in before.facts]
    moved = [(was, facts) for was, facts in pairs if was.health != facts.health]
    return tuple(Transition(feed=facts.name, before=was.health, after=facts.health, at=now) for was, facts in moved)


def _is_marked(base: Base, version: bytes) -> bool:
    try:
        return base.tree is not None and base.tree.read(VERSION) == version
    except OSError:
        return False


def _report(
    inputs: Inputs, before: State, after: Holdings, changes: Changes, removed: int, new: tuple[Transition, ...]
) -> Report:
    pages = [path.rpartition("/") for path in changes.files]
    folders = [folder for folder, _, name in pages if name != "index.json"]
    return Report(
        feeds=tuple(feed for feed, facts in after.facts.items() if facts != before.facts.get(feed)),
        withdrawn=tuple(inputs.withdrawn),
        transitions=new,
        unavailable={feed: facts.unavailable for feed, facts in after.facts.items() if facts.unavailable},
        countries=folders.count(COUNTRIES),
        asns=folders.count(ASNS),
        removed=removed,
        unchanged=changes.unchanged,
    )

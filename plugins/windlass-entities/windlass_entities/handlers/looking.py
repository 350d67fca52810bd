"""The whole look at what is published, and the tasks that are made for what is found."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from windlass import BlockingContext

from windlass_entities import integrity
from windlass_entities.accepted import Standing, read_standing
from windlass_entities.engine import Say
from windlass_entities.engine.sources import Unusable
from windlass_entities.findings import Finding
from windlass_entities.handlers.classes import TRIGGER, RefreshHealth
from windlass_entities.handlers.feeds import RecheckFeed, ReprocessFeed
from windlass_entities.handlers.passes import sources_of
from windlass_entities.mending import Mending
from windlass_entities.payloads import Feeds, OneFeed, listed
from windlass_entities.settings import EntitiesSettings
from windlass_entities.tree import NoTree
from windlass_entities.wanting import newer, of_feeds


def look(settings: EntitiesSettings, say: Say) -> list[Finding]:
    """Reads and hashes every file, and compares the tree with the configuration.  Raises TreeTrouble."""
    root = Path(settings.root)
    try:
        standing = read_standing(root)
    except NoTree:
        return integrity.look(root)
    found = integrity.look(root, newer=_newer(settings, standing, say))
    return found + of_feeds(standing, settings.thresholds, datetime.now(UTC))


def _newer(settings: EntitiesSettings, standing: Standing, say: Say) -> dict[str, str]:
    sources = sources_of(settings)
    try:
        return newer(sources.read_catalogue(), sources.atlas().digest, standing)
    except Unusable as error:
        say.step(f"{error}; what is published is compared with itself only")
        return {}


def have_feeds_mended(ctx: BlockingContext, settings: EntitiesSettings, say: Say, todo: Mending) -> None:
    """Makes tasks for what is not wrong with pages: for the same reason as this one, or because a class has moved."""
    for feed in todo.recheck:
        pause = settings.recheck_pause
        task = ctx.enqueue(
            RecheckFeed.kind, OneFeed(feed), name=f"recheck {feed}", trigger=ctx.task.trigger, pause=pause
        )
        say.step(f"{feed}: task {task} looks at its file again", task=task)
    for feed in todo.reprocess:
        task = ctx.enqueue(ReprocessFeed.kind, OneFeed(feed), name=f"reprocess {feed}", trigger=ctx.task.trigger)
        say.step(f"{feed}: task {task} accepts it anew", task=task)
    if todo.health:
        task = ctx.enqueue(RefreshHealth.kind, Feeds(list(todo.health)), name="health", trigger=TRIGGER)
        say.step(f"{listed(list(todo.health), 'feeds')}: task {task} publishes the class", task=task)

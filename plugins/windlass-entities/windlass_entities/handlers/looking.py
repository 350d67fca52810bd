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


def have_feeds_mended(ctx: BlockingContext, say: Say, todo: Mending) -> None:
    """Makes tasks for what is not wrong with pages: for the same reason as this one, or because a class has moved."""
    wanted: list[tuple[str, str, object, str]] = [
        *((RecheckFeed.kind, feed, OneFeed(feed), ctx.task.trigger) for feed in todo.recheck),
        *((ReprocessFeed.kind, feed, OneFeed(feed), ctx.task.trigger) for feed in todo.reprocess),
    ]
    if todo.health:
        wanted.append((RefreshHealth.kind, listed(list(todo.health), "feeds"), Feeds(list(todo.health)), TRIGGER))
    for kind, what, payload, trigger in wanted:
        task = ctx.enqueue(kind, payload, name=f"{kind} {what}", trigger=trigger)
        say.step(f"{what}: made task {task} ({kind})", task=task)

"""Files that were looked at and changed nothing: other lines, the same addresses.

Nothing is published for them, so the tree can't remember them; without this the watcher would ask again and again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from windlass import BlockingDocuments

from windlass_entities.accepted import read_standing
from windlass_entities.facts import FeedFacts
from windlass_entities.files import Look, file_of, stamp_of
from windlass_entities.records import SEEN, Seen
from windlass_entities.settings import EntitiesSettings
from windlass_entities.tree import NoTree


def is_settled(sha256: str, facts: FeedFacts | None, seen: Seen | None) -> bool:
    """Whether a file with this hash is what was accepted, or was looked at as the feed stands now."""
    if facts is not None and not facts.unavailable and facts.source is not None and facts.source.sha256 == sha256:
        return True
    return seen == mark(sha256, facts)


def mark(sha256: str, facts: FeedFacts | None) -> Seen:
    """That a file with this hash was looked at while the feed stood so."""
    if facts is None:
        return Seen(sha256, "", unavailable=True)
    return Seen(sha256, facts.source.sha256 if facts.source else "", unavailable=bool(facts.unavailable))


def remember_unchanged(documents: BlockingDocuments, settings: EntitiesSettings, before: Mapping[str, Look]) -> None:
    """After a pass over feeds whose files looked so before it.  One that was touched meanwhile is not remembered."""
    try:
        known = read_standing(Path(settings.root)).facts
    except NoTree:
        known = {}
    folder = Path(settings.feeds)
    for feed, look in before.items():
        facts = known.get(feed)
        if facts is None:
            documents.delete(SEEN + feed)  # it was withdrawn, or never was a feed: nobody watches its file
        elif not is_settled(look.sha256, facts, None) and stamp_of(file_of(folder, feed)) == look.stamp:
            documents.put(SEEN + feed, mark(look.sha256, facts))

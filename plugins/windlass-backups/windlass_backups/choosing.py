"""From the names in a payload to what is configured.  A name that is not there is refused, with the nearest that is."""

from __future__ import annotations

from windlass import Rejected

from windlass_backups.manifest import Manifest
from windlass_backups.payload import VerifyPayload
from windlass_backups.settings import BackupsSettings, Source, nearest
from windlass_backups.shelf import STAMP, Shelf


def choose_source(settings: BackupsSettings, name: str) -> Source:
    """Raises Rejected."""
    if name not in settings.sources:
        raise Rejected(f"source: there is no {name!r} in [plugins.backups.sources]; {nearest(name, settings.sources)}")
    return settings.sources[name]


def choose_target(settings: BackupsSettings, source: str, name: str) -> str:
    """The target of a new backup: the one named, or the only one of this source.  Raises Rejected."""
    if name:
        return _known_target(settings, name)
    usual = settings.targets_of(source)
    if len(usual) != 1:
        raise Rejected(f"target: {source} goes to {', '.join(usual)}; name one of them")
    return usual[0]


def shelf_of(settings: BackupsSettings, target: str, source: str) -> Shelf:
    return Shelf(target, settings.targets[target].path, source)


def shelves(settings: BackupsSettings, source: str = "", target: str = "") -> list[Shelf]:
    """Where backups may be: of one source or all, in one target or all.  Raises Rejected."""
    if source:
        choose_source(settings, source)
    targets = [_known_target(settings, target)] if target else list(settings.targets)
    return [shelf_of(settings, name, each) for each in ([source] if source else settings.sources) for name in targets]


def find(settings: BackupsSettings, backup: str, target: str = "") -> tuple[Shelf, Manifest]:
    """One backup by its name.  Raises Rejected: there is none, or it is in several targets and none is named."""
    source, _, stamp = backup.partition("/")
    if not STAMP.fullmatch(stamp):
        raise Rejected(f"backup: a name is source/time, such as main/2026-11-22T15-04-05.123Z; {backup!r} is not")
    candidates = shelves(settings, source, target)
    found = [(shelf, manifest) for shelf in candidates if (manifest := shelf.read(stamp)) is not None]
    if not found:
        where = ", ".join(shelf.target for shelf in candidates)
        raise Rejected(f"backup: there is no {backup} in {where}; backups.list tells what there is")
    if len(found) > 1:
        raise Rejected(f"target: {backup} is in {', '.join(shelf.target for shelf, _ in found)}; name one of them")
    return found[0]


def wanted(settings: BackupsSettings, payload: VerifyPayload) -> tuple[Shelf, Manifest]:
    """The backup to verify.  Raises Rejected."""
    if payload.backup:
        return find(settings, payload.backup, payload.target)
    newest = [
        (shelf, manifest)
        for shelf in shelves(settings, payload.source, payload.target)
        if (manifest := next(shelf.backups(), None)) is not None
    ]
    if not newest:
        raise Rejected(f"source: there is no backup of {payload.source} yet; make one first")
    return max(newest, key=lambda each: each[1].stamp)


def _known_target(settings: BackupsSettings, name: str) -> str:
    if name not in settings.targets:
        raise Rejected(f"target: there is no {name!r} in [plugins.backups.targets]; {nearest(name, settings.targets)}")
    return name

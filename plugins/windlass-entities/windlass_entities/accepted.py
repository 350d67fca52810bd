"""What a generation says, read from its files: what was accepted of each feed, and what is published."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from windlass_entities import facts as facts_file
from windlass_entities.facts import FeedFacts
from windlass_entities.health import Transition
from windlass_entities.indexes import MANIFEST, TRANSITIONS, VERSION, Manifest, Version, facts_path
from windlass_entities.tree import Tree, open_tree

FACTS = ".json"


class Standing(msgspec.Struct, frozen=True):
    """A generation, without its pages.  What can't be read is left out."""

    generation: int
    atlas: str
    version: Version | None
    facts: dict[str, FeedFacts]
    transitions: tuple[Transition, ...]

    @property
    def health(self) -> dict[str, int]:
        """How many feeds are of which class."""
        return dict(sorted(Counter(each.health for each in self.facts.values()).items()))


def read_standing(root: Path, known: Standing | None = None) -> Standing:
    """What is current; `known` when that is still it.  Raises NoTree, TreeTrouble."""
    with open_tree(root) as tree:
        if known is not None and known.generation == tree.generation:
            return known
        manifest = _decoded(tree, MANIFEST, Manifest)
        return Standing(
            tree.generation,
            manifest.atlas if manifest is not None else "",
            _decoded(tree, VERSION, Version),
            _facts(tree),
            _decoded(tree, TRANSITIONS, tuple[Transition, ...]) or (),
        )


def _facts(tree: Tree) -> dict[str, FeedFacts]:
    found = {}
    for name in tree.names("private/feeds"):
        if name.endswith(FACTS):
            feed = name.removesuffix(FACTS)
            try:
                found[feed] = facts_file.decode(tree.read(facts_path(feed)))
            except (OSError, ValueError):
                continue
    return found


def _decoded(tree: Tree, path: str, kind: Any) -> Any:
    try:
        return msgspec.json.decode(tree.read(path), type=kind)
    except (OSError, ValueError):
        return None

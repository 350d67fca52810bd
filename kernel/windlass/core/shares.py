"""How the slots of a pool are shared among the nodes that are alive.

A pool's slots are counted over the whole cluster, yet no node may ask another before it starts a task.  So each node
has a share, the shares never add up to more than the slots, and a node fills no more than its share.  Shares change one
node at a time under the pool row's lock: a node takes what is free, and gives up what is not fairly its own as soon as
it does not use it.

Fair is an even split of what is wanted: a node that is hungry (has more due work than share) wants everything, a calm
one what it uses, and what the modest leave is split among the others.  What nobody wants is split so that all have the
same, as far as it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec


class Share(msgspec.Struct, frozen=True):
    """What a node may fill (`slots`), what it fills (`in_use`), and whether it could fill more."""

    node: int
    slots: int
    in_use: int
    hungry: bool


def fair(slots: int, shares: Sequence[Share]) -> dict[int, int]:
    """The slots that are fairly each node's; they add up to the pool's slots at most."""
    wanted = sum(share.in_use for share in shares)
    if wanted <= slots and not any(share.hungry for share in shares):
        return _split_around(slots, shares, lambda share, part: share.in_use > part)
    return _split_around(slots, shares, lambda share, part: not share.hungry and share.in_use <= part)


def next_share(node: int, slots: int, shares: Sequence[Share]) -> int:
    """What the share of `node` becomes now; `shares` are those of all live nodes, its own among them."""
    mine = next(share for share in shares if share.node == node)
    target = fair(slots, shares)[node]
    if target <= mine.slots:
        return max(target, min(mine.in_use, mine.slots))
    free = slots - sum(share.slots for share in shares)
    return min(target, mine.slots + max(0, free))


def may_fill(node: int, slots: int, shares: Sequence[Share]) -> int:
    """How many of its slots `node` fills from now on: what it must give back soon it does not fill again."""
    return min(next_share(node, slots, shares), fair(slots, shares)[node])


def is_unsettled(node: int, slots: int, shares: Sequence[Share], in_use: int, *, hungry: bool) -> bool:
    """Whether `node` has a reason to ask for its share anew: something it said has changed, or something may change."""
    mine = next((share for share in shares if share.node == node), None)
    if mine is None or (mine.in_use, mine.hungry) != (in_use, hungry):
        return True
    return next_share(node, slots, shares) != mine.slots


def others_may_change(node: int, slots: int, shares: Sequence[Share]) -> bool:
    """Whether another node than `node` would get another share, or fill another part of it, if it asked now."""
    others = [share for share in shares if share.node != node]
    return any(next_share(other.node, slots, shares) != other.slots for other in others) or any(
        fair(slots, shares)[other.node] < other.in_use for other in others
    )


def _split_around(slots: int, shares: Sequence[Share], keeps: Callable[[Share, int], bool]) -> dict[int, int]:
    """Those whom `keeps` names, by what they use and an even part of the rest, keep that; the others split the rest."""
    kept: dict[int, int] = {}
    while True:
        others = [share for share in shares if share.node not in kept]
        even = _split(slots - sum(kept.values()), [share.node for share in others])
        more = {share.node: share.in_use for share in others if keeps(share, even[share.node])}
        if not more or len(more) == len(others):
            return kept | even | more
        kept |= more


def _split(slots: int, nodes: Sequence[int]) -> dict[int, int]:
    each, over = divmod(max(0, slots), len(nodes))
    return {node: each + (place < over) for place, node in enumerate(sorted(nodes))}

"""The Roster contract: who works, on what, and what is paused, as people read it.  Reads only; few rows, no pages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from enum import IntEnum

import msgspec

from windlass.errors import NodeGone, NodeNotFound


class NodeState(IntEnum):
    """By the store's clock.  The numbers are sent."""

    LIVE = 1
    DRAINING = 2
    """It takes no more tasks."""
    LEFT = 3
    LOST = 4
    """Its lease ran out, or its process was proved gone."""


class ShareEntry(msgspec.Struct, frozen=True):
    """What a node may fill of a pool, and what it said it fills."""

    pool: str
    slots: int
    in_use: int


class NodeEntry(msgspec.Struct, frozen=True):
    """`running`: how many tasks it holds.  One that is gone has no shares."""

    id: int
    name: str
    version: str
    state: NodeState
    joined_at: datetime
    renewed_at: datetime
    expires_at: datetime
    is_leader: bool
    kinds: tuple[str, ...]
    running: int
    shares: tuple[ShareEntry, ...]


class Pause(msgspec.Struct, frozen=True):
    by: str
    reason: str
    at: datetime


class PoolEntry(msgspec.Struct, frozen=True):
    """`in_use`: how many of its slots execute a task that has told of its start."""

    name: str
    slots: int
    in_use: int
    pause: Pause | None


class KindEntry(msgspec.Struct, frozen=True):
    """A kind as the newest start of a node knew it; `nodes`: how many live ones have a handler for it."""

    name: str
    pool: str
    attempts: int
    retry_pause: float
    pause: Pause | None
    nodes: int


class About(msgspec.Struct, frozen=True):
    """The store's clock, and what it is, such as `postgres 18.6`."""

    now: datetime
    name: str


class Roster(ABC):
    @abstractmethod
    async def nodes(self, gone: float) -> list[NodeEntry]:
        """Nodes that live, by id, then those that went within the last `gone` seconds."""

    @abstractmethod
    async def pools(self) -> list[PoolEntry]:
        """Every pool, by name."""

    @abstractmethod
    async def kinds(self) -> list[KindEntry]:
        """Every kind that a node ever registered, by name."""

    @abstractmethod
    async def about(self) -> About: ...


def refusal(node: int, *, is_known: bool) -> NodeNotFound | NodeGone:
    """Why a node can't be drained or resumed."""
    if is_known:
        return NodeGone(f"node {node} is gone: it takes no tasks any more", node=node)
    return NodeNotFound(f"there is no node {node}", node=node)

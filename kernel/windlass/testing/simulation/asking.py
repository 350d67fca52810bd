"""What simulated clients ask for, drawn from the seed: work, and the gates it must pass."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import msgspec

from windlass.handler import Concurrency
from windlass.host.admission import Request
from windlass.store.memory import World
from windlass.testing.simulation.play import GATHERERS, Part

LANES = ("entities", "pages")
PUBLICATIONS = (*(None,) * 16, 0.1, 0.5, 3.0, 12.0)
"""Seconds, as often as they are to come; most tasks publish nothing."""
KEYS = {"one": 1, "two": 2}
"""Concurrency keys with their limits."""
MOST_WAITING_FOR_A_KEY = 8
"""A key that is always asked for more than it can do would never drain."""


def draw(chance: random.Random, world: World) -> Request:
    """The next request.  Tasks it waits for are some that there are."""
    request = str(UUID(int=chance.getrandbits(128)))
    part = _part(chance)
    gates, kind = _gates(chance, world), "Play"
    if not gates.get("after") and chance.random() < 0.2:
        kind = chance.choice(GATHERERS)
        gates["coalesce_key"] = chance.choice(("a", "b"))
        part = msgspec.structs.replace(part, seconds=min(part.seconds, 3.0), requests=(request,))
    return Request(
        kind=kind,
        payload=msgspec.json.encode(part),
        priority=chance.choice((1, 5, 5, 9)),
        delay=chance.choice((0.0, 0.0, 0.0, 4.0)),
        request_id=request,
        start_within=chance.choice((*(None,) * 18, 1.0, 10.0)),
        **gates,
    )


def _part(chance: random.Random) -> Part:
    part = Part(
        seconds=chance.choice((0.0, 0.01, 0.5, 3.0, 12.0)),
        words=chance.choice((0, 0, 1, 5)),
        end=chance.choice(("success", "success", "failure")),
        failures=chance.choice((0, 0, 0, 1, 2)),
        deaf=chance.random() < 0.1,
    )
    publishing = chance.choice(PUBLICATIONS)
    if publishing is None:
        return part
    lane, deaf = chance.choice(LANES), chance.random() < 0.3
    return msgspec.structs.replace(part, lane=lane, publishing=publishing, deaf=deaf)


def _gates(chance: random.Random, world: World) -> dict[str, Any]:
    gates: dict[str, Any] = {}
    if chance.random() < 0.15:
        key = chance.choice(sorted(KEYS))
        if sum(place.slot_key == key for place in world.waiting) < MOST_WAITING_FOR_A_KEY:
            gates["concurrency"] = Concurrency(key, KEYS[key])
    if world.tasks and chance.random() < 0.15:
        newest = sorted(world.tasks)[-10:]
        gates["after"] = tuple(chance.sample(newest, min(len(newest), chance.choice((1, 1, 2)))))
        gates["after_success"] = chance.random() < 0.5
    return gates

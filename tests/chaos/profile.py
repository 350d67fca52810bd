"""How long a run is, how hard, and how often each thing must have happened for it to say anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.chaos.nodes import Times

# In a run of two minutes; what is rarer than this was not tested, and the run is void.
AT_LEAST: Mapping[str, int] = {
    "acked": 500,
    "recovered": 20,
    "explained": 20,
    "zombie_tried": 5,
    "interrupts": 5,
    "kill": 2,
    "freeze": 2,
    "stop": 1,
    "restart": 1,
    "end_backends": 1,
    "half_open": 1,
    "slow_down": 1,
    "cut enqueue": 1,
    "cut claim": 1,
    "cut finish": 1,
    "failpoint exit": 1,
    "failpoint pause": 1,
    "failpoint lost": 5,
}


@dataclass(frozen=True, slots=True)
class Profile:
    """`minutes` of faults; starting, healing and draining come on top (at most 90 s)."""

    minutes: float
    nodes: int
    rate: float
    seed: int
    times: Times = field(default_factory=Times)

    def at_least(self) -> Mapping[str, int]:
        """The numbers below which the run is void: they grow with its length."""
        whole = max(1, int(self.minutes / 2))
        return {name: least * whole for name, least in AT_LEAST.items()} | {"zombie_tried": min(5 * whole, 30)}


def ci(seed: int) -> Profile:
    """At most four minutes in all."""
    return Profile(minutes=2.2, nodes=3, rate=25.0, seed=seed)


def unbounded(seed: int, minutes: float) -> Profile:
    """As long as one likes; the seed also draws how many nodes there are."""
    return Profile(minutes=minutes, nodes=2 + seed % 3, rate=40.0, seed=seed)

"""How much work a node takes at once.

A claim costs a round trip and a commit, whatever its size, so short tasks must be claimed many at a time; but work that
sits in a node's memory is work that no other node can start.  So a node claims what it can start within
`AHEAD_SECONDS`: its free slots, plus as many more as its recent rate of starts will use up in that time.

A tenth of a second, because the next claim is asked for when half of that is left and takes up to 30 ms where two nodes
share two cores: with a twentieth they ran dry, and drained 41k tasks/s together in place of 51k.
"""

from __future__ import annotations

AHEAD_SECONDS = 0.1
LARGEST_CLAIM = 1_000


def claim_size(*, slots: int, executing: int, waiting: int, starts_per_second: float) -> int:
    """How many tasks to claim now; 0 when what is held will do for the moment.

    `waiting` are claimed tasks that have not started.  A claim-ahead is only worth its round trip once the store of
    waiting tasks has fallen to half.
    """
    ahead = int(starts_per_second * AHEAD_SECONDS)
    wanted = slots - executing + ahead - waiting
    if executing >= slots and waiting > ahead // 2:
        return 0
    return max(0, min(LARGEST_CLAIM, wanted))


def smoothed_rate(rate: float, starts: int, seconds: float) -> float:
    """The rate of starts, averaged so that the last tenth of a second weighs about as much as all before."""
    if seconds <= 0:
        return rate
    weight = min(1.0, seconds / 0.2)
    return rate + weight * (starts / seconds - rate)

"""When a node may believe that it is alive.

The database's clock alone decides whose lease has run out.  A node's own monotonic clock is used for one thing: to stop
itself early, before the database could give its work away.
"""

from __future__ import annotations

import msgspec


class LeaseTimes(msgspec.Struct, frozen=True):
    """Seconds.  A beat must come at least four times in a lease, so that three may fail."""

    lease: float = 30.0
    renew: float = 5.0

    def __post_init__(self) -> None:
        if not 0 < self.renew <= self.lease / 4:
            raise ValueError(f"renew ({self.renew} s) must be at most a quarter of the lease ({self.lease} s)")


def may_start_work(times: LeaseTimes, since_renewed: float) -> bool:
    """Whether a node that renewed its lease this many seconds ago (own clock) may start another task."""
    return since_renewed < times.lease * 0.75


def must_stop_work(times: LeaseTimes, since_renewed: float) -> bool:
    """Whether it must end what it runs: its tasks may be given away from now on."""
    return since_renewed >= times.lease * 0.9

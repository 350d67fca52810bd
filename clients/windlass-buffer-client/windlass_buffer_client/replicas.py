"""Whether a replica has a transaction: it is asked itself, and what it says is compared as numbers.

Log positions mean something only within one history of one cluster.  So the cluster's identifier must be the same, and
the timeline: after a failover the new history may have other changes at the same position.
"""

from __future__ import annotations

from typing import LiteralString, NamedTuple

from windlass_buffer_client import lsn
from windlass_buffer_client.errors import WrongReplica
from windlass_buffer_client.reports import Status

# A standby's control file names the timeline of its last restart point, which may be long ago; its receiver knows the
# newest.
QUESTION: LiteralString = """
select case when standby then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end::text,
       (select system_identifier::text from pg_control_system()),
       case when standby
         then greatest((select timeline_id from pg_control_checkpoint()),
                       (select min_recovery_end_timeline from pg_control_recovery()),
                       (select received_tli from pg_stat_wal_receiver))
         else ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int
       end,
       standby and (select received_tli is null from pg_stat_wal_receiver)
from (select pg_is_in_recovery() as standby offset 0) as now
"""


class Facts(NamedTuple):
    """What a server says of itself, in the order of QUESTION; `lsn` is None when it has replayed nothing yet."""

    lsn: str | None
    system: str
    timeline: int
    is_hidden: bool | None  # it receives, but its role may not see from which timeline; None when it does not receive


def has_replayed(status: Status, facts: Facts) -> bool:
    """True once the server has what the transaction changed; WrongReplica when it can never tell."""
    if facts.system != status.system:
        raise WrongReplica(
            f"the replica belongs to the cluster {facts.system}, the transaction was applied on {status.system}: "
            "give the DSN of a replica of the main database"
        )
    if facts.is_hidden:
        raise WrongReplica("the replica does not show this role its timeline: grant pg_read_all_stats to the role")
    if facts.timeline > status.timeline:
        raise WrongReplica(
            f"the replica is on timeline {facts.timeline}, the transaction was applied on {status.timeline}: there was "
            "a failover since, and positions say nothing over it; look the transaction up in the database"
        )
    # One on an earlier timeline has not followed yet.
    if facts.timeline < status.timeline or facts.lsn is None:
        return False
    return lsn.number(facts.lsn) >= lsn.end(lsn.number(status.lsn))

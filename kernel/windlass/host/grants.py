"""What may be given to whom: the rules of a new token."""

from __future__ import annotations

import msgspec

from windlass.core.access import Role, may_give, within
from windlass.errors import InvalidArgument, PoolOutOfScope, RoleTooLow
from windlass.host.admission import LONGEST_WORD, Caller
from windlass.store.tokens import NewToken

MOST_POOLS = 100
LONGEST_TTL = 10 * 366 * 86_400.0
SYSTEM = 2


class Grant(msgspec.Struct, frozen=True):
    """A token as it was asked for.  `role` and `origin` are numbers of the protocol, 0 for none; `ttl` in seconds."""

    subject: str
    role: int
    origin: int = 0
    pools: tuple[str, ...] = ()
    ttl: float | None = None


def new_token(grant: Grant, giver: Caller) -> NewToken:
    """The token, without a secret yet.  Raises `InvalidArgument`, `RoleTooLow` or `PoolOutOfScope`."""
    _check_words(grant)
    role, pools = Role(grant.role), frozenset(grant.pools)
    if not may_give(giver.role, role):
        raise RoleTooLow(
            f"the role {role.name.lower()} is more than yours, {giver.role.name.lower()}: ask one who has it",
            role=role.name.lower(),
        )
    if not within(pools, giver.pools):
        yours = ", ".join(sorted(giver.pools))
        raise PoolOutOfScope(f"your token is good for {yours}: name some of these in pools", pools=yours)
    return NewToken(
        digest=b"",
        subject=grant.subject,
        role=role,
        origin=grant.origin or SYSTEM,
        created_by=giver.name,
        pools=tuple(sorted(pools)),
        ttl=grant.ttl,
    )


def _check_words(grant: Grant) -> None:
    if not (0 < len(grant.subject) <= LONGEST_WORD and grant.subject.isprintable() and grant.subject.strip()):
        raise InvalidArgument(f"subject must be 1 to {LONGEST_WORD} printable characters", field="subject")
    if grant.role not in set(Role):
        known = ", ".join(role.name.lower() for role in Role)
        raise InvalidArgument(f"role {grant.role} is none that is known; name one of {known}", field="role")
    if grant.origin not in (0, 1, SYSTEM):
        raise InvalidArgument(f"origin {grant.origin} is none that is known", field="origin")
    if len(grant.pools) > MOST_POOLS:
        raise InvalidArgument(f"{len(grant.pools)} pools; at most {MOST_POOLS} are taken", field="pools")
    for pool in grant.pools:
        if not (0 < len(pool) <= LONGEST_WORD and pool.isprintable()):
            raise InvalidArgument(f"a pool's name has 1 to {LONGEST_WORD} printable characters", field="pools")
    if grant.ttl is not None and not 1 <= grant.ttl <= LONGEST_TTL:
        raise InvalidArgument("ttl must be from a second to ten years; unset means for ever", field="ttl")

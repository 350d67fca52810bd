"""Who may do what: five roles, of which each of the first four may do what those before it may."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from enum import IntEnum


class Role(IntEnum):
    """The numbers are stored and sent."""

    VIEWER = 1
    """Looks."""
    SUBMITTER = 2
    """And puts work in."""
    OPERATOR = 3
    """And stops, repeats, pauses, resizes, schedules."""
    ADMIN = 4
    """And gives and takes access."""
    AGENT = 5
    """Serves tasks as a remote worker, and nothing else."""


ROLE_NAMES = {role.name.lower(): role for role in Role}


def allows(role: Role, least: Role) -> bool:
    """Whether `role` may do what at `least` this one may."""
    if Role.AGENT in (role, least):
        return role is least
    return role >= least


def may_give(role: Role, given: Role) -> bool:
    """Whether a holder of `role` may give `given` away: nothing above its own, and agents only by an admin."""
    return role is Role.ADMIN if given is Role.AGENT else allows(role, given)


def reaches(pools: AbstractSet[str], pool: str) -> bool:
    """Whether a scope holds a pool; an empty scope is all of them."""
    return not pools or pool in pools


def within(pools: AbstractSet[str], others: AbstractSet[str]) -> bool:
    """Whether a scope goes no further than `others` does."""
    return not others or (bool(pools) and pools <= others)

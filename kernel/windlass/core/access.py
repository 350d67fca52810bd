"""Who may do what: five roles, of which each of the first four may do what those before it may."""

from __future__ import annotations

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


def allows(role: Role, least: Role) -> bool:
    """Whether `role` may do what at `least` this one may."""
    if Role.AGENT in (role, least):
        return role is least
    return role >= least

"""Agents by name: which names there may be, and whose a pool is."""

from __future__ import annotations

import re

POOL_PREFIX = "agent:"
LONGEST_ID = 80
ID = re.compile(r"[a-z0-9][a-z0-9.-]*")
WHAT_FITS = f"a to z, digits, dots and dashes, not beginning with one of these, at most {LONGEST_ID} characters"


def is_agent_id(text: str) -> bool:
    return len(text) <= LONGEST_ID and ID.fullmatch(text) is not None


def pool_of(agent: str) -> str:
    """The pool that is an agent's own: no other worker serves it."""
    return f"{POOL_PREFIX}{agent}"


def is_agent_pool(pool: str) -> bool:
    return pool.startswith(POOL_PREFIX)


def agent_of(pool: str) -> str:
    """Whose a pool is; empty for one that is not a single agent's."""
    return pool.removeprefix(POOL_PREFIX) if is_agent_pool(pool) else ""

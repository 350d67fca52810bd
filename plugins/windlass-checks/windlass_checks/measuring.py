"""Makes one look within its time, and ends it at once when the task is interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from windlass import Context, Rejected

from windlass_checks import aside
from windlass_checks.guard import Guard, Refused
from windlass_checks.look import Finding, Look
from windlass_checks.probes import AnyProbe, Disk, Dns, Http, Ping, Postgres, Process, Redis, Tcp
from windlass_checks.secrets import Secrets
from windlass_checks.settings import ChecksSettings
from windlass_checks.text import one_line
from windlass_checks.way import Resolve, Way, by_system

LookAt = Callable[[Look, Any], Awaitable[Finding]]

SORTS: dict[type[AnyProbe], str] = {
    Http: "http",
    Tcp: "tcp",
    Dns: "dns",
    Ping: "ping",
    Disk: "disk",
    Process: "process",
    Postgres: "postgres",
    Redis: "redis",
}
_imported: dict[str, LookAt] = {}

AGAIN = 0.1
"""Seconds between two cancellations."""


class Measuring:
    """`resolve` turns names into addresses; tests bring their own."""

    def __init__(self, settings: ChecksSettings, resolve: Resolve = by_system) -> None:
        self._guard = Guard(settings.allow, settings.deny, settings.ports)
        self._secrets = Secrets(settings.secrets_directory)
        self._resolve = resolve

    async def measure(self, ctx: Context, probe: AnyProbe, *, is_ours: bool) -> Finding | None:
        """What was found, or None when the task was interrupted meanwhile.

        `is_ours`: the operator named what is looked at.  Raises `Rejected` when the look can't be made.
        """
        way = Way(None if is_ours else self._guard, self._guard, self._resolve)
        look_at = await _sort_of(probe)
        look = Look(way, self._secrets, probe.timeout)
        looking = asyncio.ensure_future(_find_out(look_at, look, probe))
        interrupted = asyncio.ensure_future(ctx.cancelled.wait())
        try:
            await asyncio.wait({looking, interrupted}, timeout=probe.timeout, return_when=asyncio.FIRST_COMPLETED)
            if looking.done():
                return looking.result()
            if interrupted.done():
                return None
            return look.down(f"nothing within {probe.timeout:g} s while {one_line(look.doing)}")
        finally:
            interrupted.cancel()
            await _end(looking)


async def _sort_of(probe: AnyProbe) -> LookAt:
    """Its module, imported when it is first needed and beside the loop: their libraries together take a second.

    Every worker process of a node imports this plugin, and none of them ever looks.
    """
    name = f"windlass_checks.sorts.{SORTS[type(probe)]}"
    if name not in _imported:
        _imported[name] = (await asyncio.to_thread(import_module, name)).look_at
    return _imported[name]


async def _find_out(look_at: LookAt, look: Look, probe: AnyProbe) -> Finding:
    try:
        found = await look_at(look, probe)
    except aside.StillHangs as error:
        return look.down(str(error))
    except Refused as refused:
        raise Rejected(f"{probe.target}: {refused}") from None
    return Finding(found.ok, one_line(found.verdict, 300), found.response_ms, found.warning)


async def _end(looking: asyncio.Future[Finding]) -> None:
    """Cancel it until it has ended.

    Once is not enough: `asyncio.wait_for` of Python 3.11, which libraries use, can lose a cancellation, and psycopg
    takes the first one to ask the server for an end of the query, for which it would wait ten seconds.
    """
    while not looking.done():
        looking.cancel()
        await asyncio.wait({looking}, timeout=AGAIN)
    if not looking.cancelled():
        looking.exception()  # looked at, so that the loop does not report it as forgotten

"""Kinds with keys: what they fold, and how much of them may run at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec
from windlass import Context, Graces, Handler, Outcome, Retry, RetryPolicy, Settings, Success, hookimpl
from windlass.handler import Concurrency, Twin
from windlass.host.admission import Caller, Request
from windlass.host.kernel import Kernel
from windlass.store.facts import NewTask, Receipt

ADA = Caller("ada", 1)


class Feeds(msgspec.Struct, forbid_unknown_fields=True):
    """Which feeds changed; what they belong to."""

    feeds: list[str] = []
    tree: str = "tree"


class Works:
    """What ran, in the order of its start; each run waits for `gate`."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.runs: list[tuple[int, list[str]]] = []
        self.running: set[int] = set()
        self.most_at_once = 0

    async def work(self, ctx: Context, payload: Feeds) -> Outcome:
        self.runs.append((ctx.task.id, payload.feeds))
        self.running.add(ctx.task.id)
        self.most_at_once = max(self.most_at_once, len(self.running))
        try:
            await self.gate.wait()
        finally:
            self.running.discard(ctx.task.id)
        return Success({"feeds": payload.feeds})

    @hookimpl
    def windlass_register_handlers(self, settings: Settings) -> Iterable[Handler[Any]]:
        return [Refresh(self), Rebuild(self), OnHost(self), Flaky()]


class _Worker(Handler[Feeds]):
    graces = Graces(ask=0.02, raise_=1.0)

    def __init__(self, works: Works) -> None:
        self._works = works

    async def run(self, ctx: Context, payload: Feeds) -> Outcome:
        return await self._works.work(ctx, payload)


class Refresh(_Worker):
    """Pages of feeds: requests for one tree are folded, feeds and all."""

    kind = "Refresh"

    def coalesce_key(self, payload: Feeds) -> str | None:
        return payload.tree

    def merge(self, payload: Feeds, other: Feeds) -> Feeds:
        return Feeds(sorted({*payload.feeds, *other.feeds}), payload.tree)


class Rebuild(Refresh):
    """Everything anew: a second request is served by the one that runs."""

    kind = "Rebuild"
    running_twin = Twin.JOIN


class OnHost(_Worker):
    kind = "OnHost"

    def concurrency(self, payload: Feeds) -> Concurrency | None:
        return Concurrency(payload.tree, 2)


class Flaky(Handler[Feeds]):
    kind = "Flaky"
    retry = RetryPolicy(attempts=4, pause=60.0, growth=3.0, longest=200.0)

    async def run(self, ctx: Context, payload: Feeds) -> Outcome:
        return Retry("not yet")


def request(kernel: Kernel, kind: str, *feeds: str, tree: str = "tree", caller: Caller = ADA, **asked: Any) -> NewTask:
    """What a caller asks for, admitted."""
    payload = msgspec.json.encode(Feeds(list(feeds), tree))
    return kernel.admission.admit(Request(kind, payload=payload, **asked), caller)


async def ask(kernel: Kernel, kind: str, *feeds: str, tree: str = "tree", **asked: Any) -> Receipt:
    """As the control plane enqueues."""
    return await kernel.enqueuer.enqueue(request(kernel, kind, *feeds, tree=tree, **asked))

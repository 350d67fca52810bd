"""The plugin of the chaos runs: a stranger to the kernel, whose handlers write down each start, effect and end.

Copied beside an entry point and found by the servers through PYTHONPATH.  One file a process, one JSON line an entry,
appended with one write, so what a killed process had done is there.  The effect has no unique constraint: done twice,
it stands there twice.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import suppress

import msgspec
from windlass import Context, Failed, Graces, Handler, Outcome, Retry, RetryPolicy, Success, hookimpl

LEDGER = os.open(
    os.path.join(os.environ["CHAOS_LEDGER"], f"executions-{os.getpid()}-{time.time_ns()}"),
    os.O_WRONLY | os.O_APPEND | os.O_CREAT,
    0o600,
)


class Act(msgspec.Struct):
    """`key` is the request's id; `how` one of quick, nap, slow, retry, fail, burst, long, stubborn."""

    key: str
    how: str = "quick"
    seconds: float = 0.0


class Perform(Handler[Act]):
    kind = "Act"
    # Faults must not use up a task's attempts, nor its worker's deaths make it poison: both would look like a loss.
    retry = RetryPolicy(attempts=10_000, pause=0.2)
    crash_limit = 0
    graces = Graces(ask=1.0, raise_=1.0, cleanup=2.0)

    async def run(self, ctx: Context, payload: Act) -> Outcome:
        note("start", ctx, payload)
        try:
            outcome = await self._play(ctx, payload)
            note("effect", ctx, payload)
            return outcome
        finally:
            note("end", ctx, payload)

    async def _play(self, ctx: Context, act: Act) -> Outcome:
        if act.how == "nap":
            await asyncio.sleep(act.seconds)
        if act.how == "slow":
            await slowly(ctx, act.seconds)
        if act.how == "long":
            await ctx.stage("waiting to be interrupted")
            await wait(ctx.cancelled, act.seconds)
        if act.how == "stubborn":
            await stubbornly(act.seconds)
        if act.how == "retry" and ctx.task.retries < 3:
            return Retry(f"try {ctx.task.retries} was not enough")
        if act.how == "burst" and ctx.task.retries < 2:
            raise RuntimeError("as foreseen")
        if act.how == "fail":
            return Failed("as asked", {"key": act.key, "attempt": ctx.task.attempt})
        return Success({"key": act.key, "attempt": ctx.task.attempt})


async def slowly(ctx: Context, seconds: float) -> None:
    for n in range(4):
        await ctx.progress(n, 4)
        await ctx.step(f"part {n}")
        await asyncio.sleep(seconds / 4)


async def stubbornly(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            await asyncio.sleep(end - time.monotonic())
        except asyncio.CancelledError:
            continue


async def wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


def note(what: str, ctx: Context, act: Act) -> None:
    line = {"what": what, "key": act.key, "task": ctx.task.id, "attempt": ctx.task.attempt, "at": time.time()}
    os.write(LEDGER, json.dumps(line | {"pid": os.getpid()}).encode() + b"\n")


@hookimpl
def windlass_register_handlers() -> list[Handler[Act]]:
    return [Perform()]

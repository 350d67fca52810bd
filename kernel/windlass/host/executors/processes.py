"""`process`: an interpreter of its own for each attempt at a time, kept warm for the next one.

What a handler does there harms nobody else: when it blocks, ignores its interrupt, ends the interpreter, or eats
memory, its worker process is killed with every process it has started, and another takes its place.  There are never
more workers than attempts that ran at once, which the pools bound.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import msgspec

from windlass import telemetry
from windlass.core.interrupts import Rung
from windlass.executor import Attempt, Executor, PayloadMisfit
from windlass.handler import Failed, Outcome, Retry, Success
from windlass.host.executors import wire
from windlass.host.executors.errands import Errands
from windlass.host.executors.worker import Ending, NotStarted, Worker

IDLE_SECONDS = 60.0
QUICK_SECONDS = 1.0
"""What a handler gets to tidy up, at a shutdown or when its task is another's, before its process is killed."""


class Processes(Executor):
    rungs = (Rung.ASKED, Rung.RAISED, Rung.TERMINATED, Rung.KILLED)
    runs_blocking = True
    limits_memory = True

    def __init__(self, recipe: wire.Recipe, idle_seconds: float = IDLE_SECONDS) -> None:
        self._recipe = recipe
        self._idle_seconds = idle_seconds
        self._running: dict[Attempt, Worker | None] = {}
        self._idle: dict[Worker, asyncio.TimerHandle] = {}
        self._going: dict[Worker, asyncio.Task[None]] = {}

    @property
    def warm(self) -> list[int]:
        """The pids of the workers that wait for a task."""
        return [worker.pid for worker in self._idle]

    async def run(self, attempt: Attempt) -> Outcome:
        stored = attempt.stored  # before a worker is taken: it may not fit
        self._running[attempt] = None
        try:
            while True:
                worker, used = await self._take()
                self._running[attempt] = worker
                done = await self._run_in(worker, attempt, stored)
                if done is not None:
                    return _outcome(done)
                if used and not worker.begun and not worker.killed:
                    continue  # it died while nobody looked; the task never reached it
                return _died(worker.ended.result(), worker, attempt)
        except NotStarted as error:
            return Retry(f"no worker process could be started: {error}")
        finally:
            del self._running[attempt]

    def climb(self, attempt: Attempt, rung: Rung) -> None:
        worker = self._running.get(attempt)
        if worker is None:
            if rung is not Rung.ASKED:
                attempt.cancel()
        elif rung is Rung.ASKED:
            worker.ask()
        elif rung is Rung.RAISED:
            worker.raise_in_it()
        elif rung is Rung.TERMINATED:
            worker.terminate()
        else:
            worker.kill()

    async def close(self) -> None:
        for worker in [*self._idle, *(worker for worker in self._running.values() if worker)]:
            self._let_go(worker)
        if self._going:
            await asyncio.wait(self._going.values())

    async def _take(self) -> tuple[Worker, bool]:
        """A worker, and whether it has been used before."""
        while self._idle:
            worker, alarm = self._idle.popitem()
            alarm.cancel()
            if not worker.ended.done():
                return worker, True
        worker = Worker.launch()
        try:
            await worker.boot(self._recipe)
        except BaseException:
            await asyncio.wait((self._let_go(worker),))
            raise
        worker.ended.add_done_callback(lambda _: self._reap(worker))
        return worker, False

    async def _run_in(self, worker: Worker, attempt: Attempt, stored: bytes) -> wire.Done | None:
        """What the worker made of it; None when it died.  Afterwards it waits for the next task, or is gone."""
        worker.begun = worker.raised = worker.killed = False
        clean = False
        errands = Errands(attempt.ctx, worker.send)
        trace = "" if telemetry.spans is None else telemetry.spans.current() or ""
        order = wire.Run(attempt.ctx.task, stored, asked=attempt.ctx.cancelled.is_set(), trace=trace)
        try:
            async with worker.output_to(attempt.ctx):
                done = await self._converse(worker, attempt, errands, order)
                if done is None:
                    await asyncio.wait((worker.ended,))
            clean = done is not None and done.clean and not worker.raised and not worker.killed
        finally:
            await errands.close()
            if clean:
                self._keep(worker)
            else:
                # The slot is its own until nothing of it is left.
                await asyncio.wait((self._let_go(worker),))
        return done

    async def _converse(self, worker: Worker, attempt: Attempt, errands: Errands, order: wire.Run) -> wire.Done | None:
        ctx = attempt.ctx
        worker.send(order)
        try:
            return await worker.listen(ctx, errands)
        except asyncio.CancelledError:
            worker.ask()
            worker.raise_in_it()
            seconds = min(QUICK_SECONDS, attempt.handler.graces.raise_)
            await asyncio.wait((asyncio.create_task(worker.listen(ctx, errands)),), timeout=seconds)
            # Before its output is read to the end: a flood has none.
            worker.kill()
            raise

    def _keep(self, worker: Worker) -> None:
        if not worker.ended.done():
            loop = asyncio.get_running_loop()
            self._idle[worker] = loop.call_later(self._idle_seconds, self._reap, worker)

    def _reap(self, worker: Worker) -> None:
        """It has waited for long enough, or died meanwhile."""
        if alarm := self._idle.pop(worker, None):
            alarm.cancel()
            self._let_go(worker)

    def _let_go(self, worker: Worker) -> asyncio.Task[None]:
        # A task of its own: it goes on when whoever waits for it is cancelled.
        if worker not in self._going:
            self._going[worker] = asyncio.create_task(worker.destroy())
            self._going[worker].add_done_callback(lambda _: self._going.pop(worker))
        return self._going[worker]


def _outcome(done: wire.Done) -> Outcome:
    result: Any = None if done.result is None else msgspec.json.decode(done.result)
    match done.end:
        case "success":
            return Success(result)
        case "failed":
            return Failed(done.message, result)
        case "retry":
            after = None if done.after is None else timedelta(seconds=done.after)
            return Retry(done.message, after, result)
        case "misfit":
            raise PayloadMisfit(done.message)
        case "cancelled":
            raise asyncio.CancelledError


def _died(ending: Ending, worker: Worker, attempt: Attempt) -> Outcome:
    if worker.garbled:
        return Retry("the worker process said what is no frame, and was killed")
    if worker.raised or worker.killed:
        raise asyncio.CancelledError
    limit = attempt.handler.memory_limit
    return Retry(str(ending) + (f"; it may take {limit / 2**20:g} MiB of memory" if limit else ""))

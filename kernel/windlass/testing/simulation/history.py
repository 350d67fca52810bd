"""One simulated history: work comes in, things break, everything heals, the work must drain."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from windlass.core.lifecycle import State, Verdict
from windlass.errors import StoreUnavailable, TaskNotFound, TaskOver
from windlass.host.admission import Caller, Request
from windlass.store.facts import Asked, NewTask
from windlass.store.memory import MemoryStore, World
from windlass.testing.simulation.asking import draw
from windlass.testing.simulation.gated import POOL
from windlass.testing.simulation.invariants import Invariants
from windlass.testing.simulation.machine import SLOTS, Process, owned_tasks
from windlass.testing.simulation.play import Ledger
from windlass.testing.simulation.wire import Wire
from windlass.testing.virtual import run_virtually

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP_SECONDS = 0.05
TROUBLE_SECONDS = 60.0
DRAIN_SECONDS = 400.0
HEALED_SECONDS = 40.0
"""Long enough for a new leader to catch up with the schedules."""
NODES = 3


@dataclass(frozen=True)
class Report:
    """`faults` counts what happened; `digest` is of the whole trace."""

    seed: int
    tasks: int
    executions: int
    faults: Counter[str]
    digest: str
    trace: tuple[str, ...]


def simulate(seed: int) -> Report:
    """One history.  Raises `Violation`, or `Deadlock`; the seed says how to see it again."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[lambda *_: ""])
    try:
        return run_virtually(_History(seed).run())
    finally:
        structlog.reset_defaults()


class _History:
    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._chance = random.Random(seed)  # noqa: S311 - a seed must give the same history again
        self._world = World(lambda: START + timedelta(seconds=asyncio.get_running_loop().time()))
        self._ledger = Ledger()
        # People are at the store itself: what they change is changed between two steps.
        people = MemoryStore(self._world)
        self._operator, self._cluster = people.pools, people.cluster
        self._invariants = Invariants(self._world, self._ledger)
        self._faults: Counter[str] = Counter()
        self._trace: list[str] = []
        self._processes: list[Process] = []
        self._started = 0
        self._sending: dict[asyncio.Task[None], None] = {}
        self._loss = self._chance.choice((0.0, 0.01, 0.05))

    async def run(self) -> Report:
        asyncio.get_running_loop().set_task_factory(owned_tasks)
        try:
            await self._trouble()
            await self._heal()
            while self._unfinished() and self._now() < TROUBLE_SECONDS + DRAIN_SECONDS:
                await self._step()
            self._invariants.check_the_end()
            return self._report()
        finally:
            await self._end_everything()

    async def _trouble(self) -> None:
        for _ in range(NODES):
            self._start()
        while self._now() < TROUBLE_SECONDS:
            await self._step()
            await self._maybe()

    async def _end_everything(self) -> None:
        # Careful code outlives a cancellation or two, and a cut wire never answers.
        for process in self._processes:
            process.kill()
        for _ in range(10):
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0)

    async def _step(self) -> None:
        await asyncio.sleep(STEP_SECONDS)
        self._invariants.check()
        world = self._world
        places = f"{len(world.ready)} {len(world.deferred)} {len(world.running)} {len(world.over)}"
        published = sum(map(len, self._ledger.press.versions.values()))
        self._note(f"{places} {len(self._ledger.executions)} {published}")

    async def _maybe(self) -> None:
        events: tuple[tuple[float, Callable[[], Awaitable[None]]], ...] = (
            (0.30, self._send),
            (0.04, self._interrupt),
            (0.02, self._interrupt_a_publisher),
            (0.006, self._kill),
            (0.006, self._stall),
            (0.004, self._terminate),
            (0.004, self._pause),
            (0.03, self._resume),
            (0.0015, self._resize),
            (0.004, self._drain),
            (0.02, self._undrain),
        )
        for probability, happen in events:
            if self._chance.random() < probability:
                await happen()
        while len([p for p in self._processes if p.alive]) < NODES and self._chance.random() < 0.02:
            self._start()

    def _start(self) -> None:
        self._started += 1
        chance = random.Random(self._chance.random())  # noqa: S311 - as above
        wire = Wire(chance, self._faults, self._loss)
        process = Process(f"p{self._started}", self._world, self._ledger, wire)
        self._processes.append(process)
        process.start()
        self._note(f"start {process.name}")

    async def _send(self) -> None:
        if process := self._any():
            asked = draw(self._chance, self._world)
            sending = asyncio.create_task(self._send_until_answered(asked))
            self._sending[sending] = None
            sending.add_done_callback(self._sending.pop)
            self._note(f"send {asked.request_id} to {process.name}")

    async def _send_until_answered(self, asked: Request) -> None:
        while True:
            process = self._any()
            if process is not None:
                task = process.kernel.admission.admit(asked, Caller("sim", 2))
                answering = process.spawn(self._send_once(process, asked.request_id, task))
                await asyncio.wait((answering,))
                if not answering.cancelled() and answering.result():
                    return
            await asyncio.sleep(0.5)

    async def _send_once(self, process: Process, request: str, task: NewTask) -> bool:
        try:
            async with asyncio.timeout(5.0):
                receipt = await process.kernel.enqueuer.enqueue(task)
        except (StoreUnavailable, TimeoutError):
            return False
        self._invariants.acknowledge(request, receipt)
        self._faults[f"{receipt.sort.value.lower()} {receipt.state.name.lower()}"] += 1
        return True

    async def _interrupt(self) -> None:
        self._interrupt_one_of(list(self._world.tasks))

    async def _interrupt_a_publisher(self) -> None:
        self._interrupt_one_of([visit.task for visit in self._ledger.press.inside])

    def _interrupt_one_of(self, tasks: list[int]) -> None:
        process = self._any()
        if process is None or not tasks:
            return
        task = self._chance.choice(tasks)
        process.spawn(self._ask_to_end(process, task))
        self._note(f"interrupt {task}")

    async def _ask_to_end(self, process: Process, task: int) -> None:
        try:
            interrupted = await process.kernel.interrupt(Asked(task, "sim", "by chance"))
        except (StoreUnavailable, TaskOver, TaskNotFound):
            return
        self._invariants.canceled.add(task)
        self._faults["canceled waiting" if interrupted.state is State.CANCELED else "canceled running"] += 1

    async def _kill(self) -> None:
        if process := self._any():
            self._faults["kill"] += 1
            self._note(f"kill {process.name}")
            process.kill()

    async def _stall(self) -> None:
        if process := self._any():
            self._faults["stall"] += 1
            seconds = self._chance.choice((1.0, 6.0, 20.0))
            self._note(f"stall {process.name} {seconds}")
            process.stall(seconds)

    async def _terminate(self) -> None:
        if process := self._any():
            self._faults["terminate"] += 1
            self._note(f"terminate {process.name}")
            process.stopping = True
            process.spawn(process.terminate())

    async def _pause(self) -> None:
        if POOL in self._world.pools:
            self._faults["pause"] += 1
            self._note("pause")
            await self._operator.pause_pool(POOL, "sim", "by chance")

    async def _resume(self) -> None:
        if POOL in self._world.pools:
            await self._operator.resume_pool(POOL)

    async def _resize(self) -> None:
        if POOL in self._world.pools:
            self._faults["resize"] += 1
            await self._have(self._chance.choice((2, 5, SLOTS)))

    async def _drain(self) -> None:
        if nodes := [node for node in self._world.nodes if self._world.alive(node)]:
            self._faults["drain"] += 1
            node = self._chance.choice(nodes)
            self._note(f"drain {node}")
            await self._cluster.drain(node, draining=True)

    async def _undrain(self) -> None:
        for node, member in self._world.nodes.items():
            if member.facts.draining and self._world.alive(node):
                await self._cluster.drain(node, draining=False)

    async def _have(self, slots: int) -> None:
        self._note(f"resize {slots}")
        await self._operator.resize(POOL, slots)
        self._invariants.gated.resized(slots)

    async def _heal(self) -> None:
        self._note("heal")
        await self._resume()
        await self._undrain()
        await self._have(SLOTS)
        self._loss = 0.0
        for process in self._processes:
            process.wire.loss = 0.0
        for _ in range(NODES):
            self._start()

    def _unfinished(self) -> bool:
        # Schedules and residents make tasks for ever, so only what was asked for drains.
        asked = (task for _, task in self._world.requests.values())
        too_soon = self._now() < TROUBLE_SECONDS + HEALED_SECONDS
        return bool(self._sending) or too_soon or any(task not in self._world.over for task in asked)

    def _any(self) -> Process | None:
        alive = [p for p in self._processes if p.alive and not p.stopping]
        return self._chance.choice(alive) if alive else None

    def _note(self, line: str) -> None:
        self._trace.append(f"{self._now():.2f} {line}")

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _report(self) -> Report:
        self._faults["refused"] += sum(p.kernel.node.completer.refused for p in self._processes)
        verdicts = Counter(tried.verdict for row in self._world.tried.values() for tried in row)
        self._faults["lost attempts"] += verdicts[Verdict.LOST]
        self._faults["returned"] += verdicts[Verdict.RETURNED]
        self._faults["ticks skipped"] += sum(tick.task is None for tick in self._world.ticks)
        self._faults["residents back"] += sum(task.trigger == "resident" for task, _ in self._world.tasks.values()) - 1
        messages = Counter(over.message for over in self._world.over.values())
        self._faults["expired"] += messages["it was not started by its deadline"]
        self._faults["missed dependency"] += sum(message.endswith("did not complete") for message in messages)
        self._faults["new leader"] += self._world.leader.term - 1 if self._world.leader else 0
        press = self._ledger.press
        self._faults["published"] += sum(map(len, press.versions.values()))
        self._faults["publisher refused"] += press.refused
        digest = hashlib.sha256("\n".join(self._trace).encode()).hexdigest()[:16]
        executions = len(self._ledger.executions)
        return Report(self._seed, len(self._world.tasks), executions, self._faults, digest, tuple(self._trace))

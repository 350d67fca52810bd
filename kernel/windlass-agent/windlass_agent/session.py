"""The session with the kernel: one stream, kept by threads of its own.

A handler that blocks the event loop must not cost the lease, so nothing here waits for the loop: heartbeats are sent,
their answers read, and a broken stream is opened again whatever the loop does; it is only told.  What is asked from the
loop waits while there is no stream; what was asked and not answered when one breaks is refused with `StoreUnavailable`,
and whoever asked asks again: the kernel takes each question any number of times.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import structlog
from windlass.core.leases import LeaseTimes, may_start_work, must_stop_work
from windlass.errors import AttemptSuperseded, BootError, StoreUnavailable, WindlassError
from windlass.host import process
from windlass.store.facts import NodeFacts
from windlass_proto.v1 import agent_pb2, workers_pb2, workers_service_pb2, workers_service_pb2_grpc

from windlass_agent import convert
from windlass_agent.place import Place
from windlass_agent.refusals import Refused, refusal_of
from windlass_agent.stream import AgentMessage, Stream

log = structlog.get_logger()

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
FAREWELL_SECONDS = 2.0
Hearer = Callable[[workers_service_pb2.KernelMessage, int], None]


class Session:
    """`hello` makes the first message, without the parts that are the session's.  What the kernel says goes to `hear`,
    with the epoch it is said to; `lost` is told of an epoch that is over.  Both are called on the loop.
    """

    def __init__(self, place: Place, hello: Callable[[], workers_pb2.Hello]) -> None:
        self._place = place
        self._make_hello = hello
        self.hear: Hearer = lambda _message, _epoch: None
        self.lost: Callable[[int], None] = lambda _epoch: None
        self.unreachable: Callable[[], None] = lambda: None
        """Told once, when nobody was there at the first try."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.RLock()
        self._wanted = threading.Event()
        """An epoch is had, or waited for."""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="session", daemon=True)
        self._epoch: int | None = None
        self._replaces = 0
        self._held: set[int] = set()
        self._credits: dict[str, int] = {}
        self._times: LeaseTimes | None = None
        self._renewed = float("-inf")
        self._stream: Stream | None = None
        """Set while it is open and welcome."""
        self._latest: Stream | None = None
        """Whatever became of it."""
        self._joining: asyncio.Future[int] | None = None
        self._pending: dict[int, tuple[asyncio.Future[workers_pb2.Answer], tuple[int, ...]]] = {}
        self._numbers = itertools.count(1)
        self._opened = asyncio.Event()
        self._has_joined = False
        self._other_renewed = ""

    @property
    def epoch(self) -> int | None:
        return self._epoch

    @property
    def lease(self) -> float:
        """Seconds; what is usual as long as none was given."""
        return LeaseTimes().lease if self._times is None else self._times.lease

    async def join(self) -> int:
        """A new epoch, however long it takes.  Raises `BootError` for what waiting does not mend."""
        self._loop = asyncio.get_running_loop()
        self._joining = self._loop.create_future()
        self._wanted.set()
        if not self._thread.is_alive():
            self._thread.start()
        return await self._joining

    def give_up(self, epoch: int) -> None:
        """The epoch is over: what is held under it is held no more."""
        with self._lock:
            if self._epoch == epoch:
                self._forget_epoch(replaces=epoch)
            stream = self._stream
        if stream is not None:
            stream.call.cancel()

    def _forget_epoch(self, replaces: int = 0) -> None:
        self._epoch, self._replaces = None, replaces
        self._held.clear()
        if self._joining is None or self._joining.done():
            self._wanted.clear()

    async def leave(self) -> None:
        """Say good-bye, and end the threads."""
        with self._lock:
            stream = self._stream
            self._stopped.set()
            self._wanted.set()
            if stream is not None:
                stream.to_send.put(AgentMessage(goodbye=workers_pb2.Goodbye()))
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, FAREWELL_SECONDS)
        if self._latest is not None and self._latest.call is not None:
            self._latest.call.cancel()

    def credit(self, credits: dict[str, int]) -> None:
        """How much of each pool is taken from now on."""
        with self._lock:
            if credits != self._credits:
                self._credits = dict(credits)
                if self._stream is not None:
                    self._stream.to_send.put(_credits(self._credits))

    async def ask(self, epoch: int, hands_in: tuple[int, ...] = (), /, **question: Any) -> workers_pb2.Answer:
        """The answer to a question that is asked under an epoch; `hands_in`: tasks whose ends it brings.

        Raises `AttemptSuperseded` when the epoch is over, `StoreUnavailable` when the stream broke meanwhile, or what
        the kernel refused it with.
        """
        loop = asyncio.get_running_loop()
        while True:
            if epoch != self._epoch:
                raise AttemptSuperseded(f"epoch {epoch} is over")
            with self._lock:
                if self._stream is not None and epoch == self._epoch:
                    number, answer = next(self._numbers), loop.create_future()
                    self._pending[number] = answer, hands_in
                    self._stream.to_send.put(AgentMessage(ask=workers_pb2.Ask(id=number, **question)))
                    break
            await self._until_open()
        found: workers_pb2.Answer = await answer
        if found.HasField("refusal"):
            raise convert.error(found.refusal)
        return found

    async def _until_open(self) -> None:
        # Looked at again now and then: the epoch may be over meanwhile.
        try:
            async with asyncio.timeout(0.5):
                await self._opened.wait()
        except TimeoutError:
            pass

    def may_start_work(self) -> bool:
        return self._times is not None and may_start_work(self._times, time.monotonic() - self._renewed)

    def must_stop_work(self) -> bool:
        return self._times is not None and must_stop_work(self._times, time.monotonic() - self._renewed)

    def _keep(self) -> None:
        """The thread: a stream as long as an epoch is had or wanted."""
        pause = FIRST_PAUSE
        for server in itertools.cycle(self._place.servers):
            self._wanted.wait()
            if self._stopped.is_set():
                return
            try:
                welcome = self._converse(server)
            except Exception as error:
                log.exception("the session broke off", server=server)
                welcome = False
                if not self._has_joined:
                    self._refuse(BootError(f"the session can't be opened: {error}"))
            pause = FIRST_PAUSE if welcome else min(pause * 2, LONGEST_PAUSE)
            # Drawn from the whole of it, so that a hundred agents do not come back at once.
            self._stopped.wait(random.uniform(0, pause))  # noqa: S311 - spreads retries, keeps no secret

    def _converse(self, server: str) -> bool:
        """One stream, to its end; whether it was welcome."""
        try:
            if not self._has_joined:
                self._place.shake_hands(server)
            channel = self._place.channel(server)
        except BootError as error:
            self._refuse(error)
            return False
        stream = self._latest = Stream(self._hello())
        try:
            stub = workers_service_pb2_grpc.WorkersStub(channel)
            stream.call = stub.Session(stream.messages(), metadata=self._place.metadata)
            for message in stream.call:
                self._hear(stream, server, message)
        except grpc.RpcError as error:
            self._broken(server, refusal_of(error), was_welcome=stream.times is not None)
        finally:
            self._close(stream)
            stream.to_send.put(None)
            stream.call.cancel()
            channel.close()
        return stream.times is not None

    def _hello(self) -> workers_pb2.Hello:
        hello = self._make_hello()
        with self._lock:
            hello.epoch, hello.replaces = self._epoch or 0, self._replaces
            hello.held.extend(f"tasks/{task}" for task in sorted(self._held))
        return hello

    def _hear(self, stream: Stream, server: str, message: workers_service_pb2.KernelMessage) -> None:
        match message.WhichOneof("message"):
            case "welcome":
                self._welcome(stream, server, message.welcome)
            case "beat":
                self._beat(stream, message)
            case "answer":
                self._answer(message.answer)
            case "assignment":
                self._held.add(convert.id_of(message.assignment.name))
                self._tell(message)
            case _:
                self._tell(message)

    def _welcome(self, stream: Stream, server: str, welcome: workers_pb2.Welcome) -> None:
        times = LeaseTimes(welcome.lease.ToTimedelta().total_seconds(), welcome.renew.ToTimedelta().total_seconds())
        with self._lock:
            stream.times, self._times = times, times
            self._renewed = stream.opened
            self._epoch, self._replaces = welcome.epoch, 0
            self._stream, self._has_joined = stream, True
            stream.beat()
            stream.to_send.put(_credits(self._credits))
        log.info("connected", server=server, kernel=welcome.server, epoch=welcome.epoch)
        self._on_loop(self._joined, welcome.epoch)
        self._tell(workers_service_pb2.KernelMessage(welcome=welcome))

    def _joined(self, epoch: int) -> None:
        self._opened.set()
        if self._joining is not None and not self._joining.done():
            self._joining.set_result(epoch)

    def _beat(self, stream: Stream, message: workers_service_pb2.KernelMessage) -> None:
        if not message.beat.is_alive:
            self._epoch_over()
            return
        if message.beat.number and (sent := stream.answered(message.beat.number)) is not None:
            self._renewed = sent
        self._tell(message)

    def _answer(self, answer: workers_pb2.Answer) -> None:
        with self._lock:
            waiting, ends = self._pending.pop(answer.id, (None, ()))
            if not answer.HasField("refusal"):
                self._held.difference_update(ends)
        if waiting is not None:
            self._on_loop(_resolve, waiting, answer)

    def _epoch_over(self) -> None:
        with self._lock:
            epoch = self._epoch
            self._forget_epoch()
        if epoch is not None:
            self._on_loop(self.lost, epoch)

    def _close(self, stream: Stream) -> None:
        with self._lock:
            if self._stream is stream:
                self._stream = None
            broken, self._pending = self._pending, {}
        self._on_loop(self._opened.clear)
        for waiting, _ in broken.values():
            self._on_loop(_fail, waiting, StoreUnavailable("the stream to the kernel broke"))

    def _broken(self, server: str, refused: Refused, *, was_welcome: bool) -> None:
        if self._stopped.is_set():
            return
        if refused.reason == "EPOCH_OVER":
            self._epoch_over()
        elif refused.reason == "AGENT_CONNECTED" and not was_welcome:
            self._occupied(refused)
        elif refused.is_final and not was_welcome:
            self._refuse(refused.error)
        else:
            log.warning("no stream to the kernel; trying again", server=server, error=refused.error.message)
            if not self._has_joined:
                self._on_loop(self.unreachable)

    def _occupied(self, refused: Refused) -> None:
        """Another process has our id: one of ours that is gone, one whose lease will end, or one that lives."""
        facts = refused.error.facts
        epoch, other = int(facts["epoch"]), _process_of(facts)
        here = process.this_process(())
        if other.machine == here.machine and process.is_gone(other):
            self._replaces = epoch
            return
        if self._other_renewed not in ("", facts["renewed"]):
            self._refuse(refused.error)
            return
        self._other_renewed = facts["renewed"]
        log.warning("waiting for the lease of another process to end", error=refused.error.message)

    def _refuse(self, error: WindlassError) -> None:
        """Nothing that waiting would mend: with an epoch it is left to run out."""
        log.error("the kernel refuses this agent", error=error.message)
        self._on_loop(self._refused, error)

    def _refused(self, error: WindlassError) -> None:
        if self._joining is not None and not self._joining.done():
            self._joining.set_exception(error)

    def _tell(self, message: workers_service_pb2.KernelMessage) -> None:
        self._on_loop(self.hear, message, self._epoch or 0)

    def _on_loop(self, call: Callable[..., None], *given: Any) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *given)


def _credits(credits: dict[str, int]) -> AgentMessage:
    pools = [agent_pb2.AgentPool(pool=pool, slots=slots) for pool, slots in credits.items()]
    return AgentMessage(credits=workers_pb2.Credits(pools=pools))


def _process_of(facts: dict[str, str]) -> NodeFacts:
    return NodeFacts("", facts["machine"], int(facts["pid"]), int(facts["pid_started"]), ())


def _resolve(waiting: asyncio.Future[workers_pb2.Answer], answer: workers_pb2.Answer) -> None:
    if not waiting.done():
        waiting.set_result(answer)


def _fail(waiting: asyncio.Future[workers_pb2.Answer], error: WindlassError) -> None:
    if not waiting.done():
        waiting.set_exception(error)

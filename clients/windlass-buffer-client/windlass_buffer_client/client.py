"""The buffer's client for asyncio."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from secrets import token_hex
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from uuid import UUID

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.exceptions import NoScriptError, RedisError

from windlass_buffer_client.asking import Replicas
from windlass_buffer_client.connecting import RETRIED, RETRIES, backoff, options, unavailable
from windlass_buffer_client.conversation import Conversation, Receipt, Talk, entry_of, id_of_row, transaction_id
from windlass_buffer_client.envelope import SIZE_LIMIT, Record, Statement
from windlass_buffer_client.line import Line
from windlass_buffer_client.merging import Found
from windlass_buffer_client.reports import Status
from windlass_buffer_client.scripts import Script
from windlass_buffer_client.steps import AskDatabase, AskReplica, Command, Hear, Listen, Pause, Run, Step

T = TypeVar("T")


class BufferClient:
    """A site's buffer: submits transactions, tells how far they are, and reads what no database has yet.

        async with BufferClient("redis://…", "shop") as buffer:
            receipt = await buffer.submit("POST /orders", [Statement("add_order", {"item": 7})])

    `url` is one of redis-py (redis://, rediss://, unix://).  `replicas` names DSNs for `wait_for`.  `limit` is how many
    transactions may wait (TRANSACTION_BUFFER_SIZE of the environment, or 1000), `size_limit` how many bytes each may
    have, `timeout` how many seconds Redis has for an answer.

    One client serves one event loop, and any number of tasks in it.  Every call may raise BufferUnavailable.
    """

    def __init__(
        self,
        url: str,
        site: str,
        *,
        replicas: Mapping[str, str] | None = None,
        limit: int | None = None,
        size_limit: int = SIZE_LIMIT,
        timeout: float = 5.0,
    ) -> None:
        self._talk = Conversation(site, limit=limit, size_limit=size_limit, replicas=replicas)
        self._timeout = timeout
        retry = Retry(backoff(), RETRIES, supported_errors=RETRIED)
        self._redis = Redis.from_url(url, retry=retry, **options(timeout) | {"socket_timeout": None})  # see Line
        self._line = Line(self._redis, timeout)
        self._replicas = Replicas()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connections; calls under way end with BufferUnavailable."""
        await self._line.close()
        await self._replicas.close()
        await self._redis.aclose()

    async def submit(
        self,
        endpoint: str,
        statements: Iterable[Statement],
        *,
        key: str = "",
        records: Iterable[Record] = (),
        id: UUID | str | None = None,
        traceparent: str = "",
        wait: float = 0.0,
    ) -> Receipt:
        """Buffers a transaction: its statements will be executed on the main database, in order, all or none, once.

        `endpoint` says for people where it comes from.  Transactions of one `key` keep their order, "" is the whole
        site.  `records` is what readers see from now on.  `id` is a new one unless it is given; the same id is taken
        once.  `traceparent` is the active span of OpenTelemetry unless it is given.

        BufferFull when too many wait, after `wait` seconds; BadEntry, EntryTooLarge when it cannot be taken as it is.
        """
        entry = entry_of(endpoint, statements, key, records, id, traceparent)
        return await self._carry_on(self._talk.submit(entry, wait), entry.id)

    async def status(self, id: UUID | str) -> Status:
        """How far a transaction is; UnknownTransaction when nothing is known of it."""
        return await self._carry_on(self._talk.status(transaction_id(id)))

    async def wait_for(
        self,
        id: UUID | str,
        *,
        replica: str | None = None,
        until: Literal["applied", "replicated"] = "applied",
        timeout: float = 30.0,
    ) -> Status:
        """Returns once the main database has the transaction, and the replica of this name or DSN has replayed it.

        `until="replicated"` waits until the drainer has seen it on as many replicas as it is told to.
        WaitTimeout after `timeout` seconds, TransactionDead, UnknownTransaction; WrongReplica when it can never tell.
        """
        return await self._carry_on(self._talk.wait_for(transaction_id(id), replica, until, timeout))

    async def read(self, collection: str, id: str, database: Callable[[], Any] | None = None) -> Found | None:
        """The newest of a record: read buffer over buffered cache over what `database` returns (None when it has none).

        `Found.deleted` says that it was deleted, whatever a database still has.  None when nothing is known of it.
        """
        return await self._carry_on(self._talk.read(collection, id, database))

    async def list(
        self,
        collection: str,
        database: Callable[[], Any] | Iterable[Any] = (),
        *,
        id: str | Callable[[Any], Any] = "id",
    ) -> list[Found]:
        """The records of a collection, each once: the database's as they are now, then those it does not have yet.

        `database` returns rows, or its awaitable does; `id` is the name of the rows' id, or a function that finds it.
        Rows that were read before the call may lack what left the cache meanwhile: prefer a function.
        """
        return await self._carry_on(self._talk.list(collection, database, id_of_row(id)))

    async def _carry_on(self, talk: Talk[T], id: UUID | None = None) -> T:
        answer: Any = None
        ear: PubSub | None = None
        try:
            while True:
                try:
                    step = talk.send(answer)
                except StopIteration as end:
                    result: T = end.value
                    return result
                if isinstance(step, Listen):
                    ear = self._redis.pubsub()
                    answer = await self._asked(_listen(ear, step.channel, self._timeout), None)
                elif isinstance(step, Hear):
                    assert ear is not None
                    answer = await self._asked(ear.get_message(True, step.seconds), None)
                else:
                    answer = await self._do(step, id)
        finally:
            if ear is not None:
                await ear.aclose()  # type: ignore[no-untyped-call]

    async def _do(self, step: Step, id: UUID | None) -> Any:
        match step:
            case Run(script, arguments):
                return await self._asked(self._run(script, arguments), id)
            case Command(words):
                return await self._asked(self._line.ask(*words), id)
            case Pause(seconds):
                return await asyncio.sleep(seconds)
            case AskReplica(dsn, seconds):
                return await self._replicas.ask(dsn, seconds)
            case AskDatabase(function):
                rows = function()
                return await rows if inspect.isawaitable(rows) else rows
        raise AssertionError(step)

    async def _run(self, script: Script, arguments: tuple[Any, ...]) -> Any:
        try:
            return await self._line.ask("EVALSHA", script.sha, 1, script.root, *arguments)
        except NoScriptError:
            begin = self._talk.scripts.begin
            await self._line.ask("EVAL", begin.source, 1, script.root, token_hex(4))
            return await self._line.ask("EVAL", script.source, 1, script.root, *arguments)

    async def _asked(self, asking: Awaitable[T], id: UUID | None) -> T:
        try:
            return await asking
        except (RedisError, TimeoutError, OSError) as error:
            raise unavailable(error, self._timeout, id) from error


async def _listen(ear: PubSub, channel: str, timeout: float) -> None:
    """Returns once Redis has confirmed it, so that nothing that is said from now on is missed."""
    async with asyncio.timeout(timeout):
        await ear.subscribe(channel)
        await ear.get_message(timeout=None)

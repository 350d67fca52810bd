"""The buffer's client for threads: the same words, without await."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from uuid import UUID

from redis import Redis
from redis.client import PubSub
from redis.exceptions import RedisError
from redis.retry import Retry

from windlass_buffer_client.asking import SyncReplicas
from windlass_buffer_client.connecting import RETRIED, RETRIES, backoff, options, unavailable
from windlass_buffer_client.conversation import Conversation, Receipt, Talk, entry_of, id_of_row, transaction_id
from windlass_buffer_client.envelope import SIZE_LIMIT, Record, Statement
from windlass_buffer_client.ledger import run
from windlass_buffer_client.merging import Found
from windlass_buffer_client.reports import Status
from windlass_buffer_client.steps import AskDatabase, AskReplica, Command, Hear, Listen, Pause, Run, Step

T = TypeVar("T")


class SyncBufferClient:
    """As BufferClient, for threads: any number of them may share one.

        with SyncBufferClient("redis://…", "shop") as buffer:
            receipt = buffer.submit("POST /orders", [Statement("add_order", {"item": 7})])

    After a fork each process needs one of its own.
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
        self._redis = Redis.from_url(url, retry=retry, **options(timeout))
        self._replicas = SyncReplicas()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._replicas.close()
        self._redis.close()

    def submit(
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
        """See BufferClient.submit."""
        entry = entry_of(endpoint, statements, key, records, id, traceparent)
        return self._carry_on(self._talk.submit(entry, wait), entry.id)

    def status(self, id: UUID | str) -> Status:
        """See BufferClient.status."""
        return self._carry_on(self._talk.status(transaction_id(id)))

    def wait_for(
        self,
        id: UUID | str,
        *,
        replica: str | None = None,
        until: Literal["applied", "replicated"] = "applied",
        timeout: float = 30.0,
    ) -> Status:
        """See BufferClient.wait_for."""
        return self._carry_on(self._talk.wait_for(transaction_id(id), replica, until, timeout))

    def read(self, collection: str, id: str, database: Callable[[], Any] | None = None) -> Found | None:
        """See BufferClient.read."""
        return self._carry_on(self._talk.read(collection, id, database))

    def list(
        self,
        collection: str,
        database: Callable[[], Any] | Iterable[Any] = (),
        *,
        id: str | Callable[[Any], Any] = "id",
    ) -> list[Found]:
        """See BufferClient.list."""
        return self._carry_on(self._talk.list(collection, database, id_of_row(id)))

    def _carry_on(self, talk: Talk[T], id: UUID | None = None) -> T:
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
                    ear = self._redis.pubsub()  # type: ignore[no-untyped-call]
                    answer = self._asked(_listen, ear, step.channel, self._timeout)
                elif isinstance(step, Hear):
                    assert ear is not None
                    answer = self._asked(ear.get_message, True, step.seconds)
                else:
                    answer = self._do(step, id)
        finally:
            if ear is not None:
                ear.close()

    def _do(self, step: Step, id: UUID | None) -> Any:
        match step:
            case Run(script, arguments):
                return self._asked(run, self._redis, self._talk.scripts, script, *arguments, id=id)
            case Command(words):
                return self._asked(self._redis.execute_command, *words, id=id)
            case Pause(seconds):
                return time.sleep(seconds)
            case AskReplica(dsn, seconds):
                return self._replicas.ask(dsn, seconds)
            case AskDatabase(function):
                return function()
        raise AssertionError(step)

    def _asked(self, ask: Callable[..., T], *arguments: Any, id: UUID | None = None) -> T:
        try:
            return ask(*arguments)
        except (RedisError, OSError) as error:
            raise unavailable(error, self._timeout, id) from error
        except BaseException:
            # A signal may come between a command and its answer, which the next to use that connection would read.
            self._redis.connection_pool.disconnect(inuse_connections=False)
            raise


def _listen(ear: PubSub, channel: str, timeout: float) -> None:
    """Returns once Redis has confirmed it, so that nothing that is said from now on is missed."""
    ear.subscribe(channel)
    ear.get_message(timeout=timeout)

"""How both clients reach Redis: what redis-py is told, and what its errors mean."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import ReadOnlyError
from redis.exceptions import TimeoutError as NoAnswer

from windlass_buffer_client.errors import BufferUnavailable

RETRIES = 5
"""How often a connection that broke, or could not be made, is made anew within one call."""


def backoff() -> ExponentialWithJitterBackoff:
    """Between two of them: about 50 ms, doubled each time, with jitter, at most half a second."""
    return ExponentialWithJitterBackoff(base=0.05, cap=0.5)


def options(timeout: float) -> dict[str, Any]:
    """What redis-py is told of each connection; `timeout` is in seconds.

    A lost connection is retried, an answer that does not come is not: the call would take many times its timeout.
    """
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "protocol": 2,
    }


RETRIED = (NotConnected, ReadOnlyError)
"""A server that has become a replica refuses to write: behind the same name there may be another by now."""


def unavailable(error: Exception, timeout: float, id: UUID | None) -> BufferUnavailable:
    """What to tell the caller of an error of redis-py."""
    if isinstance(error, (NoAnswer, TimeoutError)):
        said = f"Redis did not answer within {timeout:g} s"
    elif isinstance(error, NotConnected):
        said = f"Redis cannot be reached: {error}"
    else:
        said = f"Redis refused: {error}"
    if id is not None:
        said += f"; whether transaction {id} was taken is not known: submit it again with this id, it is taken once"
    else:
        said += "; try again, or read from the database alone"
    return BufferUnavailable(said, id=id)

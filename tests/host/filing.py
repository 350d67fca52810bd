"""A plugin as workers know it, by its module: it keeps documents, wherever its handlers run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from windlass import (
    BlockingContext,
    Context,
    DocumentChanged,
    Door,
    Handler,
    HealthSection,
    Operation,
    OperationCall,
    Outcome,
    RetryPolicy,
    Settings,
    Success,
    hookimpl,
)

LARGE = "x" * (256 * 1024)


class Inline(Handler[str]):
    """Plays all a plugin may do with documents; what comes of it is its result."""

    kind = "InlineFiling"
    retry = RetryPolicy(attempts=1)

    async def run(self, ctx: Context, payload: str) -> Outcome:
        documents = ctx.documents
        said: list[Any] = []
        said += [await documents.get(payload), await documents.put(payload, {"n": [1, None]}, expected=0, keep=2)]
        said += [await documents.put(payload, "second", keep=2), await documents.get(payload, 1)]
        said += [await documents.put(f"{payload}/a", 1), await documents.list(payload, limit=1)]
        said += [await documents.delete(f"{payload}/a"), await documents.delete(f"{payload}/a")]
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: documents.put(payload, 0, expected=1),
            lambda: documents.put(payload, LARGE),
            lambda: documents.put(payload, object()),
            lambda: documents.get(7),  # type: ignore[arg-type]
            lambda: documents.put("", 0),
            lambda: documents.put("a\0b", 0),
            lambda: documents.put(payload, 0, keep=0),
            lambda: documents.list(limit=1_000),
        ]
        for call in calls:
            try:
                await call()
            except (DocumentChanged, ValueError, TypeError) as error:
                said.append(f"{type(error).__name__}: {error}"[:59])
        return Success(said)


class AsyncInProcess(Inline):
    kind = "AsyncFiling"
    executor = "process"


class InProcess(Handler[str]):
    kind = "ProcessFiling"
    retry = RetryPolicy(attempts=1)

    def run(self, ctx: BlockingContext, payload: str) -> Outcome:
        documents = ctx.documents
        said: list[Any] = []
        said += [documents.get(payload), documents.put(payload, {"n": [1, None]}, expected=0, keep=2)]
        said += [documents.put(payload, "second", keep=2), documents.get(payload, 1)]
        said += [documents.put(f"{payload}/a", 1), documents.list(payload, limit=1)]
        said += [documents.delete(f"{payload}/a"), documents.delete(f"{payload}/a")]
        calls: list[Callable[[], object]] = [
            lambda: documents.put(payload, 0, expected=1),
            lambda: documents.put(payload, LARGE),
            lambda: documents.put(payload, object()),
            lambda: documents.get(7),  # type: ignore[arg-type]
            lambda: documents.put("", 0),
            lambda: documents.put("a\0b", 0),
            lambda: documents.put(payload, 0, keep=0),
            lambda: documents.list(limit=1_000),
        ]
        for call in calls:
            try:
                call()
            except (DocumentChanged, ValueError, TypeError) as error:
                said.append(f"{type(error).__name__}: {error}"[:59])
        return Success(said)


class InThread(InProcess):
    kind = "ThreadFiling"
    executor = "thread"


async def note(call: OperationCall, argument: Any) -> int:
    return await call.documents.put("noted", argument)


@hookimpl
def windlass_register_operations(settings: Settings) -> Iterable[Operation]:
    return [Operation("note", "Note", "Notes it.", note, Any, int)]


@hookimpl
async def windlass_startup(kernel: Door) -> None:
    await kernel.documents.put("started", True)


@hookimpl
async def windlass_health(kernel: Door) -> HealthSection:
    started = await kernel.documents.get("started")
    return HealthSection("Filing", "" if started is None else f"started {started.version} times")


@hookimpl
def windlass_register_handlers(settings: Settings) -> Iterable[Handler[Any]]:
    return [Inline(), AsyncInProcess(), InProcess(), InThread()]

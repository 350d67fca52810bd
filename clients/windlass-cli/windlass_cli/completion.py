"""What the shell is offered behind a TAB: ids and names that are there now.

Asked within a second and a half in all, and silent about everything that goes wrong: a shell has no place for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from windlass_client import Client, Task

WITHIN_S = 1.5
AT_MOST = 50

T = TypeVar("T")
Offers = list[Any]


def tasks(incomplete: str) -> Offers:
    """Those in the queue, then the latest of the history."""

    async def found(client: Client) -> Offers:
        return list(dict.fromkeys([*await _queued(client), *await _cards(client)]))

    return _beginning_with(incomplete, found)


def queued(incomplete: str) -> Offers:
    return _beginning_with(incomplete, _queued)


def ended(incomplete: str) -> Offers:
    return _beginning_with(incomplete, _cards)


def pools(incomplete: str) -> Offers:
    async def found(client: Client) -> Offers:
        return [each.name for each in await client.cluster.pools()]

    return _beginning_with(incomplete, found)


def kinds(incomplete: str) -> Offers:
    async def found(client: Client) -> Offers:
        return [(each.name, each.description) for each in await client.cluster.kinds()]

    return _beginning_with(incomplete, found)


def nodes(incomplete: str) -> Offers:
    async def found(client: Client) -> Offers:
        return [(str(each.id), each.display_name) for each in await client.cluster.nodes()]

    return _beginning_with(incomplete, found)


def agents(incomplete: str) -> Offers:
    async def found(client: Client) -> Offers:
        return [(each.name, each.state.lower()) for each in await client.cluster.agents()]

    return _beginning_with(incomplete, found)


def schedules(incomplete: str) -> Offers:
    async def found(client: Client) -> Offers:
        return [(each.name, each.timing_text) async for each in client.schedules.list(page_size=1000)]

    return _beginning_with(incomplete, found)


def operations(incomplete: str) -> Offers:
    async def found(client: Client) -> Offers:
        return [(each.name, each.title) for each in await client.operations.list()]

    return _beginning_with(incomplete, found)


def scripts(incomplete: str) -> Offers:
    async def found(client: Client) -> Offers:
        lines = await client.operations.call("scripts.list", {"prefix": incomplete})
        return [(line["name"], line["description"]) for line in lines]

    return _beginning_with(incomplete, found)


def profiles(incomplete: str) -> Offers:
    """From the file; no server is asked."""
    try:
        from windlass_client.profiles import read_profiles

        return [name for name in read_profiles().named if name.startswith(incomplete)]
    except Exception:  # noqa: BLE001 - as below
        return []


def now(found: Callable[[Client], Awaitable[Sequence[T]]]) -> Sequence[T]:
    """What there is, asked in the same short and silent way; for help that names what is there."""
    try:
        return _ask(found)
    except BaseException:  # noqa: BLE001 - as in _beginning_with
        return []


async def _queued(client: Client) -> Offers:
    page = await client.task_page(page_size=AT_MOST)
    return [_offer(task) for task in page.items]


async def _cards(client: Client) -> Offers:
    page = await client.card_page(page_size=AT_MOST)
    return [_offer(card.task) for card in page.items]


def _offer(task: Task) -> tuple[str, str]:
    from windlass_cli.harmless import shortened
    from windlass_cli.words import label

    return str(task.id), shortened(f"{label(task.state)}: {task.title or task.kind}", 60)


def _beginning_with(incomplete: str, found: Callable[[Client], Awaitable[Offers]]) -> Offers:
    try:
        offers = _ask(found)
    except BaseException:  # noqa: BLE001 - a shell that waits for words has no use for an error
        return []
    return [each for each in offers if (each if isinstance(each, str) else each[0]).startswith(incomplete)]


def _ask(found: Callable[[Client], Awaitable[Sequence[T]]]) -> Sequence[T]:
    import asyncio
    import os

    from windlass_client import Client

    os.environ.setdefault("GRPC_VERBOSITY", "NONE")

    async def asked() -> Sequence[T]:
        async with asyncio.timeout(WITHIN_S), Client.connect(timeout=WITHIN_S) as client:
            return await found(client)

    return asyncio.run(asked())

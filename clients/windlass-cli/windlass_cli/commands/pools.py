"""`windlass pools`: named sets of worker slots, over all nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from windlass_cli import words
from windlass_cli.forms import Column, Form
from windlass_cli.options import Format, Output, PoolName, Reason
from windlass_cli.printing import print_done, print_list, print_one
from windlass_cli.session import with_client
from windlass_cli.work import standing

if TYPE_CHECKING:
    from windlass_client import Client, Pool

pools = typer.Typer(help="See how full pools are, resize them, pause them.", no_args_is_help=True)


POOLS: Form[Pool] = Form(
    columns=(
        Column("Pool", lambda pool: pool.name),
        Column("Slots", lambda pool: pool.slots, number=True),
        Column("In use", lambda pool: pool.in_use, number=True),
        Column("Waiting", lambda pool: words.some_of(pool.waiting, is_more=pool.is_more), number=True),
        Column("Oldest wait", lambda pool: words.span(pool.oldest_wait), number=True),
        Column("State", lambda pool: standing(pool.pause)),
        Column("Paused", lambda pool: words.because(pool.pause), gives_way=True),
    ),
    empty="There are no pools.",
)


@pools.command("list")
def list_pools(output: Output = Format.table) -> None:
    """List pools: their slots, what they run, what waits for them."""

    async def work(client: Client) -> None:
        print_list(await client.cluster.pools(), POOLS, output)

    with_client(work)


@pools.command("show")
def show_pool(name: PoolName, output: Output = Format.table) -> None:
    """Show one pool."""

    async def work(client: Client) -> None:
        print_one(await client.cluster.pool(name), POOLS, output)

    with_client(work)


@pools.command()
def resize(
    name: PoolName,
    slots: Annotated[int, typer.Argument(min=0, max=100_000, help="How many tasks may run at once, over all nodes.")],
    reason: Reason = "",
    output: Output = Format.table,
) -> None:
    """Change a pool's slots, everywhere and at once.

    What runs beyond fewer slots runs on.

    \b
    windlass pools resize default 80 --reason "Black Friday"
    """

    async def work(client: Client) -> None:
        pool = await client.cluster.resize(name, slots, reason)
        print_done(
            f"pool {pool.name}: {words.counted(pool.slots, 'slot')}, {pool.in_use} in use", POOLS.document(pool), output
        )

    with_client(work)


@pools.command()
def pause(name: PoolName, reason: Reason = "", output: Output = Format.table) -> None:
    """Start nothing more in a pool; what runs goes on.

    \b
    windlass pools pause feeds --reason "the provider is down"
    """

    async def work(client: Client) -> None:
        pool = await client.cluster.pause_pool(name, reason)
        print_done(f"pool {pool.name}: paused {words.because(pool.pause)}", POOLS.document(pool), output)

    with_client(work)


@pools.command()
def resume(name: PoolName, reason: Reason = "", output: Output = Format.table) -> None:
    """Let a pool start tasks again."""

    async def work(client: Client) -> None:
        pool = await client.cluster.resume_pool(name, reason)
        print_done(f"pool {pool.name}: active", POOLS.document(pool), output)

    with_client(work)

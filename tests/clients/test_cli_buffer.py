"""`windlass buffer …`: dead letters are seen, requeued and dropped, against a real kernel and a real Valkey."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
import redis
from windlass.store.port import Store
from windlass_buffer_client.keys import Keys

from tests.clients.buffer_entries import entry, submit
from tests.clients.command_line import CommandLine
from tests.control.calling import TOKEN, calling
from tests.plugins.buffer.dead import dies, garbage, settings


@pytest.fixture
def connection(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url) as connection:
        yield connection


@pytest_asyncio.fixture
async def operator(dsn: str, store: Store, valkey_url: str, site: str) -> AsyncIterator[CommandLine]:
    async with calling(dsn, store, settings=settings(valkey_url, site), pools={"buffer": 0}) as kernel:
        command_line = CommandLine(WINDLASS_ADDRESS=kernel.address, WINDLASS_TOKEN=TOKEN)
        yield command_line
        command_line.end_the_rest()


async def test_from_a_dead_letter_to_the_queue_or_to_nowhere(operator: CommandLine, connection: redis.Redis, site: str):
    died = [str(dies(connection, site, endpoint="orders", error="no such table").id) for _ in range(3)]
    garbage(connection, site, b"}")

    header, first, *rest = (await operator.run("buffer", "dead")).text.splitlines()
    assert header.split() == ["Id", "Site", "Endpoint", "Key", "Attempts", "Died", "Error"]
    assert first.startswith("unreadable-")
    assert [line.split()[0] for line in rest] == died[::-1]
    assert "no such table" in rest[0]
    assert len(json.loads((await operator.run("buffer", "dead", "-n", "2", "-o", "json")).out)) == 2

    shown = await operator.run("buffer", "show", died[0])
    assert "error: no such table" in shown.text
    assert "name: note" in shown.text

    one = await operator.run("buffer", "requeue", died[1], "--yes", "--reason", "the table is there now")
    assert (one.code, one.text) == (0, "1 dead letter: requeued\n"), one
    terminal = await operator.on_a_terminal("buffer", "requeue", "--all")
    await terminal.until(lambda shown: b"[y/N]" in shown)
    assert f"requeue 3 dead letters (3 of {site})?" in terminal.plain
    terminal.type(b"y\n")
    assert await terminal.ended() == 0
    assert "2 dead letters: requeued; 1 are no entries" in terminal.plain

    dropped = await operator.run("buffer", "drop", "--error", "NO VALID", "--yes", "-o", "json")
    assert json.loads(dropped.out) == {"dropped": 1, "remaining": 0}
    assert (await operator.run("buffer", "dead")).errors == "There are no dead letters.\n"
    assert connection.llen(Keys(site).queue) == 3


async def test_how_a_site_is_and_what_it_lost(operator: CommandLine, connection: redis.Redis, site: str):
    submit(connection, site, entry(), "1-lost", 12)
    [status] = json.loads((await operator.run("buffer", "status", "-o", "json")).out)
    told = {name: status[name] for name in ("site", "status", "buffer_size", "buffer_limit", "gaps", "lost")}
    assert told == {"site": site, "status": "stopped", "buffer_size": 1, "buffer_limit": 1000, "gaps": 1, "lost": 12}
    header, line = (await operator.run("buffer", "status", site)).text.splitlines()
    assert header.split()[:4] == ["Site", "Status", "Buffered", "Oldest"]
    assert line.split()[:5] == [site, "stopped", "1", "of", "1000"]
    assert (await operator.run("buffer", "gaps")).text.splitlines()[1].split()[:3] == [site, "12", "redis"]
    assert (await operator.run("buffer", "forget-gaps", "--yes")).text == "1 gap: forgotten\n"
    assert (await operator.run("buffer", "gaps")).errors.startswith("There are no gaps")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("requeue", "--yes"), 2, "say which dead letters: ids, --all, or some of --endpoint"),
        (("drop", "x", "--all", "--yes"), 2, "only one of the three"),
        (("drop", "--all"), 2, "add --yes"),
        (("requeue", "absent", "--yes"), 7, "ids: there is no dead letter 'absent'"),
        (("show", "absent"), 7, "nothing is known of 'absent'"),
        (("status", "ship"), 7, "there is no site 'ship'; there is site-"),
        (("drop", "--older-than", "soon", "--yes"), 2, "--older-than takes a time such as 30s"),
    ],
)
async def test_what_goes_wrong_is_one_line_and_an_exit_code(
    operator: CommandLine, words: tuple[str, ...], code: int, says: str
):
    ended = await operator.run("buffer", *words)
    assert ended.code == code, ended
    assert says in ended.errors
    assert ended.errors.count("\n") == 1


async def test_a_server_without_a_site_says_what_to_add(dsn: str, store: Store):
    async with calling(dsn, store) as kernel:
        command_line = CommandLine(WINDLASS_ADDRESS=kernel.address, WINDLASS_TOKEN=TOKEN)
        ended = await command_line.run("buffer", "status")
    assert ended.code == 5
    assert "this server drains no site: add a [[plugins.buffer.site]]" in ended.errors

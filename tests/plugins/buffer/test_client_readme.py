"""Every snippet of the buffer client's README runs as it stands there, against real servers and a real drainer."""

import ast
import asyncio
import inspect
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import psycopg
import pytest
from windlass_buffer_client import BufferClient

from tests.plugins.buffer.drains import Field
from tests.plugins.buffer.replicas import Pair

README = Path(__file__).parents[3] / "clients/windlass-buffer-client/README.md"
TABLES = "create table customers (id uuid primary key, name text); create table orders (id uuid primary key, item text)"
STATEMENTS = [
    {"name": name, "sql": sql, "parameters": parameters}
    for name, sql, parameters in (
        ("orders.add", "insert into orders values (%(id)s, %(item)s)", {"id": "uuid", "item": "text"}),
        ("customers.add", "insert into customers values (%(id)s, %(name)s)", {"id": "uuid", "name": "text"}),
        ("customers.rename", "update customers set name = %(name)s where id = %(id)s", {"id": "uuid", "name": "text"}),
        ("customers.remove", "delete from customers where id = %(id)s", {"id": "uuid"}),
    )
]


def snippets() -> Iterator[str]:
    for found in re.finditer(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL):
        # In its place in the file, so that an error names the line of the README.
        yield "\n" * README.read_text()[: found.start(1)].count("\n") + found[1]


PROGRAMS = [each for each in snippets() if "REDIS_URL" in each]
PARTS = [each for each in snippets() if "REDIS_URL" not in each]


@pytest.fixture
def shop(valkey_url: str, site: str, pair: Pair) -> Iterator[str]:
    """The name of a site that is drained into the main database."""
    field = Field(valkey_url, pair.primary, site, statement=STATEMENTS)
    field.ask(TABLES)
    with field.draining():
        yield site


async def test_each_whole_program_of_the_readme_runs(shop: str, valkey_url: str, pair: Pair):
    environment = os.environ | {"REDIS_URL": valkey_url, "REPLICA_DSN": pair.replica}
    said = b""
    for program in PROGRAMS:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program.replace('"shop"', repr(shop))),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, complained = await asyncio.wait_for(process.communicate(), 60)
        assert (process.returncode, complained) == (0, b"")
        said += out
    assert re.match(rb"number 1 is in the (buffer|cache)\n", said)  # the drainer may have been faster
    assert said.endswith((b"applied\n", b"replicated\n"))
    with psycopg.connect(pair.replica) as connection:
        assert ("lamp",) in connection.execute("select item from orders").fetchall()


async def test_the_parts_of_the_readme_run_one_after_another(
    shop: str, valkey_url: str, capsys: pytest.CaptureFixture[str]
):
    async with BufferClient(valkey_url, shop) as buffer:
        names: dict[str, Any] = {"buffer": buffer}
        for part in PARTS:
            await run(compile(part, README, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    assert len(PARTS) == 3
    said = capsys.readouterr().out
    assert f"{names['customer']} Grace" in said
    assert said.endswith("True\n")


async def run(code: CodeType, names: dict[str, Any]) -> None:
    made = eval(code, names)
    if inspect.isawaitable(made):
        await made

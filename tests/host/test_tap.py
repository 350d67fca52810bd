"""A worker's output pipe: what was written before the end is said, however late it is read."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest
from windlass.errors import AttemptSuperseded
from windlass.host.executors.tap import Tap

from tests.waiting import eventually


@pytest.fixture
def pipe() -> Iterator[tuple[Tap, int]]:
    near, far = os.pipe()
    os.set_blocking(near, False)
    tap = Tap(near, "stdout")
    yield tap, far
    tap.close()
    os.close(far)


class Said:
    def __init__(self, *, superseded: bool = False) -> None:
        self.data = b""
        self._superseded = superseded

    async def __call__(self, data: bytes, stream: str) -> None:
        self.data += data
        if self._superseded:
            raise AttemptSuperseded("it is another's")


async def test_what_was_written_before_the_end_is_said_after_it(pipe: tuple[Tap, int]) -> None:
    tap, far = pipe
    said = Said()
    os.write(far, b"a" * 60_000)
    tap.finish()
    await asyncio.wait_for(tap.follow(said), 5)
    assert said.data == b"a" * 60_000


async def test_what_comes_is_said_at_once(pipe: tuple[Tap, int]) -> None:
    tap, far = pipe
    said = Said()
    following = asyncio.create_task(tap.follow(said))
    os.write(far, b"one")
    await eventually(lambda: said.data == b"one")
    os.write(far, b"two")
    await eventually(lambda: said.data == b"onetwo")
    tap.finish()
    await asyncio.wait_for(following, 5)


async def test_what_came_between_two_tasks_is_nobodys(pipe: tuple[Tap, int]) -> None:
    tap, far = pipe
    said = Said()
    tap.finish()
    os.write(far, b"stale")
    tap.forget()
    following = asyncio.create_task(tap.follow(said))
    os.write(far, b"fresh")
    await eventually(lambda: said.data == b"fresh")
    assert not following.done()
    tap.finish()
    await asyncio.wait_for(following, 5)


async def test_a_pipe_is_emptied_although_nobody_listens_any_more(pipe: tuple[Tap, int]) -> None:
    tap, far = pipe
    said = Said(superseded=True)
    following = asyncio.create_task(tap.follow(said))
    os.write(far, b"one")
    await eventually(lambda: said.data == b"one")
    os.write(far, b"two")
    await eventually(lambda: said.data == b"onetwo")
    tap.finish()
    await asyncio.wait_for(following, 5)

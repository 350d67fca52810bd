"""`windlass logs`, and lists that stay on the screen, against a kernel."""

import asyncio
import json
import signal

import pytest

from tests.clients.command_line import CommandLine
from tests.control.calling import Calling, State

OUTPUT_KEYS = "sequence attempt time event stream data dropped"


async def talking(kernel: Calling, *numbers: int) -> str:
    """A task that runs and has written these numbers, a line each."""
    task = await kernel.enqueue("Wait")
    await kernel.at(task, State.STATE_RUNNING)
    for each in numbers:
        await kernel.wait.tape.put(each)
    return task.rpartition("/")[2]


async def written(operator: CommandLine, task: str, count: int) -> None:
    """Waits until so many lines can be read."""
    async with asyncio.timeout(20):
        while (await operator.run("logs", task)).text.count("\n") < count:
            pass


async def test_logs_are_what_the_task_wrote_and_nothing_else(operator: CommandLine, kernel: Calling):
    task = await talking(kernel, 1, 2)
    await written(operator, task, 2)
    ended = await operator.run("logs", task)
    assert (ended.code, ended.text, ended.errors) == (0, "1\n2\n", "")
    assert (await operator.run("tasks", "logs", task, "--stream", "stderr")).text == ""
    first, second = [json.loads(line) for line in (await operator.run("logs", task, "-o", "jsonl")).text.splitlines()]
    assert " ".join(first) == OUTPUT_KEYS
    assert (first["event"], first["stream"], first["data"]) == ("output", "STDOUT", "1\n")
    assert json.loads((await operator.run("logs", task, "-o", "json")).out) == [first, second]


async def test_logs_that_are_followed_end_with_the_task_and_its_outcome(operator: CommandLine, kernel: Calling):
    task = await talking(kernel, 1)
    process = await operator.start("logs", task, "-f")
    assert process.stdout is not None
    assert await process.stdout.readline() == b"1\n"
    await kernel.wait.tape.put(2)
    assert await process.stdout.readline() == b"2\n"
    assert (await operator.run("interrupt", task)).code == 0
    assert await process.wait() == 130
    assert (await operator.run("logs", task, "--follow")).code == 130


@pytest.mark.parametrize(("payload", "code"), [({"n": 1}, 0), ({"fail": 1}, 1)])
async def test_watch_and_logs_end_with_the_outcome(
    operator: CommandLine, kernel: Calling, payload: dict[str, int], code: int
):
    task = await kernel.enqueue(payload=payload)
    await kernel.ended(task)
    id = task.rpartition("/")[2]
    assert [(await operator.run(*words, id)).code for words in (("watch",), ("tasks", "logs", "-f"))] == [code, code]


async def test_logs_of_a_task_that_waits_say_so(operator: CommandLine, kernel: Calling):
    first = await kernel.enqueue("Wait")
    second = (await kernel.enqueue(after=[first])).rpartition("/")[2]
    ended = await operator.run("logs", second)
    assert (ended.code, ended.out, ended.errors) == (0, b"", "It has not been started yet.\n")
    assert (await operator.run("logs", second, "-o", "json")).text == "[]\n"


async def test_only_one_attempt_may_be_asked_for(operator: CommandLine, kernel: Calling):
    task = await talking(kernel, 7)
    await written(operator, task, 1)
    assert (await operator.run("logs", task, "--attempt", "1")).text == "7\n"
    assert (await operator.run("logs", task, "--attempt", "0")).text == "7\n"
    assert (await operator.run("logs", task, "--attempt", "2")).text == ""


async def test_a_watched_list_in_a_pipe_is_a_line_for_each_change(operator: CommandLine, kernel: Calling):
    process = await operator.start("active", "--watch", "-o", "jsonl", "--filter", 'kind = "Wait"')
    assert process.stdout is not None
    assert json.loads(await process.stdout.readline())["change"] == "current"
    await kernel.enqueue()
    task = int(await talking(kernel))
    while (change := json.loads(await process.stdout.readline()))["change"] != "task":
        pass
    assert (change["task"]["id"], change["task"]["kind"]) == (task, "Wait")
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 130


async def test_a_watched_list_on_a_terminal_is_drawn_again(operator: CommandLine, kernel: Calling):
    terminal = await operator.on_a_terminal("active", "--watch")
    await terminal.until(lambda shown: b"Nothing is running, nothing waits." in shown)
    await talking(kernel)
    await terminal.until(lambda shown: b" Running " in shown)
    terminal.press_ctrl_c()
    assert await terminal.ended() == 130
    assert b"\x1b[?1049l" in terminal.shown  # the screen it found is given back

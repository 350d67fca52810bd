"""One verb for everything that matches a filter, against a kernel."""

import json

import pytest

from tests.clients.command_line import CommandLine, Ended
from tests.control.calling import Calling, State

ALL = ("--filter", 'kind = "Echo"', "--reason", "the wrong feed")


async def waiting(kernel: Calling, count: int) -> list[str]:
    """So many tasks that wait for the end of one that runs."""
    first = await kernel.enqueue("Wait")
    await kernel.at(first, State.STATE_RUNNING)
    return [await kernel.enqueue(after=[first], title=f"number {n}") for n in range(count)]


async def states(kernel: Calling, tasks: list[str]) -> set[int]:
    return {(await kernel.get(task)).state for task in tasks}


async def test_a_dry_run_says_how_many_shows_a_few_and_does_nothing(operator: CommandLine, kernel: Calling):
    tasks = await waiting(kernel, 7)
    ended = await operator.run("tasks", "interrupt", *ALL, "--dry-run")
    assert (ended.code, ended.text) == (0, "would interrupt 7 tasks\n")
    assert "number 0" in ended.errors
    said = json.loads((await operator.run("tasks", "interrupt", *ALL, "--dry-run", "-o", "json")).out)
    assert list(said) == ["task", "matching", "is_more", "samples"]
    assert (said["task"], said["matching"], said["is_more"]) == (None, 7, False)
    assert 0 < len(said["samples"]) <= 7
    assert await states(kernel, tasks) == {State.STATE_PENDING}
    assert kernel.count("audit") == 0


async def test_with_yes_it_is_done_and_followed_to_its_end(operator: CommandLine, kernel: Calling):
    tasks = await waiting(kernel, 3)
    ended = await operator.run("interrupt", *ALL, "--yes")
    assert (ended.code, ended.text) == (0, "interrupt: 3 of 3 tasks\n")
    assert "3 of 3" in ended.errors
    assert await states(kernel, tasks) == {State.STATE_CANCELED}
    assert {(await kernel.get(task)).message for task in tasks} == {"interrupted by root: the wrong feed"}
    assert kernel.count("audit") == 1


async def test_in_json_the_answer_has_the_result(operator: CommandLine, kernel: Calling):
    await waiting(kernel, 2)
    ended = await operator.run("tasks", "interrupt", *ALL, "--yes", "-o", "json")
    said = json.loads(ended.out)
    assert list(said) == ["task", "matching", "is_more", "samples", "result"]
    assert said["result"] == {"matched": 2, "done": 2, "skipped": {}}


async def test_detached_it_prints_the_id_of_the_task_that_does_it(operator: CommandLine, kernel: Calling):
    tasks = await waiting(kernel, 2)
    ended = await operator.run("tasks", "interrupt", *ALL, "--yes", "--detach")
    assert (ended.code, ended.err) == (0, b"")
    await kernel.ended(f"tasks/{ended.text.strip()}")
    assert await states(kernel, tasks) == {State.STATE_CANCELED}


async def test_a_new_priority_for_all(operator: CommandLine, kernel: Calling):
    tasks = await waiting(kernel, 2)
    ended = await operator.run("tasks", "reprioritize", *ALL, "-p", "12", "--yes")
    assert ended.code == 0, ended.errors
    assert {(await kernel.get(task)).priority for task in tasks} == {12}


async def test_a_retry_of_all_that_failed(operator: CommandLine, kernel: Calling):
    failed = [await kernel.enqueue(payload={"fail": n}) for n in range(2)]
    for task in failed:
        await kernel.ended(task)
    ended = await operator.run("tasks", "retry", "--filter", "state = FAILED", "--reason", "mended", "--yes")
    assert (ended.code, ended.text) == (0, "retry: 2 of 2 tasks\n")
    cards = json.loads((await operator.run("history", "--filter", 'trigger = "retry"', "-o", "json")).out)
    assert {card["task"]["retry_of"] for card in cards} == {int(task.rpartition("/")[2]) for task in failed}


async def answered(operator: CommandLine, answer: bytes) -> tuple[int, str]:
    terminal = await operator.on_a_terminal("tasks", "interrupt", *ALL, columns=160)
    await terminal.until(lambda shown: b"interrupt 3 tasks? [y/N] " in shown)
    terminal.type(answer)
    return await terminal.ended(), terminal.plain


@pytest.mark.parametrize(
    ("answer", "code", "state", "says"),
    [
        (b"n\n", 130, State.STATE_PENDING, "error: nothing was done"),
        (b"\x04", 130, State.STATE_PENDING, "error: nothing was done"),
        (b"yes\n", 0, State.STATE_CANCELED, "interrupt: 3 of 3 tasks"),
    ],
)
async def test_on_a_terminal_it_shows_them_and_asks(
    operator: CommandLine, kernel: Calling, answer: bytes, code: int, state: int, says: str
):
    tasks = await waiting(kernel, 3)
    left, shown = await answered(operator, answer)
    assert (left, says in shown, "number 0" in shown) == (code, True, True), shown
    assert await states(kernel, tasks) == {state}


async def test_when_nothing_matches_nobody_is_asked(operator: CommandLine, kernel: Calling):
    terminal = await operator.on_a_terminal("tasks", "interrupt", *ALL)
    assert await terminal.ended() == 0
    assert terminal.plain == "no tasks to interrupt\n"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--filter", "colour = 3", "--reason", "r", "--yes"), "colour"),
        (("--filter", "id > 0", "--reason", "r" * 501, "--yes"), "reason"),
        (("--filter", "id > 0", "--reason", "r", "--rate", "100000", "--yes"), "rate must be from 1 to 1000"),
    ],
)
async def test_what_the_server_refuses_is_exit_6(
    operator: CommandLine, kernel: Calling, more: tuple[str, ...], says: str
):
    ended: Ended = await operator.run("tasks", "interrupt", *more)
    assert (ended.code, ended.errors.count("\n")) == (6, 1), ended
    assert says in ended.errors

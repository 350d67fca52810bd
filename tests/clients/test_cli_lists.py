"""`active`, `history`, `show` and `interrupt`: as tables for people, as JSON for programs."""

import json
from typing import Any

import pytest
from windlass_proto.v1 import event_pb2, history_service_pb2, task_pb2

from tests.clients.command_line import CommandLine
from tests.clients.fake_server import START, World, a_task

Card, Attempt, Step = history_service_pb2.Card, history_service_pb2.Attempt, history_service_pb2.Step
TASK_KEYS = (
    "id kind title priority pool trigger origin initiator labels payload retry_attempts retry_pause created state "
    "next_try started ended attempt retries node stage progress message result "
    "parent retry_of coalesce_key trace host"
)


def at(message: Any, field: str, seconds: float) -> None:
    getattr(message, field).FromNanoseconds(round((START.timestamp() + seconds) * 1e9))


@pytest.fixture
def queue(world: World) -> World:
    running = a_task(
        7, kind="ExecuteScript", title="Nightly", priority=12, state=task_pb2.Task.STATE_RUNNING, retries=2
    )
    at(running, "start_time", 61)
    waiting = a_task(8, origin=task_pb2.ORIGIN_SYSTEM, priority=4)
    at(waiting, "start_time", 5)
    world.tasks = {7: running, 8: waiting}
    return world


@pytest.fixture
def ended(world: World) -> World:
    task = a_task(
        7, kind="ExecuteScript", state=task_pb2.Task.STATE_FAILED, attempt=2, retries=2, message="exit code 3"
    )
    at(task, "start_time", 2)
    at(task, "end_time", 5.5)
    task.payload.data = b'{"script": "exit 3"}'
    task.result.data = b'{"exit_code": 3}'
    card = Card(name="cards/7", state=Card.STATE_FAILED, task=task)
    for number, outcome in ((1, Attempt.OUTCOME_RETRY), (2, Attempt.OUTCOME_FAILED)):
        section = card.attempts.add(attempt=number, outcome=outcome, node="host/9", message="exit code 3")
        at(section, "start_time", number)
        at(section, "end_time", number + 0.5)
    world.tasks[7], world.cards[7] = task, card
    for n, (attempt, kind, text) in enumerate(
        ((0, Step.TYPE_STATE, "created"), (1, Step.TYPE_STAGE, "running"), (2, Step.TYPE_STEP, "exit code 3"))
    ):
        step = Step(sequence=attempt * 10_000_000 + n, attempt=attempt, type=kind, text=text)
        at(step, "time", n)
        world.steps[7].append(step)
    return world


def words(line: str) -> str:
    return " ".join(line.split())


async def test_active_shows_what_runs_and_what_waits(windlass: CommandLine, queue: World):
    header, first, second = (await windlass.run("active")).text.splitlines()
    assert words(header) == "Origin ID Status Title Created Started Retries Priority Type"
    assert words(first) == "User 7 Running Nightly 2021-11-22 10:00 2021-11-22 10:01 2 High ExecuteScript"
    assert words(second) == "System 8 Pending Untitled 2021-11-22 10:00 — 0 Low Noop"


async def test_active_in_json_is_an_array_of_tasks_with_all_their_keys(windlass: CommandLine, queue: World):
    running, waiting = json.loads((await windlass.run("active", "-o", "json")).out)
    assert " ".join(running) == TASK_KEYS
    assert (running["id"], running["state"], running["started"]) == (7, "RUNNING", "2021-11-22T10:01:01Z")
    assert (waiting["title"], waiting["next_try"], waiting["origin"]) == ("", None, "SYSTEM")


async def test_nothing_to_list_is_said_and_is_an_empty_array(windlass: CommandLine):
    ended = await windlass.run("active")
    assert (ended.code, ended.out, ended.errors) == (0, b"", "Nothing is running, nothing waits.\n")
    assert json.loads((await windlass.run("active", "-o", "json")).out) == []
    assert json.loads((await windlass.run("history", "-o", "json")).out) == []


async def test_a_list_that_was_cut_says_so(windlass: CommandLine, world: World):
    world.tasks = {n: a_task(n) for n in range(1, 6)}
    ended = await windlass.run("active", "--limit", "3")
    assert len(ended.text.splitlines()) == 4
    assert ended.errors == "… and more; --limit shows them\n"
    assert (await windlass.run("active", "--limit", "5")).errors == ""


async def test_a_pipe_gets_everything_and_no_colour(windlass: CommandLine, world: World):
    world.tasks = {1: a_task(1, title="long " * 40)}
    ended = await windlass.run("active")
    assert ("long " * 40).strip() in ended.text
    assert b"\x1b" not in ended.out


async def test_a_terminal_gets_badges_in_colour_and_lines_that_fit(windlass: CommandLine, queue: World):
    queue.tasks[7].title = "long " * 40
    terminal = await windlass.on_a_terminal("active", columns=100)
    assert await terminal.ended() == 0
    assert b"\x1b[1;37;41m High \x1b[0m" in terminal.shown
    assert all(len(line) <= 100 for line in terminal.plain.splitlines())
    assert "…" in terminal.plain


async def test_titles_and_messages_are_harmless(windlass: CommandLine, queue: World):
    queue.tasks[7].title = "evil \x1b[2J\x1b]0;owned\x07 \u202etxt.exe \r\n[bold]x[/bold] :smile:"
    for terminal in (False, True):
        if terminal:
            on = await windlass.on_a_terminal("active", columns=200)
            await on.ended()
            text = on.plain
        else:
            text = (await windlass.run("active")).text
        assert "evil \\x1b[2J\\x1b]0;owned\\x07 \\u202etxt.exe  [bold]x[/bold] :smile:" in text
    raw = (await windlass.run("active", "-o", "json")).text
    assert not any(ord(each) < 32 and each != "\n" for each in raw)
    assert "\u202e" not in raw
    assert json.loads(raw)[0]["title"] == queue.tasks[7].title


async def test_history_shows_titles_or_the_kind_in_words(windlass: CommandLine, ended: World):
    header, line = (await windlass.run("history")).text.splitlines()
    assert words(header) == "Status Created Title Initiator Duration ID"
    assert words(line) == "Failed 2021-11-22 10:00 Execute script ada 5.50 s 7"


async def test_history_filters_by_origin_exactly(windlass: CommandLine, ended: World):
    for origin, count in (("user", 1), ("system", 0), ("all", 1)):
        cards = json.loads((await windlass.run("history", "--origin", origin, "-o", "json")).out)
        assert len(cards) == count
    assert list(cards[0]) == ["id", "state", "task"]
    assert " ".join(cards[0]["task"]) == TASK_KEYS


async def test_show_tells_the_whole_card(windlass: CommandLine, ended: World):
    await ended.say(7, 20_000_005, output=event_pb2.Output(stream=event_pb2.Output.STREAM_STDOUT, data=b"last words\n"))
    await ended.say(7, 29_999_999, state=event_pb2.StateChange(state=task_pb2.Task.STATE_FAILED))
    text = (await windlass.run("show", "7")).text
    assert text.startswith("Execute script   Failed\nID         7\nType       ExecuteScript\nPriority   Medium 5\n")
    assert "\nInitiator  ada (" in text
    assert 'Payload    {"script": "exit 3"}' in text
    assert "Before the first attempt\n  10:00:00.000       +0.00 s  created\n" in text
    assert "Attempt 1  Retry  0.50 s  on host/9  exit code 3\n  10:00:01.000       +1.00 s  stage: running\n" in text
    assert "Attempt 2  Failed  0.50 s  on host/9  exit code 3\n" in text
    assert 'Result\n  {\n    "exit_code": 3\n  }\n' in text
    assert text.endswith("Output (its end)\n  last words\n")


async def test_show_in_json_is_one_object(windlass: CommandLine, ended: World):
    await ended.say(7, 29_999_999, state=event_pb2.StateChange(state=task_pb2.Task.STATE_FAILED))
    card = json.loads((await windlass.run("show", "7", "-o", "json")).out)
    assert list(card) == ["id", "state", "task", "attempts", "steps", "output"]
    assert " ".join(card["task"]) == TASK_KEYS
    assert list(card["attempts"][0]) == ["number", "outcome", "node", "started", "ended", "message"]
    assert list(card["steps"][0]) == ["sequence", "attempt", "time", "type", "text", "data"]


async def test_show_of_a_task_that_waits_is_what_is_known_of_it(windlass: CommandLine, queue: World):
    text = (await windlass.run("show", "8")).text
    assert text.startswith("Untitled   Pending\nID         8\n")
    card = json.loads((await windlass.run("show", "8", "-o", "json")).out)
    assert (card["state"], card["attempts"], card["steps"], card["output"]) == ("PENDING", [], [], "")


async def test_show_of_a_running_task_does_not_wait_for_its_end(windlass: CommandLine, queue: World):
    queue.tasks[7].attempt = 1
    queue.cards[7] = Card(name="cards/7", state=Card.STATE_RUNNING, task=queue.tasks[7])
    await queue.say(7, 10_000_001, output=event_pb2.Output(stream=event_pb2.Output.STREAM_STDOUT, data=b"so far\n"))
    ended = await windlass.run("show", "7")
    assert ended.code == 0
    assert ended.text.endswith("Output (its end)\n  so far\n")


async def test_interrupt_says_what_state_it_led_to(windlass: CommandLine, queue: World):
    ended = await windlass.run("interrupt", "7", "--reason", "too slow")
    assert (ended.code, ended.text) == (0, "task 7: Canceled\n")
    assert queue.asked("Interrupt")[0].reason == "too slow"


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
async def test_somebody_who_wants_no_colours_gets_none(windlass: CommandLine, queue: World, variable: dict[str, str]):
    windlass.environ |= variable
    terminal = await windlass.on_a_terminal("active")
    assert await terminal.ended() == 0
    assert b"\x1b[" not in terminal.shown
    assert "  High  " in terminal.plain


@pytest.mark.parametrize(
    ("priority", "colours"), [(10, b"\x1b[1;37;41m High "), (9, b"\x1b[30;43m Medium "), (4, b"\x1b[37;100m Low ")]
)
async def test_priorities_are_red_yellow_and_grey(windlass: CommandLine, queue: World, priority: int, colours: bytes):
    queue.tasks[7].priority = priority
    terminal = await windlass.on_a_terminal("active")
    assert await terminal.ended() == 0
    assert colours in terminal.shown
    assert b"\x1b[7;36m Running " in terminal.shown

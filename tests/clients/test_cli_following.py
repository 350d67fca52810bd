"""`run-script`, `enqueue --wait` and `watch`: live, and with the task's outcome as the exit code."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from windlass_proto.v1 import event_pb2, task_pb2

from tests.clients.command_line import CommandLine, Ended
from tests.clients.fake_server import FakeServer, World, a_task

STDOUT, STDERR = event_pb2.Output.STREAM_STDOUT, event_pb2.Output.STREAM_STDERR
RUNNING = event_pb2.StateChange(state=task_pb2.Task.STATE_RUNNING, node="host/7")


def output(data: bytes, stream: Any = STDOUT, dropped: int = 0) -> event_pb2.Output:
    return event_pb2.Output(stream=stream, data=data, dropped=dropped)


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "job.sh"
    path.write_text("echo hello\n")
    return str(path)


async def end_when_watched(world: World, state: Any, *said: event_pb2.Output, message: str = "") -> None:
    await world.until(lambda: world.watchers == 1)
    await world.say(1, 10_000_000, state=RUNNING)
    for n, each in enumerate(said):
        await world.say(1, 10_000_002 + n, output=each)
    await world.end(1, state, message)


async def run_to_the_end(command: Any, world: World, state: Any, *said: event_pb2.Output, message: str = "") -> Ended:
    ended, _ = await asyncio.gather(command, end_when_watched(world, state, *said, message=message))
    assert isinstance(ended, Ended)
    return ended


@pytest.mark.parametrize(
    ("state", "code"),
    [(task_pb2.Task.STATE_COMPLETED, 0), (task_pb2.Task.STATE_FAILED, 1), (task_pb2.Task.STATE_CANCELED, 130)],
)
async def test_the_outcome_is_the_exit_code(windlass: CommandLine, world: World, script: str, state: Any, code: int):
    ended = await run_to_the_end(windlass.run("run-script", script), world, state, message="because")
    assert ended.code == code
    assert "because" in ended.errors.splitlines()[-1]


async def test_output_goes_where_it_belongs_as_it_is(windlass: CommandLine, world: World, script: str):
    said = [output(b"\xff\x00\x1b[31mred"), output(b"oops\n", STDERR), output(b"\r\n"), output(b"tail", dropped=12_345)]
    ended = await run_to_the_end(windlass.run("run-script", script), world, task_pb2.Task.STATE_COMPLETED, *said)
    assert ended.out == b"\xff\x00\x1b[31mred\r\ntail"
    assert b"oops\n" in ended.err
    assert "· 12.3 kB of output left out here\n".encode() not in ended.err
    assert "· … 12.3 kB of output left out here\n" in ended.errors


async def test_output_appears_while_the_script_runs(windlass: CommandLine, world: World, script: str):
    process = await windlass.start("run-script", script)
    assert process.stdout is not None
    await world.until(lambda: world.watchers == 1)
    await world.say(1, 10_000_002, output=output(b"first\n"))
    async with asyncio.timeout(20):
        assert await process.stdout.readline() == b"first\n"
    await world.say(1, 10_000_003, output=output(b"second\n"))
    async with asyncio.timeout(20):
        assert await process.stdout.readline() == b"second\n"
    await world.end(1, task_pb2.Task.STATE_COMPLETED)
    await process.communicate()
    assert process.returncode == 0


async def test_stages_steps_and_retries_are_told_on_stderr(windlass: CommandLine, world: World, script: str):
    async def happen() -> None:
        await world.until(lambda: world.watchers == 1)
        await world.say(1, 1, state=event_pb2.StateChange(state=task_pb2.Task.STATE_PENDING))
        await world.say(1, 10_000_000, state=RUNNING)
        await world.say(1, 10_000_002, stage="fetching")
        await world.say(1, 10_000_003, step=event_pb2.StepLine(text="a step\x07"))
        waits = event_pb2.StateChange(state=task_pb2.Task.STATE_PENDING, message="exit code 3")
        waits.next_try_time.FromDatetime(world.events[1][-1].time.ToDatetime())
        waits.next_try_time.seconds += 30
        await world.say(1, 19_999_998, state=waits)
        await world.say(1, 20_000_000, state=RUNNING)
        await world.end(1, task_pb2.Task.STATE_COMPLETED)

    ended, _ = await asyncio.gather(windlass.run("run-script", script), happen())
    assert ended.out == b""
    assert ended.errors.splitlines()[:6] == [
        "· waiting",
        "· attempt 1 runs on host/7",
        "· stage: fetching",
        "· a step\\x07",
        "· attempt 1 is over: exit code 3; next try in 29.0 s",
        "· attempt 2 runs on host/7",
    ]


async def test_the_script_travels_with_all_that_was_said_about_it(windlass: CommandLine, world: World, script: str):
    ended = await windlass.run(
        *("run-script", script, "--detach", "--title", "mine", "--priority", "11", "--timeout", "9.5"),
        *("--retries", "3", "--retry-pause", "0.5", "--", "one", "--two"),
    )
    assert ended.text == "1\n"
    (request,) = world.asked("Enqueue")
    assert request.task.kind == "ExecuteScript"
    assert json.loads(request.task.payload.data) == {
        "script": "echo hello\n",
        "interpreter": "sh",
        "args": ["one", "--two"],
        "timeout": 9.5,
    }
    assert (request.task.title, request.task.priority, request.task.retry.attempts) == ("mine", 11, 3)
    assert request.task.retry.pause.ToMilliseconds() == 500


@pytest.mark.parametrize(
    ("name", "text", "interpreter"),
    [
        ("job", "echo", "sh"),
        ("job.py", "print()", "python3"),
        ("job.sh", "#!/bin/bash\n", "bash"),
        ("job", "#!/usr/bin/env python3.12\n", "python3"),
        ("job", "#! /usr/bin/env -S perl -w\n", "perl"),
        ("job", "#!\n", "sh"),
    ],
)
async def test_the_interpreter_comes_from_the_first_line_or_the_suffix(
    windlass: CommandLine, world: World, tmp_path: Path, name: str, text: str, interpreter: str
):
    (tmp_path / name).write_text(text)
    assert (await windlass.run("run-script", "--detach", str(tmp_path / name))).code == 0
    assert json.loads(world.asked("Enqueue")[0].task.payload.data)["interpreter"] == interpreter


async def test_a_script_may_come_from_standard_input(windlass: CommandLine, world: World):
    ended = await windlass.run("run-script", "-", "--detach", "-o", "json", stdin=b"date\n")
    assert json.loads(ended.out) == {"id": 1, "receipt": "CREATED", "state": "UNSPECIFIED", "joined": 0}
    assert json.loads(world.asked("Enqueue")[0].task.payload.data)["script"] == "date\n"


async def test_a_payload_may_come_from_an_argument_a_file_or_standard_input(
    windlass: CommandLine, world: World, tmp_path: Path
):
    (tmp_path / "payload.json").write_text('{"n": 2}')
    for argument, stdin in (('{"n": 1}', None), (f"@{tmp_path / 'payload.json'}", None), ("-", b'{"n": 3}')):
        assert (await windlass.run("enqueue", "Noop", "--payload", argument, stdin=stdin)).code == 0
    assert [json.loads(request.task.payload.data) for request in world.asked("Enqueue")] == [
        {"n": 1},
        {"n": 2},
        {"n": 3},
    ]


async def test_with_json_the_card_comes_at_the_end(windlass: CommandLine, world: World):
    command = windlass.run("enqueue", "Noop", "--wait", "-o", "json")
    ended = await run_to_the_end(command, world, task_pb2.Task.STATE_COMPLETED)
    assert json.loads(ended.out)["state"] == "COMPLETED"
    assert ended.code == 0


async def test_watch_in_json_is_one_array_that_grows(windlass: CommandLine, world: World):
    world.tasks[1] = a_task(1)
    command = windlass.run("watch", "1", "-o", "json")
    ended = await run_to_the_end(command, world, task_pb2.Task.STATE_FAILED, output(b"x"), message="no")
    events = json.loads(ended.out)
    assert ended.code == 1
    assert [event["event"] for event in events] == ["state", "output", "state"]
    head = {"sequence": 10_000_002, "attempt": 1, "time": "2021-11-22T10:00:00.002000Z"}
    assert events[1] == head | {"event": "output", "stream": "STDOUT", "data": "x", "dropped": 0}
    assert len(ended.text.splitlines()) == 3


async def test_the_first_ctrl_c_interrupts_the_script_and_waits_for_its_end(
    windlass: CommandLine, world: World, script: str
):
    process = await windlass.start("run-script", script)
    await world.until(lambda: world.watchers == 1)
    process.send_signal(signal.SIGINT)
    _, errors = await process.communicate()
    assert process.returncode == 130
    assert world.asked("Interrupt")[0].reason == "Ctrl-C"
    assert "interrupting task 1 (Ctrl-C again leaves at once)" in errors.decode()
    assert "canceled: Ctrl-C" in errors.decode().splitlines()[-1]


async def test_the_second_ctrl_c_leaves(windlass: CommandLine, world: World, script: str):
    process = await windlass.start("run-script", script)
    await world.until(lambda: world.watchers == 1)
    never = asyncio.Event()

    async def hangs(_: object) -> None:
        await never.wait()

    world.faults.append(hangs)
    process.send_signal(signal.SIGINT)
    await world.until(lambda: bool(world.asked("Interrupt")))
    process.send_signal(signal.SIGINT)
    _, errors = await process.communicate()
    assert process.returncode == 130
    assert "left; task 1 is still being interrupted" in errors.decode()
    assert b"Traceback" not in errors
    never.set()


async def test_ctrl_c_on_a_watch_leaves_the_task_alone(windlass: CommandLine, world: World):
    world.tasks[1] = a_task(1)
    process = await windlass.start("watch", "1")
    await world.until(lambda: world.watchers == 1)
    process.send_signal(signal.SIGINT)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (130, b"")
    assert world.asked("Interrupt") == []


async def test_a_server_that_was_gone_for_a_moment_is_told_and_found_again(
    windlass: CommandLine, server: FakeServer, world: World
):
    world.tasks[1] = a_task(1)
    process = await windlass.start("watch", "1")
    await world.until(lambda: world.watchers == 1)
    await server.stop()
    await server.start()
    await end_when_watched(world, task_pb2.Task.STATE_COMPLETED)
    _, errors = await process.communicate()
    assert process.returncode == 0
    assert [line[:22] for line in errors.decode().splitlines()] == [
        "· lost the server, loo",
        "· attempt 1 runs on ho",
        "· completed after 1.00",
    ]


async def test_a_terminal_gets_colours_but_no_commands(windlass: CommandLine, world: World, script: str):
    terminal = await windlass.on_a_terminal("run-script", script)
    said = [output(b"\x1b[31mred\x1b[2J\x1b]0;ow"), output(b"ned\x07\x1b[8mhidden"), output(b"no newline")]
    await end_when_watched(world, task_pb2.Task.STATE_COMPLETED, *said)
    assert await terminal.ended() == 0
    assert b"\x1b[31mred" in terminal.shown
    assert b"\x1b[2J" not in terminal.shown
    assert b"owned" not in terminal.shown
    assert b"\x1b[8;28mhiddenno newline" in terminal.shown
    assert "\n· completed" in terminal.plain


async def test_progress_is_a_bar_on_a_terminal_that_goes_before_anything_is_said(
    windlass: CommandLine, world: World, script: str
):
    terminal = await windlass.on_a_terminal("run-script", script)
    await world.until(lambda: world.watchers == 1)
    await world.say(1, 10_000_000, state=RUNNING)
    await world.say(1, 10_000_001, progress=task_pb2.Progress(current=3, total=12))
    await terminal.until(lambda shown: b"3/12" in shown)
    await world.say(1, 10_000_002, output=output(b"a line\n"))
    await terminal.until(lambda shown: b"a line" in shown)
    await world.say(1, 10_000_003, progress=task_pb2.Progress(current=7, total=12))
    await terminal.until(lambda shown: b"7/12" in shown)
    await world.say(1, 10_000_004, step=event_pb2.StepLine(text="a step"))
    await terminal.until(lambda shown: b"a step" in shown)
    for bar, said in ((b"3/12", b"a line"), (b"7/12", b"a step")):
        before = terminal.shown[: terminal.shown.index(said)]
        assert b"\x1b[2K" in before[before.rindex(bar) :]  # its line was wiped
    await world.end(1, task_pb2.Task.STATE_COMPLETED)
    assert await terminal.ended() == 0


async def test_without_a_terminal_there_is_no_bar(windlass: CommandLine, world: World, script: str):
    process = await windlass.start("run-script", script)
    await world.until(lambda: world.watchers == 1)
    await world.say(1, 10_000_001, progress=task_pb2.Progress(current=3, total=12))
    await world.end(1, task_pb2.Task.STATE_COMPLETED)
    _, errors = await process.communicate()
    assert b"3/12" not in errors

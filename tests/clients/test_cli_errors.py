"""What goes wrong is one line on stderr, and an exit code of the table."""

import time
from pathlib import Path

import grpc
import pytest

from tests.clients.command_line import CommandLine, Ended
from tests.clients.fake_server import FakeServer, World, a_task, refuses


def says_in_one_line(ended: Ended) -> str:
    assert ended.errors.startswith("error: "), ended
    assert ended.errors.count("\n") == 1, ended
    return ended.errors


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, 4),
        (grpc.StatusCode.PERMISSION_DENIED, 4),
        (grpc.StatusCode.NOT_FOUND, 5),
        (grpc.StatusCode.INVALID_ARGUMENT, 6),
        (grpc.StatusCode.FAILED_PRECONDITION, 7),
        (grpc.StatusCode.INTERNAL, 8),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 8),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 8),
    ],
)
async def test_each_refusal_has_its_exit_code(
    windlass: CommandLine, world: World, code: grpc.StatusCode, expected: int
):
    world.faults.append(refuses(code, "the reason,\nin words \x1b[31m"))
    ended = await windlass.run("enqueue", "Noop")
    assert ended.code == expected
    assert says_in_one_line(ended) == "error: the reason, in words \\x1b[31m\n"
    assert ended.out == b""


async def test_no_server_at_all_says_how_to_get_one(lonely: CommandLine):
    ended = await lonely.run("active")
    assert ended.code == 3
    assert 'start one with "windlass serve"' in says_in_one_line(ended)


async def test_a_server_that_does_not_answer_is_given_up_within_seconds(server: FakeServer):
    await server.stop()
    began = time.monotonic()
    ended = await CommandLine().run("--address", server.address, "active")
    assert ended.code == 3
    assert f"no windlass server answers at {server.address}" in says_in_one_line(ended)
    assert time.monotonic() - began < 9
    await server.start()


async def test_options_before_the_command_choose_server_and_token(server: FakeServer, world: World, tmp_path: Path):
    (tmp_path / "token").write_text("from-a-file\n")
    ended = await CommandLine().run("--address", server.address, "--token-file", str(tmp_path / "token"), "active")
    assert ended.code == 0
    assert world.calls[0].metadata["authorization"] == "Bearer from-a-file"


async def test_a_task_that_does_not_exist_is_exit_5(windlass: CommandLine):
    for command in ("show", "watch", "interrupt"):
        ended = await windlass.run(command, "42")
        assert ended.code == 5
        assert "there is no" in says_in_one_line(ended)


async def test_interrupting_a_task_that_has_ended_is_exit_7(windlass: CommandLine, world: World):
    world.tasks[1] = a_task(1, state="STATE_COMPLETED")
    ended = await windlass.run("interrupt", "1")
    assert ended.code == 7
    assert says_in_one_line(ended) == "error: it has ended\n"


@pytest.mark.parametrize("payload", ["{", "", "{'a': 1}", "@/nowhere/payload.json", "@/", "[" * 100_000])
async def test_a_payload_that_is_no_json_is_exit_6_and_never_sent(windlass: CommandLine, world: World, payload: str):
    ended = await windlass.run("enqueue", "Noop", "--payload", payload)
    assert ended.code == 6
    says_in_one_line(ended)
    assert world.asked("Enqueue") == []


async def test_a_script_that_is_no_text_or_not_there_is_exit_6(windlass: CommandLine, tmp_path: Path):
    (tmp_path / "binary").write_bytes(b"\x7fELF\xff\xfe")
    ended = await windlass.run("run-script", str(tmp_path / "binary"))
    assert ended.code == 6
    assert "is not UTF-8 text (byte 4)" in says_in_one_line(ended)
    ended = await windlass.run("run-script", str(tmp_path / "nothing"))
    assert ended.code == 6
    assert "No such file" in says_in_one_line(ended)


async def test_a_reader_that_goes_away_is_no_traceback(windlass: CommandLine, world: World):
    world.cards.clear()
    world.tasks = {n: a_task(n, title="x" * 150) for n in range(1, 1000)}
    process = await windlass.start("active", "--limit", "999")
    assert process.stdout is not None
    assert process.stderr is not None
    process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
    errors = await process.stderr.read()
    assert (await process.wait(), errors) == (141, b"")

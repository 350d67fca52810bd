"""`windlass overview` and `windlass doctor`, against a kernel."""

import json
import signal
from pathlib import Path
from typing import Any

import grpc
import pytest
from windlass_proto.v1 import overview_pb2

from tests.clients.certificates import certify
from tests.clients.command_line import CommandLine
from tests.clients.fake_server import FakeServer, World, hangs, refuses
from tests.control.calling import Calling, State

PICTURE_KEYS = (
    "time is_idle summary pools active active_count deferred blocked coalescing lanes signals sections live_nodes "
    "counts coalescing_count live_agents draining"
)
LOOKED_AT = ["server", "access", "version", "store", "clocks", "clocks", "plugins", "nodes", "pools", "kinds", "health"]


async def test_overview_shows_pools_what_runs_and_what_folds_together(operator: CommandLine, kernel: Calling):
    task = await kernel.enqueue("Wait", title="nightly", coalesce_key="k")
    await kernel.at(task, State.STATE_RUNNING)
    await kernel.enqueue("Wait", coalesce_key="k")
    ended = await operator.run("overview")
    assert ended.code == 0, ended.errors
    for part in ("1 running", "Pools\n", "1/40", "Active\n", "nightly", "Coalescing\n"):
        assert part in ended.text, part
    assert "\x1b" not in ended.text


async def test_idle_is_an_answer(operator: CommandLine, kernel: Calling):
    ended = await operator.run("overview")
    assert ended.text.startswith("nothing running, nothing pending   1 node, ")
    picture = json.loads((await operator.run("overview", "-o", "json")).out)
    assert " ".join(picture) == PICTURE_KEYS
    assert picture["is_idle"] is True


async def test_a_watched_overview_in_a_pipe_is_a_line_for_each_change(operator: CommandLine, kernel: Calling):
    process = await operator.start("overview", "--watch")
    assert process.stdout is not None
    assert json.loads(await process.stdout.readline())["is_idle"] is True
    await kernel.enqueue("Wait")
    while not json.loads(await process.stdout.readline())["active"]:
        pass
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 130


async def test_a_watched_overview_on_a_terminal_stays_current(operator: CommandLine, kernel: Calling):
    terminal = await operator.on_a_terminal("overview", "-w")
    await terminal.until(lambda shown: b"nothing running, nothing pending" in shown)
    await kernel.enqueue("Wait")
    await terminal.until(lambda shown: b" Running " in shown)
    terminal.press_ctrl_c()
    assert await terminal.ended() == 130


async def test_a_server_that_goes_away_is_said_to_be_unreachable_until_it_is_back(
    windlass: CommandLine, server: FakeServer, world: World
):
    idle = overview_pb2.Picture(is_idle=True, summary="nothing running, nothing pending")
    back = overview_pb2.Picture(summary="3 running")
    world.answers["Overview.WatchOverview"].extend([[idle, hangs], [back, hangs]])
    terminal = await windlass.on_a_terminal("overview", "--watch")
    await terminal.until(lambda shown: b"nothing running, nothing pending" in shown)
    await server.stop()
    await terminal.until(lambda shown: b"the server is unreachable; looking for it again" in shown)
    await server.start()
    await terminal.until(lambda shown: b"3 running" in shown)
    terminal.press_ctrl_c()
    assert await terminal.ended() == 130


def by_check(ended: Any, name: str) -> list[dict[str, str]]:
    return [each for each in json.loads(ended.out)["checks"] if each["check"] == name]


async def test_doctor_looks_at_everything_and_all_is_well(operator: CommandLine, kernel: Calling):
    ended = await operator.run("doctor", "-o", "json")
    said = json.loads(ended.out)
    assert (ended.code, list(said), said["ok"]) == (0, ["ok", "checks"], True)
    assert [each["check"] for each in said["checks"]] == LOOKED_AT
    assert {each["status"] for each in said["checks"]} == {"ok"}, said
    assert all(list(each) == ["check", "status", "summary", "advice"] for each in said["checks"])
    lines = (await operator.run("doctor")).text.splitlines()
    assert lines[0] == f"✓ ok   server   {kernel.address} answers"
    assert len(lines) == len(LOOKED_AT)


async def test_doctor_warns_of_what_is_paused_and_says_what_to_type(operator: CommandLine, kernel: Calling):
    await operator.run("pools", "pause", "default", "--reason", "maintenance")
    await operator.run("kinds", "pause", "Echo")
    ended = await operator.run("doctor")
    assert ended.code == 0
    assert "! warn pools    default is paused by " in ended.text
    assert ": maintenance\n       → when it may go on: windlass pools resume default\n" in ended.text
    assert "       → when it may go on: windlass kinds resume Echo\n" in ended.text


async def test_doctor_fails_when_no_node_takes_tasks(operator: CommandLine, kernel: Calling):
    (node,) = json.loads((await operator.run("nodes", "list", "-o", "json")).out)
    await operator.run("nodes", "drain", str(node["id"]))
    ended = await operator.run("doctor", "-o", "json")
    assert (ended.code, json.loads(ended.out)["ok"]) == (1, False)
    none, draining = by_check(ended, "nodes")
    assert (none["status"], none["summary"]) == ("fail", "no node takes tasks")
    assert (draining["status"], draining["advice"]) == (
        "warn",
        f"when it may work again: windlass nodes resume {node['id']}",
    )


async def test_doctor_without_a_server_says_what_to_do(lonely: CommandLine):
    ended = await lonely.run("doctor")
    assert ended.code == 1
    assert ended.text.startswith("✗ fail server   no windlass server found in ")
    assert '\n       → start one with "windlass serve", or name one: ' in ended.text
    assert ended.err == b""


@pytest.mark.needs(program="openssl", package="openssl")
async def test_doctor_says_at_once_what_to_do_when_there_is_no_tls_with_the_server(
    windlass: CommandLine, tmp_path: Path
):
    certificate, _ = certify(tmp_path, "server")
    windlass.environ["WINDLASS_TLS_CA"] = str(certificate)
    ended = await windlass.run("doctor")
    assert ended.code == 1
    address = windlass.environ["WINDLASS_ADDRESS"]
    said = f"✗ fail server   no TLS with the server at {address}: it does not speak TLS; call it without\n"
    assert ended.text.startswith(said)
    assert "\n       → call it as grpc://HOST:PORT" in ended.text


async def test_doctor_with_a_wrong_token_says_so_and_fails(operator: CommandLine, kernel: Calling):
    operator.environ["WINDLASS_TOKEN"] = "wrong"
    ended = await operator.run("doctor", "-o", "json")
    assert ended.code == 1
    (access,) = by_check(ended, "access")
    assert (access["status"], access["advice"]) == (
        "fail",
        "the token is missing or wrong: WINDLASS_TOKEN_FILE, or ask for one (windlass tokens create)",
    )


async def test_doctor_of_an_older_server_says_what_cannot_be_seen(windlass: CommandLine, world: World):
    world.faults.append(refuses(grpc.StatusCode.UNIMPLEMENTED, "no such method"))
    ended = await windlass.run("doctor", "-o", "json")
    (access,) = by_check(ended, "access")
    assert access["status"] == "warn"
    assert access["advice"] == "the server is older than this command line: update it"

"""`windlass pools …`, `kinds …`, `lanes …`, `nodes …` and `cluster …`, against a kernel."""

import json
from typing import Any

import pytest
from windlass.config import Config, NodeConfig
from windlass.errors import ConfigError

from tests.clients.command_line import CommandLine
from tests.control.calling import Calling, State

KEYS = {
    "pools": "name slots in_use pause waiting is_more oldest_wait",
    "kinds": "name description payload_schema pool retry executor plugin pause nodes role",
    "nodes": ("id display_name state version join_time renew_time expire_time is_leader kinds running shares"),
}
HEADERS = {
    "pools": "Pool Slots In use Waiting Oldest wait State Paused",
    "kinds": "Kind Pool Executor Plugin Nodes Role State Paused",
    "nodes": "ID Node State Leads Running Seen Joined Version",
}


async def asked(operator: CommandLine, *words: str) -> Any:
    ended = await operator.run(*words, "-o", "json")
    assert ended.code == 0, ended.errors
    return json.loads(ended.out)


@pytest.mark.parametrize("noun", list(KEYS))
async def test_each_list_has_its_columns_and_its_keys(operator: CommandLine, kernel: Calling, noun: str):
    first, *_ = await asked(operator, noun, "list")
    assert " ".join(first) == KEYS[noun]
    header = (await operator.run(noun, "list")).text.splitlines()[0]
    assert " ".join(header.split()) == HEADERS[noun]
    wide = (await operator.run(noun, "list", "-o", "wide")).text.splitlines()[0]
    assert " ".join(wide.split()).startswith(HEADERS[noun])


async def test_a_paused_pool_starts_nothing_and_explain_names_the_command(operator: CommandLine, kernel: Calling):
    ended = await operator.run("pools", "pause", "default", "--reason", "the provider is down")
    assert ended.code == 0
    assert ended.text.startswith("pool default: paused by ")
    assert ended.text.endswith(": the provider is down\n")
    task = (await kernel.enqueue()).rpartition("/")[2]
    assert "   $ windlass pools resume default\n" in (await operator.run("explain", task)).text
    shown = await asked(operator, "pools", "show", "default")
    assert list(shown["pause"]) == ["by", "reason", "time"]
    [line] = [line for line in (await operator.run("pools", "list")).text.splitlines() if line.startswith("default ")]
    assert "Paused" in line
    assert (await operator.run("pools", "resume", "default")).text == "pool default: active\n"
    await kernel.ended(f"tasks/{task}")
    assert kernel.count("audit") == 2


async def test_a_pool_is_resized_at_once(operator: CommandLine, kernel: Calling):
    ended = await operator.run("pools", "resize", "default", "2", "--reason", "small database")
    assert (ended.code, ended.text) == (0, "pool default: 2 slots, 0 in use\n")
    assert (await asked(operator, "pools", "show", "default"))["slots"] == 2
    lines = (await operator.run("pools", "show", "default")).text.splitlines()
    assert [" ".join(line.split()) for line in lines[:3]] == ["Pool default", "Slots 2", "In use 0"]


async def test_a_paused_kind_starts_nothing_and_explain_names_the_command(operator: CommandLine, kernel: Calling):
    ended = await operator.run("kinds", "pause", "Echo", "--reason", "they block us")
    assert ended.text.startswith("kind Echo: paused by ")
    task = (await kernel.enqueue()).rpartition("/")[2]
    assert "   $ windlass kinds resume Echo\n" in (await operator.run("explain", task)).text
    assert (await operator.run("kinds", "resume", "Echo")).text == "kind Echo: active\n"
    await kernel.ended(f"tasks/{task}")


async def test_a_kind_shows_what_its_payload_takes(operator: CommandLine, kernel: Calling):
    assert (await asked(operator, "kinds", "show", "Echo"))["payload_schema"]["type"] == "object"
    text = (await operator.run("kinds", "show", "Echo")).text
    assert "Says what it was given" in text


async def test_a_node_is_drained_and_resumed(operator: CommandLine, kernel: Calling):
    task = await kernel.enqueue("Wait")
    await kernel.at(task, State.STATE_RUNNING)
    (node,) = await asked(operator, "nodes", "list")
    drained = await operator.run("nodes", "drain", str(node["id"]), "--reason", "new kernel")
    assert drained.text == f"node {node['id']} ({node['display_name']}): Draining, 1 task left\n"
    resumed = await operator.run("nodes", "resume", str(node["id"]))
    assert resumed.text == f"node {node['id']} ({node['display_name']}): Live\n"


async def test_no_lanes_are_said_and_an_empty_array(operator: CommandLine, kernel: Calling):
    ended = await operator.run("lanes", "list")
    assert (ended.code, ended.out, ended.errors) == (0, b"", "No task has ever asked for a lane.\n")
    assert await asked(operator, "lanes", "list") == []


async def test_cluster_show_says_what_the_server_is(operator: CommandLine, kernel: Calling):
    shown = await asked(operator, "cluster", "show")
    assert " ".join(shown) == (
        "version node start_time store_time clock_offset store plugins capabilities largest_message"
    )
    assert "Store            postgres " in (await operator.run("cluster", "show")).text


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("pools", "show", "nowhere"), 5, "nowhere"),
        (("pools", "pause", "nowhere"), 5, "nowhere"),
        (("pools", "resume", "nowhere"), 5, "nowhere"),
        (("pools", "resize", "default", "-1"), 2, "-1"),
        (("pools", "resize", "default", "100001"), 2, "100000"),
        (("pools", "pause", "default", "--reason", "x" * 501), 6, "500"),
        (("kinds", "show", "Nobody"), 5, "Nobody"),
        (("kinds", "pause", "Nobody"), 5, "Nobody"),
        (("nodes", "drain", "4242"), 5, "4242"),
        (("nodes", "drain", "x"), 2, "valid integer"),
    ],
)
async def test_what_goes_wrong_is_one_line_and_an_exit_code(
    operator: CommandLine, kernel: Calling, arguments: tuple[str, ...], code: int, says: str
):
    ended = await operator.run(*arguments)
    assert (ended.code, ended.errors.count("\n"), ended.out) == (code, 1, b""), ended
    assert says in ended.errors


async def test_reload_says_what_is_in_use_and_what_waits(operator: CommandLine, kernel: Calling):
    new = NodeConfig(pools={"default": 9}, lease=30.0, renew=4.0)
    kernel.kernel.rereads(Config(home="/h"), lambda: Config(home="/h", node=new), lambda _: None)
    ended = await operator.run("cluster", "reload", "--reason", "fewer")
    assert (ended.code, ended.text) == (0, "in use now: node.pools.default; after a restart: node.renew\n")
    again = await operator.run("cluster", "reload", "-o", "json")
    assert list(json.loads(again.out)) == ["changed", "waiting_for_restart"]


async def test_a_reload_that_is_refused_says_why(operator: CommandLine, kernel: Calling):
    assert (await operator.run("cluster", "reload")).code == 7

    def read() -> Config:
        raise ConfigError("configuration: unknown key 'node.slots'; did you mean 'pools'?")

    kernel.kernel.rereads(Config(home="/h"), read, lambda _: None)
    ended = await operator.run("cluster", "reload")
    assert (ended.code, ended.errors) == (
        6,
        "error: configuration: unknown key 'node.slots'; did you mean 'pools'?\n",
    )

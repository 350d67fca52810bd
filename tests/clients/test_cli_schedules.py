"""`windlass schedules …`, against a kernel."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.command_line import CommandLine, Ended
from tests.control.calling import Calling

KEYS = (
    "name kind payload cron interval time_zone title priority pool labels catch_up overlap paused revision owner "
    "create_time next_time next_times last_task timing_text last_tick"
)
NIGHTLY = ("--cron", "30 4 * * *", "--time-zone", "Europe/Berlin", "--kind", "Echo", "--payload", '{"n": 1}')


async def made(operator: CommandLine, name: str = "nightly", *more: str) -> Ended:
    ended = await operator.run("schedules", "create", name, *(more or NIGHTLY))
    assert ended.code == 0, ended.errors
    return ended


async def shown(operator: CommandLine, name: str = "nightly") -> Any:
    return json.loads((await operator.run("schedules", "show", name, "-o", "json")).out)


async def test_create_says_when_it_will_tick(operator: CommandLine, kernel: Calling):
    said = (await made(operator)).text
    assert said.startswith("schedule nightly: created, at 04:30 ")
    assert said.count(" 04:30") + said.count(" 03:30") >= 5
    document = await shown(operator)
    assert " ".join(document) == KEYS
    assert (document["cron"], document["time_zone"], document["payload"]) == ("30 4 * * *", "Europe/Berlin", {"n": 1})


async def test_create_takes_an_interval_labels_and_what_belongs_to_its_tasks(operator: CommandLine, kernel: Calling):
    await made(
        *(operator, "poll", "--every", "1h30m", "--kind", "Echo", "--title", "Poll", "--priority", "7"),
        *("--label", "tenant=acme", "--catch-up", "all", "--overlap", "allow", "--paused"),
    )
    document = await shown(operator, "poll")
    assert (document["interval"], document["title"], document["priority"]) == (5400, "Poll", 7)
    assert (document["catch_up"], document["overlap"], document["paused"]) == ("ALL", "ALLOW", True)
    assert document["labels"] == {"tenant": "acme"}


async def test_a_dry_run_checks_and_stores_nothing(operator: CommandLine, kernel: Calling):
    said = (await made(operator, "nightly", *NIGHTLY, "--dry-run")).text
    assert said.startswith("schedule nightly: would be created, ")
    assert json.loads((await operator.run("schedules", "list", "-o", "json")).out) == []


async def test_list_shows_when_what_and_whether_it_is_paused(operator: CommandLine, kernel: Calling):
    await made(operator)
    await made(operator, "poll", "--every", "15m", "--kind", "Echo", "--paused")
    header, nightly, poll = (await operator.run("schedules", "list")).text.splitlines()
    assert header.split() == ["Schedule", "When", "Type", "Next", "State", "Last", "tick", "Last", "task"]
    assert nightly.startswith("nightly   at 04:30 ")
    assert "Active" in nightly
    assert "Paused" in poll
    await operator.run("schedules", "run", "nightly", "--wait")
    assert [" By hand " in line for line in (await operator.run("schedules", "list")).text.splitlines()[1:]] == [1, 0]
    told = json.loads((await operator.run("schedules", "list", "-o", "json")).out)
    assert [each["last_tick"] and each["last_tick"]["outcome"] for each in told] == ["BY_HAND", None]
    one = await operator.run("schedules", "list", "-n", "1")
    assert (len(one.text.splitlines()), one.errors) == (2, "… and more; --limit shows them\n")


async def test_update_changes_what_is_named_and_nothing_else(operator: CommandLine, kernel: Calling):
    await made(operator)
    before = await shown(operator)
    ended = await operator.run("schedules", "update", "nightly", "--every", "1d", "--title", "Daily")
    assert ended.text.startswith("schedule nightly: updated, every day")
    after = await shown(operator)
    changed = {key for key in KEYS.split() if before[key] != after[key]}
    assert {"cron", "interval", "title", "revision"} <= changed
    assert changed <= {"cron", "interval", "title", "revision", "timing_text", "next_time", "next_times", "time_zone"}


async def test_a_pause_is_said_and_ended(operator: CommandLine, kernel: Calling):
    await made(operator)
    paused = await operator.run("schedules", "pause", "nightly", "--reason", "holidays")
    assert (paused.code, paused.text) == (0, "schedule nightly: paused\n")
    assert (await shown(operator))["paused"] is True
    resumed = await operator.run("schedules", "resume", "nightly")
    assert resumed.text.startswith("schedule nightly: active, next ")
    assert kernel.count("audit") == 3


async def test_run_makes_its_task_at_once_and_the_ledger_says_by_whom(operator: CommandLine, kernel: Calling):
    await made(operator)
    ended = await operator.run("schedules", "run", "nightly", "--wait")
    assert (ended.code, "completed" in ended.errors) == (0, True)
    task = (await operator.run("schedules", "run", "nightly")).text.strip()
    await kernel.ended(f"tasks/{task}")
    (newest, _) = json.loads((await operator.run("schedules", "ticks", "nightly", "-o", "json")).out)
    assert list(newest) == ["id", "due_time", "decide_time", "outcome", "reason", "task"]
    assert (newest["outcome"], newest["task"]) == ("BY_HAND", int(task))
    header, line, _ = (await operator.run("schedules", "ticks", "nightly")).text.splitlines()
    assert header.split() == ["Due", "Outcome", "Task", "Reason"]
    assert "By hand" in line


async def test_delete_asks_and_without_a_terminal_wants_yes(operator: CommandLine, kernel: Calling):
    await made(operator)
    ended = await operator.run("schedules", "delete", "nightly")
    assert ended.code == 2
    assert "add --yes" in ended.errors
    assert (await operator.run("schedules", "show", "nightly")).code == 0
    assert (await operator.run("schedules", "delete", "nightly", "--yes")).text == "schedule nightly: deleted\n"
    assert (await operator.run("schedules", "show", "nightly")).code == 5


@pytest.mark.parametrize(("answer", "code", "left"), [(b"n\n", 130, 1), (b"\n", 130, 1), (b"y\n", 0, 0)])
async def test_on_a_terminal_delete_asks_and_no_is_no(
    operator: CommandLine, kernel: Calling, answer: bytes, code: int, left: int
):
    await made(operator)
    terminal = await operator.on_a_terminal("schedules", "delete", "nightly")
    await terminal.until(lambda shown: b"delete schedule nightly? [y/N] " in shown)
    terminal.type(answer)
    assert await terminal.ended() == code
    assert len(json.loads((await operator.run("schedules", "list", "-o", "json")).out)) == left


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("create", "x", "--kind", "Echo"), 2, "--cron or --every"),
        (("create", "x", "--kind", "Echo", "--cron", "* * * * *", "--every", "5m"), 2, "--cron or --every"),
        (("create", "x", "--kind", "Echo", "--every", "soon"), 2, "--every takes a time such as 30s"),
        (("create", "x", "--kind", "Echo", "--cron", "1 2 3"), 6, "has 3 fields, not five"),
        (("create", "x", "--kind", "Nobody", "--every", "5m"), 6, "Nobody"),
        (("create", "x y", "--kind", "Echo", "--every", "5m"), 6, "x y"),
        (("create", "x", "--kind", "Echo", "--every", "5m", "--payload", "{"), 6, "is not JSON"),
        (("create", "nightly", "--kind", "Echo", "--every", "5m"), 7, "nightly"),
        (("update", "nightly"), 2, "say what to change"),
        (("update", "nobody", "--every", "5m"), 5, "nobody"),
        (("pause", "nobody"), 5, "nobody"),
        (("resume", "nobody"), 5, "nobody"),
        (("run", "nobody"), 5, "nobody"),
        (("ticks", "nobody"), 5, "nobody"),
        (("show", "nobody"), 5, "nobody"),
        (("delete", "nobody", "--yes"), 5, "nobody"),
    ],
)
async def test_what_goes_wrong_is_one_line_and_an_exit_code(
    operator: CommandLine, kernel: Calling, arguments: tuple[str, ...], code: int, says: str
):
    await made(operator)
    ended = await operator.run("schedules", *arguments)
    assert (ended.code, ended.errors.count("\n")) == (code, 1), ended
    assert says in ended.errors


async def test_a_payload_may_come_from_a_file(operator: CommandLine, kernel: Calling, tmp_path: Path):
    (tmp_path / "payload.json").write_text('{"n": 9}')
    await made(operator, "file", "--every", "1d", "--kind", "Echo", "--payload", f"@{tmp_path}/payload.json")
    assert (await shown(operator, "file"))["payload"] == {"n": 9}

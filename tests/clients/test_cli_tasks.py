"""`windlass tasks …` and its short forms, against a kernel."""

import io
import json
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.clients.command_line import CommandLine
from tests.control.calling import Calling, State

RECEIPT_KEYS = ["id", "receipt", "state", "joined"]


def number(name: str) -> str:
    return name.rpartition("/")[2]


async def waiting(kernel: Calling, **task: Any) -> tuple[str, str]:
    """A task that runs, and one that waits for its end."""
    first = await kernel.enqueue("Wait")
    await kernel.at(first, State.STATE_RUNNING)
    return number(first), number(await kernel.enqueue(after=[first], **task))


async def test_a_list_comes_in_five_formats(operator: CommandLine, kernel: Calling):
    _, second = await waiting(kernel, title="yes: # it's \U0001f600 \x1b[31m", labels={"a b": "null", "n": "1"})
    as_json = json.loads((await operator.run("tasks", "list", "-o", "json")).out)
    assert [str(task["id"]) for task in as_json][1:] == [second]
    lines = (await operator.run("tasks", "list", "-o", "jsonl")).text.splitlines()
    assert [json.loads(line) for line in lines] == as_json
    yaml = (await operator.run("tasks", "list", "-o", "yaml")).text
    assert YAML(typ="safe", pure=True).load(io.StringIO(yaml)) == as_json
    table, wide = (await operator.run("tasks", "list")).text, (await operator.run("tasks", "list", "-o", "wide")).text
    assert table.splitlines()[0].split()[-2:] == ["Priority", "Type"]
    assert wide.splitlines()[0].split()[-8:] == [
        "Type",
        "Pool",
        "Trigger",
        "Initiator",
        "Stage",
        "Progress",
        "Node",
        "Labels",
    ]
    assert "\x1b" not in table + wide + yaml


@pytest.mark.parametrize(("noun", "short"), [(["tasks", "list"], ["active"]), (["history", "list"], ["history"])])
async def test_a_short_form_is_the_verb_itself(
    operator: CommandLine, kernel: Calling, noun: list[str], short: list[str]
):
    await kernel.ended(await kernel.enqueue(payload={"n": 1}))
    await waiting(kernel)
    long, brief = (
        await operator.run(*noun, "-n", "1", "-o", "jsonl"),
        await operator.run(*short, "-n", "1", "-o", "jsonl"),
    )
    assert (long.code, long.errors) == (brief.code, brief.errors)
    assert json.loads(long.out)["id"] == json.loads(brief.out)["id"]


async def test_lists_take_filters_orders_and_limits(operator: CommandLine, kernel: Calling):
    _, second = await waiting(kernel, title="second", labels={"tenant": "acme"}, priority=3)
    for task in range(3):
        await kernel.ended(await kernel.enqueue(payload={"n": task}))
    found = json.loads((await operator.run("active", "--filter", 'labels.tenant = "acme"', "-o", "json")).out)
    assert [str(task["id"]) for task in found] == [second]
    lowest = json.loads((await operator.run("active", "--order-by", "priority", "-n", "1", "-o", "json")).out)
    assert [str(task["id"]) for task in lowest] == [second]
    cards = await operator.run("history", "--filter", "state = COMPLETED", "--order-by", "id", "-n", "2", "-o", "jsonl")
    ids = [json.loads(line)["id"] for line in cards.text.splitlines()]
    assert len(ids) == 2
    assert ids == sorted(ids)
    assert cards.errors == "… and more; --limit shows them\n"
    everything = await operator.run("history", "--limit", "0", "-o", "jsonl")
    assert len(everything.text.splitlines()) == 4
    assert everything.errors == ""


@pytest.mark.parametrize("words", [["active"], ["tasks", "list"], ["history"], ["audit", "list"]])
async def test_a_filter_that_is_wrong_is_exit_6_and_says_where(
    operator: CommandLine, kernel: Calling, words: list[str]
):
    ended = await operator.run(*words, "--filter", "colour = 3")
    assert (ended.code, ended.out) == (6, b"")
    assert "colour" in ended.errors
    assert "at character 1 of the filter" in ended.errors


async def test_explain_answers_a_person(operator: CommandLine, kernel: Calling):
    first, second = await waiting(kernel, title="second")
    ended = await operator.run("explain", second)
    assert ended.code == 0
    assert ended.text.startswith(f"Task {second} (second) waits since ")
    assert ". One thing holds it back:\n\n1. It waits for the end of task " in ended.text
    assert f"   What clears it: their end, or an interrupt\n   $ windlass explain {first}\n" in ended.text
    assert "runs for" in (await operator.run("tasks", "explain", first)).text


async def test_explain_of_an_ended_task_says_how_it_ended(operator: CommandLine, kernel: Calling):
    done = number(await kernel.enqueue(payload={"fail": 1}))
    await kernel.ended(f"tasks/{done}")
    said = (await operator.run("explain", done)).text
    assert f"Task {done} (Echo fail) has ended: Failed" in said
    assert "asked to fail" in said


async def test_explain_in_json_has_its_keys(operator: CommandLine, kernel: Calling):
    first, second = await waiting(kernel)
    said = json.loads((await operator.run("explain", second, "-o", "json")).out)
    assert list(said) == ["task", "state", "gates"]
    assert said["gates"][0]["kind"] == "DEPENDENCIES"
    assert said["gates"][0]["tasks"] == [int(first)]
    assert list(said["gates"][0]) == ["kind", "why", "clears", "tasks"]


async def test_retry_makes_a_new_task_and_can_follow_it(operator: CommandLine, kernel: Calling):
    done = number(await kernel.enqueue(payload={"fail": 1}))
    await kernel.ended(f"tasks/{done}")
    ended = await operator.run("tasks", "retry", done, "--wait")
    assert ended.code == 1
    assert "failed" in ended.errors
    made = json.loads((await operator.run("tasks", "retry", done, "-o", "json")).out)
    assert list(made) == RECEIPT_KEYS
    again = await kernel.ended(f"tasks/{made['id']}")
    assert again.retry_of == f"tasks/{done}"


async def test_the_reason_for_one_task_is_kept_in_the_audit_log(operator: CommandLine, kernel: Calling):
    task = number(await kernel.enqueue("Wait"))
    verbs = {"reprioritize": ("-p", "12"), "interrupt": (), "retry": ()}
    for verb, more in verbs.items():
        assert (await operator.run("tasks", verb, task, *more, "--reason", f"to {verb}")).code == 0
        await (kernel.ended(f"tasks/{task}") if verb == "interrupt" else kernel.get(f"tasks/{task}"))
    rows = json.loads((await operator.run("audit", "list", "-o", "json")).out)
    assert [(row["resource"], row["reason"]) for row in rows] == [
        (f"tasks/{task}", f"to {verb}") for verb in reversed(verbs)
    ]


async def test_retry_of_a_task_that_runs_is_exit_7(operator: CommandLine, kernel: Calling):
    first, _ = await waiting(kernel)
    ended = await operator.run("tasks", "retry", first)
    assert (ended.code, ended.errors.count("\n")) == (7, 1)


async def test_reprioritize_says_the_new_priority(operator: CommandLine, kernel: Calling):
    _, second = await waiting(kernel)
    ended = await operator.run("tasks", "reprioritize", second, "--priority", "12")
    assert (ended.code, ended.text) == (0, f"task {second}: priority 12 (High)\n")
    document = json.loads((await operator.run("tasks", "reprioritize", second, "-p", "1", "-o", "json")).out)
    assert (document["id"], document["priority"]) == (int(second), 1)


@pytest.mark.parametrize("words", [["show"], ["watch"], ["logs"], ["logs", "-f"], ["explain"], ["interrupt"]])
async def test_a_task_that_is_not_there_is_exit_5_for_every_verb(
    operator: CommandLine, kernel: Calling, words: list[str]
):
    ended = await operator.run("tasks", *words[:1], "4242", *words[1:])
    assert (ended.code, ended.out) == (5, b"")
    assert ended.errors.startswith("error: ")


async def test_enqueue_carries_labels_and_dependencies(operator: CommandLine, kernel: Calling):
    first = number(await kernel.enqueue("Wait"))
    labels = ("--label", "tenant=acme", "--label", "a=b=c")
    made = await operator.run("enqueue", "Echo", "--payload", '{"n": 1}', *labels, "--after", first, "-o", "json")
    assert (made.code, made.errors) == (0, "")
    task = await kernel.get(f"tasks/{json.loads(made.out)['id']}")
    assert dict(task.labels) == {"tenant": "acme", "a": "b=c"}
    assert "It waits for the end of task" in (await operator.run("explain", number(task.name))).text


async def test_an_enqueue_that_joins_says_so_to_a_program(operator: CommandLine, kernel: Calling):
    made = [
        json.loads((await operator.run("enqueue", "Wait", "--coalesce-key", "k", "-o", "json")).out) for _ in range(3)
    ]
    assert [each["receipt"] for each in made] == ["CREATED", "CREATED", "JOINED"]
    assert made[1]["id"] == made[2]["id"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["tasks", "interrupt"], "name one task by its ID, or many by --filter"),
        (["tasks", "interrupt", "7", "--filter", "id > 0"], "name one task by its ID, or many by --filter"),
        (["tasks", "retry", "7", "--dry-run"], "--dry-run, --rate and --detach belong to --filter"),
        (["tasks", "interrupt", "--filter", "id > 0", "--yes"], "--filter needs a --reason"),
        (["tasks", "interrupt", "--filter", "id > 0", "--reason", "r"], "add --yes"),
        (["tasks", "retry", "--filter", "id > 0", "--reason", "r"], "add --yes"),
        (["tasks", "reprioritize", "--filter", "id > 0", "--reason", "r", "-p", "1"], "add --yes"),
        (["tasks", "reprioritize", "7"], "Missing option '--priority'"),
        (["enqueue", "Echo", "--label", "tenant"], "--label takes NAME=VALUE"),
        (["active", "-o", "xml"], "is not one of"),
    ],
)
async def test_what_cannot_be_meant_is_exit_2_and_no_server_is_asked(lonely: CommandLine, words: list[str], says: str):
    ended = await lonely.run(*words)
    assert (ended.code, ended.out) == (2, b"")
    assert says in ended.errors
    assert ended.errors.count("\n") == 1

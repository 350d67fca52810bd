"""`windlass whoami`, `tokens …` and `audit …`, against a kernel."""

import json

import pytest

from tests.clients.command_line import CommandLine
from tests.control.calling import Calling

TOKEN_KEYS = "name subject role origin pools create_time expire_time revoke_time last_use_time created_by"
ENTRY_KEYS = "id time subject credential role method resource reason request"


async def token(operator: CommandLine, *options: str) -> tuple[str, str]:
    """Its name and its secret."""
    ended = await operator.run("tokens", "create", *(options or ("ada", "--role", "operator")), "-o", "json")
    assert ended.code == 0, ended.errors
    made = json.loads(ended.out)
    assert list(made) == ["token", "secret"]
    return made["token"]["name"], made["secret"]


def holder_of(secret: str, kernel: Calling) -> CommandLine:
    return CommandLine(WINDLASS_ADDRESS=kernel.address, WINDLASS_TOKEN=secret)


async def test_whoami_says_who_one_is_and_what_one_may_do(operator: CommandLine, kernel: Calling):
    _, secret = await token(operator, "ada", "--role", "viewer", "--origin", "user", "--pool", "default", "--pool", "x")
    ada = holder_of(secret, kernel)
    lines = [line.split(maxsplit=1) for line in (await ada.run("whoami")).text.splitlines()]
    assert lines[:4] == [["Subject", "ada"], ["Role", "Viewer"], ["Origin", "User"], ["Pools", "default, x"]]
    said = json.loads((await ada.run("whoami", "-o", "json")).out)
    assert " ".join(said) == "subject role origin pools credential"
    assert (said["role"], said["pools"]) == ("VIEWER", ["default", "x"])


async def test_the_secret_alone_goes_to_stdout(operator: CommandLine, kernel: Calling):
    ended = await operator.run("tokens", "create", "billing", "--role", "submitter", "--ttl", "90d")
    assert ended.code == 0
    assert ended.text.startswith("wdl_")
    assert ended.text.count("\n") == 1
    assert ended.errors.startswith("· token ")
    assert "of billing, submitter, until " in ended.errors
    assert (await holder_of(ended.text.strip(), kernel).run("whoami")).code == 0


async def test_a_list_of_tokens_never_shows_a_secret(operator: CommandLine, kernel: Calling):
    name, secret = await token(operator)
    listed = await operator.run("tokens", "list", "-o", "json")
    (document,) = json.loads(listed.out)
    assert " ".join(document) == TOKEN_KEYS
    assert (document["name"], document["subject"], document["role"]) == (name, "ada", "OPERATOR")
    assert document["origin"] == "SYSTEM"
    assert secret not in listed.text
    header, line = (await operator.run("tokens", "list")).text.splitlines()
    assert header.split() == ["Token", "Subject", "Role", "Origin", "Pools", "Last", "use", "Expires", "Revoked"]
    assert line.split()[:5] == [name, "ada", "Operator", "System", "all"]


async def test_a_revoked_token_is_worthless_and_only_listed_when_asked_for(operator: CommandLine, kernel: Calling):
    name, secret = await token(operator)
    ended = await operator.run("tokens", "revoke", name, "--yes", "--reason", "left the company")
    assert (ended.code, ended.text) == (0, f"token {name} of ada: revoked\n")
    assert json.loads((await operator.run("tokens", "list", "-o", "json")).out) == []
    (document,) = json.loads((await operator.run("tokens", "list", "--all", "-o", "json")).out)
    assert document["revoke_time"]
    assert (await holder_of(secret, kernel).run("active")).code == 4


async def test_revoking_without_a_terminal_wants_yes(operator: CommandLine, kernel: Calling):
    name, secret = await token(operator)
    ended = await operator.run("tokens", "revoke", name)
    assert ended.code == 2
    assert "add --yes" in ended.errors
    assert (await holder_of(secret, kernel).run("active")).code == 0


async def test_the_audit_log_says_who_did_what_and_why(operator: CommandLine, kernel: Calling):
    name, secret = await token(operator)
    task = (await kernel.enqueue("Wait")).rpartition("/")[2]
    assert (await holder_of(secret, kernel).run("interrupt", task, "--reason", "too slow")).code == 0
    newest, oldest = json.loads((await operator.run("audit", "list", "-o", "json")).out)
    assert " ".join(newest) == ENTRY_KEYS
    assert (newest["subject"], newest["method"]) == ("ada", "windlass.v1.Tasks/Interrupt")
    assert (newest["resource"], newest["reason"], newest["credential"]) == (
        f"tasks/{task}",
        "too slow",
        f"tokens/{name}",
    )
    assert oldest["method"] == "windlass.v1.Access/CreateToken"
    header, line, _ = (await operator.run("audit", "list")).text.splitlines()
    assert header.split() == ["Time", "Subject", "Method", "Resource", "Reason"]
    assert line.split()[1:] == ["ada", "Tasks/Interrupt", f"tasks/{task}", "too", "slow"]
    one = await operator.run("audit", "list", "-n", "1")
    assert one.errors == "… and more; --limit shows them\n"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("tokens", "create", "ada"), 2, "Missing option '--role'"),
        (("tokens", "create", "ada", "--role", "king"), 2, "is not one of"),
        (("tokens", "create", "ada", "--role", "viewer", "--ttl", "soon"), 2, "--ttl takes a time"),
        (("tokens", "create", "", "--role", "viewer"), 6, "subject"),
        (("tokens", "revoke", "4242", "--yes"), 5, "4242"),
    ],
)
async def test_what_goes_wrong_is_one_line_and_an_exit_code(
    operator: CommandLine, kernel: Calling, arguments: tuple[str, ...], code: int, says: str
):
    ended = await operator.run(*arguments)
    assert (ended.code, ended.errors.count("\n")) == (code, 1), ended
    assert says in ended.errors


@pytest.mark.parametrize(
    "arguments",
    [
        ("tokens", "list"),
        ("tokens", "create", "eve", "--role", "admin"),
        ("audit", "list"),
        ("interrupt", "1"),
        ("enqueue", "Echo"),
        ("schedules", "pause", "x"),
    ],
)
async def test_what_a_role_does_not_allow_is_exit_4(operator: CommandLine, kernel: Calling, arguments: tuple[str, ...]):
    _, secret = await token(operator, "eve", "--role", "viewer")
    ended = await holder_of(secret, kernel).run(*arguments)
    assert (ended.code, ended.errors.count("\n"), ended.out) == (4, 1, b"")

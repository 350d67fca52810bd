"""The library: scripts kept by name, saved, listed, shown and deleted by operations, and run by name."""

import json

import pytest
import windlass_scripts
from windlass import Role
from windlass.testing import ArgumentInvalid, Harness, OperationRejected, PayloadInvalid, RoleTooLow

CLEANUP = {
    "name": "cleanup",
    "text": "# Remove what is old\necho v1 $WINDLASS_PARAM_DAYS",
    "description": "Removes what is old.",
    "parameters": [
        {"name": "days", "type": "integer", "description": "How old.", "default": 7},
        {"name": "path", "required": True},
        {"name": "mode", "type": "choice", "choices": ["dry", "real"]},
        {"name": "ratio", "type": "number"},
        {"name": "deep", "type": "boolean"},
    ],
    "timeout": 30,
    "exit_codes": {"3": "failed"},
}


@pytest.fixture
async def harness(directory, tmp_path):
    vault = tmp_path / "vault"
    vault.mkdir(mode=0o700)
    (vault / "db").write_text("s3same-open\n")
    (vault / "db").chmod(0o600)
    settings = {"directory": str(directory), "kill_grace": 0.4, "secrets_directory": str(vault), "library_versions": 3}
    async with Harness(windlass_scripts, settings={"scripts": settings}) as harness:
        yield harness


@pytest.fixture
def run(harness, mark):
    """Runs a script of the library, to the end of its first attempt."""

    async def go(library: str, **fields):
        payload = {"library": library, "env": {"MARK": mark}, **fields}
        return await harness.run("ExecuteScript", payload, within=30)

    return go


async def save(harness, **changes) -> int:
    saved = await harness.call("save", CLEANUP | changes)
    return int(saved["version"])


async def test_a_script_is_saved_and_run_by_its_name(harness, run):
    assert await save(harness) == 1
    ended = await run("cleanup", parameters={"path": "/tmp"})
    ended.assert_succeeded().assert_step("started cleanup@1 (pid")
    assert ended.title == "cleanup"
    assert ended.output["stdout"] == b"v1 7\n"
    assert (ended.result["library"], ended.result["version"], ended.result["interpreter"]) == ("cleanup", 1, "sh")
    assert ended.steps[0].text.startswith("cleanup, version 1: saved 20")
    assert ended.steps[0].text.endswith(" by the test")


async def test_the_newest_version_runs_unless_one_is_named(harness, run):
    await save(harness)
    assert await save(harness, text="echo v2") == 2
    assert (await run("cleanup", parameters={"path": "x"})).output["stdout"] == b"v2\n"
    old = await run("cleanup@1", parameters={"path": "x"})
    assert (old.title, old.output["stdout"], old.result["version"]) == ("cleanup@1", b"v1 7\n", 1)


async def test_what_is_not_there_is_rejected_and_says_what_is(harness, run):
    (await run("cleanup")).assert_failed("library: there is no script 'cleanup'; see the operation scripts.list")
    for _ in range(5):
        await save(harness)
    (await run("cleanup@9")).assert_failed("library: cleanup has no version 9 (any more); the newest is 5")
    (await run("cleanup@2")).assert_failed("library: cleanup has no version 2 (any more)")
    with pytest.raises(PayloadInvalid, match="library: 'clean up' names no script"):
        await run("clean up")


async def test_parameters_reach_the_script_as_variables_and_as_json_and_never_as_text(harness, run):
    text = "env | grep ^WINDLASS_PARAM_ | sort; cat /dev/fd/$WINDLASS_PARAMETERS_FD; cat <&4"
    await save(harness, text=text)
    evil = "$(touch evil); `id` '\"\n; rm -rf /"
    ended = await run("cleanup", parameters={"path": evil, "days": 3, "ratio": 0.5, "deep": True, "mode": "dry"})
    shown, _, rest = ended.output["stdout"].decode().partition("WINDLASS_PARAM_RATIO=0.5\n")
    assert shown.startswith("WINDLASS_PARAM_DAYS=3\nWINDLASS_PARAM_DEEP=true\nWINDLASS_PARAM_MODE=dry\n")
    assert "WINDLASS_PARAM_PATH=$(touch evil); `id` '\"\n" in shown
    values = {"days": 3, "path": evil, "mode": "dry", "ratio": 0.5, "deep": True}
    first, end = json.JSONDecoder().raw_decode(rest)
    assert first == json.loads(rest[end:]) == values


async def test_text_that_reads_as_the_type_will_do(harness, run):
    await save(harness, text="cat <&4")
    given = {"path": 7, "days": "12", "ratio": "1.5", "deep": "no"}
    ended = await run("cleanup", parameters=given)
    assert json.loads(ended.output["stdout"]) == {"path": "7", "days": 12, "ratio": 1.5, "deep": False}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "parameters.path: is required; give text"),
        ({"path": "x", "day": 1}, "parameters.day: the script has no such parameter; did you mean days?"),
        ({"path": "x", "zzz": 1}, "the script has no such parameter; it has days, path, mode, ratio, deep"),
        ({"path": "x", "days": "soon"}, "parameters.days: wants a whole number, not 'soon'"),
        ({"path": "x", "days": 1.5}, "parameters.days: wants a whole number, not '1.5'"),
        ({"path": "x", "days": True}, "parameters.days: wants a whole number, not 'True'"),
        ({"path": "x", "ratio": "nan"}, "parameters.ratio: wants a number, not 'nan'"),
        ({"path": "x", "mode": "Real"}, "parameters.mode: wants one of dry, real, not 'Real'"),
        ({"path": "x", "deep": "maybe"}, "parameters.deep: wants true or false, not 'maybe'"),
    ],
)
async def test_a_parameter_that_does_not_fit_is_rejected_by_name(harness, run, given, message):
    await save(harness)
    ended = await run("cleanup", parameters=given)
    ended.assert_failed(message)
    assert ended.stages == ()


async def test_limits_and_codes_are_the_scripts_unless_the_task_says_otherwise(harness, run):
    await save(harness, text="exit 3", parameters=[])
    (await run("cleanup")).assert_failed("exit code 3")
    (await run("cleanup", exit_codes={"3": "success"})).assert_succeeded()
    await save(harness, text="sleep 30", parameters=[], timeout=0.2)
    (await run("cleanup")).assert_retries("timed out after 0.2 s")
    (await run("cleanup", timeout=0.3)).assert_retries("timed out after 0.3 s")


async def test_arguments_and_input_go_to_a_script_of_the_library_too(harness, run):
    await save(harness, text="echo $# $1; cat", parameters=[])
    ended = await run("cleanup", args=["a b", "c"], stdin="in")
    assert ended.output["stdout"] == b"2 a b\nin"
    ended.assert_step("started cleanup@1 with 2 arguments")


async def test_a_script_gets_its_secrets_and_those_that_a_task_names_in_parameters(harness, run):
    login = [{"name": "login", "secret": True, "required": True}]
    text = 'test "$(cat /dev/fd/$WINDLASS_SECRET_DB_FD)" = s3same-open; echo $?\n'
    text += 'test "$(cat /dev/fd/$WINDLASS_SECRET_LOGIN_FD)" = s3same-open; echo $?; env; cat <&4'
    await save(harness, text=text, secrets={"DB": "db"}, parameters=login)
    ended = await run("cleanup", parameters={"login": "db"})
    shown = ended.output["stdout"]
    assert shown.startswith(b"0\n0\n")
    assert b"WINDLASS_PARAM_LOGIN" not in shown
    assert shown.endswith(b"{}")
    ended.assert_step("secrets handed over: DB (db), LOGIN (db)")
    (await run("cleanup", parameters={"login": "../db"})).assert_failed("parameters.login: '../db' names no secret")


async def test_where_only_the_library_runs_nothing_else_does(directory):
    settings = {"scripts": {"directory": str(directory), "library_only": True}}
    async with Harness(windlass_scripts, settings=settings) as harness:
        await save(harness, text="echo $1; cat", parameters=[])
        run = await harness.run("ExecuteScript", {"library": "cleanup", "args": ["a"], "stdin": "b"}, within=30)
        assert run.output["stdout"] == b"a\nb"
        for payload, message in (
            ({"script": "true"}, "script, argv: only scripts of the library run here"),
            ({"argv": ["true"]}, "script, argv: only scripts of the library run here"),
            ({"library": "cleanup", "env": {"PATH": "/evil"}}, "env: tasks may not choose it here"),
            ({"library": "cleanup", "working_directory": "/"}, "working_directory: tasks may not choose it here"),
        ):
            (await harness.run("ExecuteScript", payload, within=30)).assert_failed(message)


async def test_the_list_has_the_newest_of_each_by_name_and_in_pages(harness):
    for name in ("b", "a", "c", "cleanup-more"):
        await save(harness, name=name)
    await save(harness, name="b", description="changed")
    lines = await harness.call("list", {}, role=Role.VIEWER)
    assert [(line["name"], line["version"]) for line in lines] == [("a", 1), ("b", 2), ("c", 1), ("cleanup-more", 1)]
    assert (lines[1]["description"], lines[1]["by"]) == ("changed", "the test")
    assert lines[0]["parameters"] == "days, path*, mode, ratio, deep"
    assert [line["name"] for line in await harness.call("list", {"after": "a", "limit": 2})] == ["b", "c"]
    assert [line["name"] for line in await harness.call("list", {"prefix": "c"})] == ["c", "cleanup-more"]


async def test_a_version_is_shown_whole_and_all_versions_are_listed(harness):
    for text in ("echo 1", "echo 2", "echo 3", "echo 4"):
        await save(harness, text=text)
    assert [line["version"] for line in await harness.call("versions", {"name": "cleanup"})] == [4, 3, 2]
    shown = await harness.call("show", {"name": "cleanup", "version": 3}, role=Role.VIEWER)
    assert (shown["version"], shown["text"], shown["exit_codes"]) == (3, "echo 3", {"3": "failed"})
    assert shown["parameters"][0]["description"] == "How old."
    with pytest.raises(OperationRejected, match="has no version 1"):
        await harness.call("show", {"name": "cleanup", "version": 1})


async def test_two_who_save_at_once_do_not_undo_each_other(harness):
    assert await save(harness, expected=0) == 1
    for expected in (0, 2):
        with pytest.raises(OperationRejected, match="expected: cleanup was saved by somebody else meanwhile"):
            await save(harness, expected=expected)
    assert await save(harness, expected=1) == 2
    with pytest.raises(OperationRejected, match="saved by somebody else"):
        await harness.call("delete", {"name": "cleanup", "expected": 1})


async def test_a_deleted_script_is_gone_with_all_its_versions(harness, run):
    await save(harness)
    assert await harness.call("delete", {"name": "cleanup"}) == {"name": "cleanup"}
    assert await harness.call("list", {}) == []
    (await run("cleanup@1")).assert_failed("there is no script")
    with pytest.raises(OperationRejected, match="there is no script 'cleanup'"):
        await harness.call("delete", {"name": "cleanup"})


async def test_who_may_look_may_not_save_or_delete(harness):
    for operation, argument in (("save", CLEANUP), ("delete", {"name": "cleanup"})):
        with pytest.raises(RoleTooLow):
            await harness.call(operation, argument, role=Role.SUBMITTER)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "clean up"}, "name: 'clean up' can't be the name of a script"),
        ({"name": "a@3"}, "name: 'a@3' can't be"),
        ({"name": ".a"}, "name: '.a' can't be"),
        ({"text": " "}, "text: is empty"),
        ({"text": "a\0b"}, "NUL"),
        ({"text": "x" * 300_000}, "text: 300000 bytes, more than the 204800 allowed"),
        ({"parameters": [{"name": "Days"}]}, "parameters: 'Days' is no name"),
        ({"parameters": [{"name": "a"}, {"name": "a"}]}, "parameters: two are called a"),
        ({"parameters": [{"name": "a", "type": "date"}]}, "Invalid enum value 'date'"),
        ({"parameters": [{"name": "a", "type": "choice"}]}, "parameters.a: choices and the type choice belong"),
        ({"parameters": [{"name": "a", "type": "integer", "default": "x"}]}, "parameters.a: wants a whole number"),
        ({"parameters": [{"name": "a", "default": "x", "required": True}]}, "is required and has a default"),
        ({"parameters": [{"name": "a", "secret": True, "type": "number"}]}, "a secret is of the type string"),
        ({"parameters": [{"name": "a", "secret": True}], "secrets": {"A": "x"}}, "secrets.A: a parameter has that"),
        ({"secrets": {"A": "/x"}}, "secrets.A: '/x' names no secret"),
        ({"exit_codes": {"3": "no"}}, "Invalid enum value 'no'"),
        ({"exit_codes": {"-1": "retry"}}, "exit_codes: '-1' is no exit code"),
        ({"timeout": 0}, "Expected `float` > 0.0"),
        ({"txet": ""}, "unknown field `txet`"),
    ],
)
async def test_what_could_never_run_is_not_saved(harness, changes, message):
    with pytest.raises(ArgumentInvalid) as refusal:
        await save(harness, **changes)
    assert message in str(refusal.value)
    assert await harness.call("list", {}) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"interpreter": "cobol"}, "interpreter: 'cobol' is not allowed here; allowed: awk, bash"),
        ({"text": "#" + "\n" * 150_000}, "text: too much for one script: "),
        ({"timeout": 1e6}, "timeout: 1e+06 s is more than the 86400 s allowed"),
    ],
)
async def test_what_the_operator_does_not_allow_is_not_saved_either(harness, changes, message):
    with pytest.raises(OperationRejected) as refusal:
        await save(harness, **changes)
    assert message in str(refusal.value)

"""Mistakes in a payload are told while it is decoded, by field, with what to do."""

import msgspec
import pytest
from windlass_scripts import ExecuteScript, ExecuteScriptPayload, ScriptsSettings

MIB = 1024 * 1024


def decode(**fields) -> ExecuteScriptPayload:
    return msgspec.json.decode(msgspec.json.encode(fields), type=ExecuteScriptPayload)


def test_the_smallest_payload_is_a_script():
    payload = decode(script="true")
    assert (payload.interpreter, payload.args, payload.env, payload.timeout) == ("sh", [], {}, None)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "script, library, argv: give exactly one of them"),
        ({"script": "x", "argv": ["x"]}, "script, library, argv: give exactly one of them"),
        ({"script": " \n"}, "script: is empty"),
        ({"argv": []}, "argv: is empty"),
        ({"argv": [""]}, "argv: is empty"),
        ({"argv": ["x"], "args": ["y"]}, "args, interpreter: belong to script"),
        ({"argv": ["x"], "interpreter": "bash"}, "args, interpreter: belong to script"),
        ({"script": "a\0b"}, "script: holds a NUL byte"),
        ({"script": "x", "stdin": "\0"}, "stdin: holds a NUL byte"),
        ({"script": "x", "args": ["a", "\0"]}, "args: holds a NUL byte"),
        ({"argv": ["x", "\0"]}, "argv: holds a NUL byte"),
        ({"script": "x", "env": {"A": "\0"}}, "env: holds a NUL byte"),
        ({"script": "x", "working_directory": "/a\0b"}, "working_directory: holds a NUL byte"),
        ({"script": "x", "working_directory": "tmp"}, "working_directory: give an absolute path"),
        ({"script": "x", "working_directory": ""}, "working_directory: give an absolute path"),
        ({"script": "x", "timeout": 0}, "Expected `float` > 0.0"),
        ({"script": "x", "timeout": -1.5}, "Expected `float` > 0.0"),
        ({"script": "x" * (MIB + 1)}, "script: 1048577 bytes, more than the 1048576 allowed"),
        ({"script": "é" * (MIB // 2 + 1)}, "script: 1048578 bytes"),
        ({"script": "x", "stdin": "x" * (MIB + 1)}, "stdin: 1048577 bytes"),
        ({"script": "x", "args": ["x" * 131072]}, "args: 131072 bytes, more than the 131071 allowed"),
        ({"script": "x", "env": {"A": "x" * 131070}}, "env: 131072 bytes"),
        ({"script": "x", "args": ["x" * 100_000] * 11}, "args, argv, env, parameters: 1100000 bytes together"),
        ({"script": "x", "env": {"1A": ""}}, "env: '1A' is no variable name"),
        ({"script": "x", "env": {"A=B": ""}}, "env: 'A=B' is no variable name"),
        ({"script": "x", "env": {"A\n": ""}}, r"env: 'A\n' is no variable name"),
        ({"script": "x", "env": {"": ""}}, "env: '' is no variable name"),
        ({"script": "x", "env": {"WINDLASS_TASK_ID": "1"}}, "env: WINDLASS_TASK_ID is set by Windlass itself"),
        ({"script": "x", "library": "y"}, "script, library, argv: give exactly one of them"),
        ({"library": "y", "interpreter": "bash"}, "interpreter: the library says what reads its script"),
        ({"library": "y", "secrets": {"A": "b"}}, "secrets: the library says which its script gets"),
        ({"library": "y@0"}, "library: 'y@0' names no script"),
        ({"library": "../y"}, "library: '../y' names no script"),
        ({"library": "y@newest"}, "library: 'y@newest' names no script"),
        ({"library": "y", "parameters": {"a": "\0"}}, "parameters: holds a NUL byte"),
        ({"library": "y", "parameters": {"a": []}}, "Expected `bool | int | float | str`, got `array`"),
        ({"script": "x", "parameters": {"a": 1}}, "parameters: belong to a script of the library"),
        ({"script": "x", "secrets": {"A-B": "c"}}, "secrets: 'A-B' is no name"),
        ({"script": "x", "secrets": {"A": "../b"}}, "secrets.A: '../b' names no secret"),
        ({"script": "x", "secrets": {"A": "/etc/shadow"}}, "secrets.A: '/etc/shadow' names no secret"),
        ({"script": "x", "secrets": {"A": "b//c"}}, "secrets.A: 'b//c' names no secret"),
        ({"script": "x", "secrets": {"A": "b/.c"}}, "secrets.A: 'b/.c' names no secret"),
        ({"script": "x", "secrets": {f"A{n}": "b" for n in range(17)}}, "secrets: 17 secrets, more than the 16"),
        ({"script": "x", "exit_codes": {"x": "retry"}}, "exit_codes: 'x' is no exit code"),
        ({"script": "x", "exit_codes": {"256": "retry"}}, "exit_codes: '256' is no exit code"),
        ({"script": "x", "exit_codes": {"9-4": "retry"}}, "exit_codes: '9-4' is no exit code"),
        ({"script": "x", "exit_codes": {"3": "retry", "1-5": "failed"}}, "'3' and '1-5' both name 3"),
        ({"script": "x", "exit_codes": {"3": "RETRY"}}, "Invalid enum value 'RETRY'"),
        ({"script": "x", "unknown": 1}, "unknown field `unknown`"),
        ({"script": 7}, "Expected `str | null`, got `int`"),
    ],
)
def test_a_mistake_names_its_field_and_what_to_do(fields, message):
    with pytest.raises(msgspec.ValidationError) as refusal:
        decode(**fields)
    assert message in str(refusal.value)


def test_half_a_surrogate_pair_and_a_number_that_is_none_are_refused():
    with pytest.raises(ValueError, match="script: holds half of a surrogate pair"):
        ExecuteScriptPayload(script="echo \ud800")
    with pytest.raises(ValueError, match="timeout: give a number"):
        ExecuteScriptPayload(script="x", timeout=float("nan"))


async def test_the_largest_payload_really_starts(ctx, directory):
    payload = decode(
        script=": " + "x" * (MIB - 100) + "\necho $# ${#A}",
        args=["x" * 130_000] * 7,
        env={"A": "y" * 130_000},
        stdin="z" * MIB,
    )
    await ExecuteScript(ScriptsSettings(directory=str(directory))).run(ctx, payload)
    assert ctx.text() == b"7 130000\n"


def test_the_schema_tells_clients_what_each_field_means():
    schema = msgspec.json.schema(ExecuteScriptPayload)
    properties = schema["$defs"]["ExecuteScriptPayload"]["properties"]
    assert set(properties) == {
        "script", "library", "parameters", "interpreter", "args", "argv", "secrets", "env", "stdin",
        "working_directory", "timeout", "exit_codes", "confinement", "limits",
    }  # fmt: skip
    assert all("description" in field for field in properties.values())


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        ({"script": "#!/bin/sh\n\n# Inventory of disks\nlsblk"}, "Inventory of disks"),
        ({"script": "#!/bin/sh\n########\n#\n# Real title\n"}, "Real title"),
        ({"script": "# -*- coding: utf-8 -*-\n# shellcheck shell=sh\n# Tidy up"}, "Tidy up"),
        ({"script": "// Count\nconsole.log(1)", "interpreter": "node"}, "Count"),
        ({"script": "df -h /\n# not a title"}, "sh: df -h /"),
        ({"script": "#!/usr/bin/perl\nprint  1;", "interpreter": "perl"}, "perl: print 1;"),
        ({"script": "#\n#\n"}, "sh script"),
        ({"script": "# a\x1b[31mred\x07\u202e title"}, "a[31mred title"),
        ({"script": "# " + "word " * 40}, "word " * 15 + "word…"),
        ({"library": "cleanup"}, "cleanup"),
        ({"library": "cleanup@3", "parameters": {"days": 7}}, "cleanup@3"),
        ({"argv": ["rsync", "-a", "two words", "dst"]}, "rsync -a 'two words' dst"),
        ({"argv": ["x", "y" * 500]}, "x " + "y" * 77 + "…"),
    ],
)
def test_a_script_nobody_named_gets_a_helpful_title(handler, fields, title):
    assert handler.title(ExecuteScriptPayload(**fields)) == title
    assert len(title) <= 80

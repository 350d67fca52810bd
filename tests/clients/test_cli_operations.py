"""`windlass operations …`, against a kernel with a plugin that brings some."""

import json
from collections.abc import AsyncIterator, Iterable
from typing import Annotated, Any

import msgspec
import pytest
import pytest_asyncio
from windlass import Operation, OperationCall, Rejected, Role, Settings, hookimpl
from windlass.store.port import Store

from tests.clients.command_line import CommandLine
from tests.control.calling import Calling, calling

OPERATION_KEYS = "name title description writes role argument_schema result_schema"


class Which(msgspec.Struct, forbid_unknown_fields=True):
    feed: Annotated[str, msgspec.Meta(description="Whose.")]
    limit: Annotated[int, msgspec.Meta(description="At most so many.", ge=1)] = 10
    names: list[str] = []


class Findings:
    """A plugin whose operations remember their calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    @hookimpl
    def windlass_register_operations(self, settings: Settings) -> Iterable[Operation]:
        return [
            Operation("find", "Find", "Those of a feed.", self.find, Which, role=Role.VIEWER, writes=False),
            Operation("rebuild", "Rebuild the pages", "All of them.", self.rebuild, Which),
            Operation("refuse", "Refuse", "Never works.", self.refuse, writes=False),
        ]

    async def find(self, call: OperationCall, argument: Which) -> list[dict[str, Any]]:
        return [{"feed": argument.feed, "n": n, "note": "evil \x1b[31m"} for n in range(argument.limit)]

    async def rebuild(self, call: OperationCall, argument: Which) -> dict[str, Any]:
        self.calls.append((call.reason, argument))
        return {"pages": len(argument.names), "names": argument.names}

    async def refuse(self, call: OperationCall, argument: Any) -> None:
        raise Rejected("there are none; wait for one")


@pytest.fixture
def findings() -> Findings:
    return Findings()


@pytest_asyncio.fixture
async def kernel(dsn: str, store: Store, findings: Findings) -> AsyncIterator[Calling]:
    async with calling(dsn, store, plugins={"findings": findings}) as made:
        yield made


async def test_list_says_what_can_be_called_and_what_that_takes(operator: CommandLine, kernel: Calling):
    header, *rows = (await operator.run("operations", "list")).text.splitlines()
    find, rebuild, _ = [row for row in rows if row.startswith("findings.")]
    assert header.split() == ["Operation", "Title", "Writes", "Role"]
    assert find.split() == ["findings.find", "Find", "no", "viewer"]
    assert rebuild.split() == ["findings.rebuild", "Rebuild", "the", "pages", "yes", "operator"]
    first, *_ = json.loads((await operator.run("operations", "list", "-o", "json")).out)
    assert " ".join(first) == OPERATION_KEYS


async def test_show_and_the_help_of_call_tell_the_fields(operator: CommandLine, kernel: Calling):
    shown = (await operator.run("operations", "show", "findings.find")).text
    assert "--field feed   string, required: Whose.\n" in shown
    helped = await operator.run("operations", "call", "findings.find", "--help")
    assert (helped.code, helped.err) == (0, b"")
    for part in ("Fields of findings.find:", "--field feed=…", "string, required: Whose.", "integer: At most so many."):
        assert part in helped.text, part


async def test_the_help_of_call_needs_no_server(lonely: CommandLine):
    ended = await lonely.run("operations", "call", "findings.find", "--help")
    assert (ended.code, ended.err) == (0, b"")
    assert "Fields of" not in ended.text


async def test_a_flat_list_is_a_table_and_harmless(operator: CommandLine, kernel: Calling):
    ended = await operator.run("operations", "call", "findings.find", "-f", "feed=nvd", "-f", "limit=2")
    header, first, second = ended.text.splitlines()
    assert header.split() == ["feed", "n", "note"]
    assert first.split() == ["nvd", "0", "evil", "\\x1b[31m"]
    assert second.split()[1] == "1"
    as_json = await operator.run("operations", "call", "findings.find", "--argument", '{"feed": "a"}', "-o", "json")
    assert len(json.loads(as_json.out)) == 10
    lines = await operator.run("operations", "call", "findings.find", "-f", "feed=a", "-o", "jsonl")
    assert len(lines.text.splitlines()) == 10


async def test_one_that_writes_wants_yes_and_passes_the_reason_on(
    operator: CommandLine, kernel: Calling, findings: Findings
):
    words = ("operations", "call", "findings.rebuild", "-f", "feed=nvd", "-f", 'names=["a", "b"]')
    ended = await operator.run(*words)
    assert (ended.code, findings.calls) == (2, [])
    assert "add --yes" in ended.errors
    done = await operator.run(*words, "--yes", "--reason", "new layout")
    assert (done.code, done.text) == (0, "pages: 2\nnames:\n  - a\n  - b\n")
    assert findings.calls == [("new layout", Which("nvd", 10, ["a", "b"]))]


async def test_on_a_terminal_one_that_writes_is_asked_for(operator: CommandLine, kernel: Calling, findings: Findings):
    terminal = await operator.on_a_terminal("operations", "call", "findings.rebuild", "-f", "feed=nvd")
    await terminal.until(
        lambda shown: b"findings.rebuild changes something (Rebuild the pages): call it? [y/N] " in shown
    )
    terminal.type(b"y\n")
    assert await terminal.ended() == 0
    assert len(findings.calls) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("findings.fnid",), 5, "there is no operation findings.fnid; did you mean findings.find?"),
        (("findings.find", "-f", "fed=x"), 2, "there is no field fed; did you mean feed?"),
        (("findings.find", "-f", "feed"), 2, "--field takes NAME=VALUE"),
        (("findings.find", "-f", "feed=x", "-f", "limit=many"), 6, "the field limit takes integer"),
        (("findings.find", "-f", "feed=x", "--argument", "{}"), 2, "--argument or --field, not both"),
        (("findings.find", "--argument", "{"), 6, "the argument is not JSON"),
        (("findings.find",), 6, "feed"),
        (("findings.find", "-f", "feed=x", "-f", "limit=0"), 6, "limit"),
        (("findings.refuse",), 7, "there are none; wait for one"),
    ],
)
async def test_what_goes_wrong_is_one_line_and_an_exit_code(
    operator: CommandLine, kernel: Calling, arguments: tuple[str, ...], code: int, says: str
):
    ended = await operator.run("operations", "call", *arguments)
    assert (ended.code, ended.errors.count("\n"), ended.out) == (code, 1, b""), ended
    assert says in ended.errors

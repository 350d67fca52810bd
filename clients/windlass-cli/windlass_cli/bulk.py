"""One verb for everything that matches a filter: says how many, asks, starts the task that does it, follows that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from windlass_cli.consent import ask, check_can_ask
from windlass_cli.exits import USAGE, Failure
from windlass_cli.harmless import one_line
from windlass_cli.options import Format
from windlass_cli.session import ask_server, with_client
from windlass_cli.words import counted, some_of

if TYPE_CHECKING:
    from windlass_client import BulkReceipt, Client


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was said on the command line."""

    filter: str
    reason: str
    dry_run: bool
    yes: bool
    rate: int
    detach: bool
    output: Format


Call = Callable[["Client", bool], Awaitable["BulkReceipt"]]
"""With True it only says what would be done."""


def one_or_many(id: int | None, wanted: Wanted) -> bool:
    """Whether it is for one task.  Failure unless either an id or a filter was given, with what belongs to it."""
    if (id is None) == (not wanted.filter):
        raise Failure(USAGE, "name one task by its ID, or many by --filter (for all of them: --filter 'id > 0')")
    if id is not None and (wanted.dry_run or wanted.rate or wanted.detach):
        raise Failure(USAGE, "--dry-run, --rate and --detach belong to --filter")
    if id is None and not wanted.reason:
        raise Failure(USAGE, "--filter needs a --reason: it is kept in the history of each task, and in the audit log")
    return id is not None


def do(verb: str, call: Call, wanted: Wanted) -> None:
    """`verb` is what is done to tasks: "interrupt"."""
    if not wanted.dry_run:
        check_can_ask(f"{verb} --filter", yes=wanted.yes)
    if wanted.dry_run or not wanted.yes:
        would = ask_server(lambda client: call(client, True))
        if wanted.dry_run or not would.matching:
            _print_dry_run(verb, would, wanted)
            return
        _print_samples(would)
        ask(f"{verb} {_matching(would)}?", yes=False)
    with_client(lambda client: _do(client, verb, call, wanted))


async def _do(client: Client, verb: str, call: Call, wanted: Wanted) -> int:
    from windlass_cli.documents import of_bulk, print_document

    answer = await call(client, False)
    if wanted.detach or answer.task is None:
        if wanted.output.for_people:
            print(answer.task or "")
        else:
            print_document(of_bulk(answer), wanted.output)
        return 0
    from windlass_cli.follow import own
    from windlass_cli.views import ProgressView, SilentView

    shown = ProgressView(f"{verb} {_matching(answer)}") if wanted.output.for_people else SilentView()
    code = await own(client, answer.task, shown)
    result = (await client.get_task(answer.task)).result
    if wanted.output.for_people:
        print(one_line(f"{verb}: {_tally(result)}"))
    else:
        print_document(of_bulk(answer) | {"result": result}, wanted.output)
    return code


def _tally(result: Any) -> str:
    """What became of it; an interrupted one has no result."""
    if not isinstance(result, dict):
        return "not everything was done; windlass show tells how far it came"
    skipped = result.get("skipped") or {}
    why = "".join(f", {count} skipped ({reason})" for reason, count in sorted(skipped.items()))
    return f"{result.get('done')} of {counted(result.get('matched') or 0, 'task')}{why}"


def _matching(answer: BulkReceipt) -> str:
    tasks = counted(answer.matching, "task")
    return tasks.replace(str(answer.matching), some_of(answer.matching, is_more=answer.is_more), 1)


def _print_dry_run(verb: str, answer: BulkReceipt, wanted: Wanted) -> None:
    if not wanted.output.for_people:
        from windlass_cli.documents import of_bulk, print_document

        print_document(of_bulk(answer), wanted.output)
        return
    _print_samples(answer)
    print(f"would {verb} {_matching(answer)}" if wanted.dry_run else f"{_matching(answer)} to {verb}")


def _print_samples(answer: BulkReceipt) -> None:
    """The first few, on stderr: they are not the answer."""
    if not answer.samples:
        return
    from windlass_cli.tables import print_table
    from windlass_cli.work import TASKS

    print_table(answer.samples, TASKS.columns, stderr=True)

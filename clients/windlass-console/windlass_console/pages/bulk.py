"""`/bulk/{action}`: one verb for many tasks.  A dialog says how many and asks, a task of its own does it.

Which tasks is said in one of three ways: `filter`, each `id`, or `all` together with `matching` (the filter of a list).
A list can so send its check boxes and its filter in one form, and only `all` makes the filter count.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from starlette.datastructures import FormData, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from windlass_client import BulkReceipt, Client, InvalidArgument, WindlassError

from windlass_console.once import request_id_of
from windlass_console.problems import refused
from windlass_console.rendering import Nav, count, is_fragment, may_change, render, session_of
from windlass_console.whole import whole

EVERYTHING = "id > 0"
MOST_IDS = 100
"""As many conditions as one filter may have."""
USUAL_RATE, USUAL_PRIORITY = 100, 10
FIELDS = ("filter", "reason", "priority", "rate")


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for: `wrong` says, by field, what does not fit."""

    filter: str
    reason: str
    priority: int
    rate: int
    request_id: str
    wrong: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Action:
    """`verb` stands on the buttons, `doing` in the notice, `after` says what becomes of the tasks; `live` is told."""

    verb: str
    doing: str
    after: str
    call: Callable[[Client, Order, bool], Awaitable[BulkReceipt]]
    live: str
    is_drastic: bool = False


ACTIONS = {
    "interrupt": Action(
        verb="Interrupt",
        doing="Interrupting",
        after="Waiting tasks end at once, running ones soon. They do not come back by themselves.",
        call=lambda client, order, dry: client.bulk_interrupt(
            order.filter, reason=order.reason, dry_run=dry, rate=order.rate, request_id=order.request_id
        ),
        live="live:queue",
        is_drastic=True,
    ),
    "reprioritize": Action(
        verb="Reprioritize",
        doing="Reprioritizing",
        after="Tasks with a higher priority are started first; what runs goes on.",
        call=lambda client, order, dry: client.bulk_reprioritize(
            order.filter,
            order.priority,
            reason=order.reason,
            dry_run=dry,
            rate=order.rate,
            request_id=order.request_id,
        ),
        live="live:queue",
    ),
    "retry": Action(
        verb="Retry",
        doing="Retrying",
        after="Each is asked for again, as a new task. Those that are not over are left out.",
        call=lambda client, order, dry: client.bulk_retry(
            order.filter, reason=order.reason, dry_run=dry, rate=order.rate, request_id=order.request_id
        ),
        live="live:history",
    ),
}


async def ask(request: Request) -> Response:
    """The dialog: how many, the first few, why."""
    _action(request)
    if not is_fragment(request):
        return RedirectResponse(f"{request.app.state.settings.prefix}/active", 303)
    order = Order(wanted(request.query_params), "", USUAL_PRIORITY, USUAL_RATE, str(uuid4()), {})
    return await _dialog(request, order)


async def do(request: Request) -> Response:
    """Starts the task that does it.  What does not fit is said in the dialog, which stays open."""
    action, order = _action(request), _order(await request.form())
    if order.wrong:
        return await _dialog(request, order, status=422)
    try:
        receipt = await action.call(session_of(request).client, order, False)
    except InvalidArgument as error:
        return await _dialog(request, _with(order, error), status=422)
    except WindlassError as error:
        return await refused(request, error)
    headers = {
        "hx-retarget": "#notice",
        "hx-reswap": "innerHTML",
        "hx-trigger": f"{action.live}, bulk:done, close-dialog",
    }
    return render(request, "bulk/done.html", headers=headers, action=action, receipt=receipt, tasks=tasks(receipt))


def wanted(given: QueryParams | FormData) -> str:
    """The filter that the query or the form means.  InvalidArgument when it means no tasks, or too many single ones."""
    if given.get("all"):
        return str(given.get("matching", "")).strip() or EVERYTHING
    ids = [str(each) for each in given.getlist("id")]
    if ids:
        return of_ids(ids)
    if filter_ := str(given.get("filter", "")).strip():
        return filter_
    raise InvalidArgument("no task is selected: tick some, or all that match")


def of_ids(ids: Sequence[str]) -> str:
    """A filter for exactly these tasks."""
    if not all(each.isascii() and each.isdigit() for each in ids):
        raise InvalidArgument("a task's id is a number")
    if len(ids) > MOST_IDS:
        raise InvalidArgument(f"at most {MOST_IDS} tasks can be ticked one by one: choose more by a filter")
    return f"id = {ids[0]}" if len(ids) == 1 else f"id = ({' OR '.join(ids)})"


def tasks(receipt: BulkReceipt) -> str:
    """ "1 task", "12 tasks", "10,000+ tasks" """
    number = count(receipt.matching, receipt.matching if receipt.is_more else receipt.matching + 1)
    return f"{number} task" + ("" if receipt.matching == 1 else "s")


async def _dialog(request: Request, order: Order, *, status: int = 200) -> Response:
    action = _action(request)
    looked = Order(order.filter, "a look at how many", USUAL_PRIORITY, USUAL_RATE, order.request_id, {})
    preview = await action.call(session_of(request).client, looked, True)
    headers = {} if status == 200 else {"hx-retarget": "#dialog", "hx-reswap": "innerHTML"}
    return render(
        request,
        "bulk/ask.html",
        status=status,
        headers=headers,
        action=action,
        name=request.path_params["action"],
        order=order,
        preview=preview,
        tasks=tasks(preview),
    )


def _action(request: Request) -> Action:
    action = ACTIONS.get(request.path_params["action"])
    if action is None:
        raise HTTPException(404, "There is no such action")
    if not may_change(request):
        raise HTTPException(403, "Your role does not allow this")
    return action


def _order(form: FormData) -> Order:
    wrong: dict[str, str] = {}
    reason = str(form.get("reason", "")).strip()
    if not reason:
        wrong["reason"] = "Say why: it is kept in the history of each task, and in the audit log."
    numbers = {
        name: _number(form, name, usual, most, wrong)
        for name, usual, most in (("priority", USUAL_PRIORITY, 100), ("rate", USUAL_RATE, 1000))
    }
    return Order(wanted(form), reason, numbers["priority"], numbers["rate"], request_id_of(form), wrong)


def _number(form: FormData, name: str, usual: int, most: int, wrong: dict[str, str]) -> int:
    number = whole(form.get(name, usual), most)
    if number is None:
        wrong[name] = f"A whole number up to {most:,}."
    return usual if number is None else number


def _with(order: Order, error: WindlassError) -> Order:
    at = next((each.field for each in error.details.fields if each.field in FIELDS), "")
    return Order(order.filter, order.reason, order.priority, order.rate, order.request_id, {at: str(error)})


ROUTES: tuple[BaseRoute, ...] = (
    Route("/bulk/{action}", ask),
    Route("/bulk/{action}", do, methods=["POST"]),
)
NAVS: tuple[Nav, ...] = ()

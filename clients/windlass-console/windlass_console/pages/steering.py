"""What can be done with one task: interrupt it, give it another priority, ask for it again."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from windlass_client import Task, WindlassError

from windlass_console.once import request_id_of
from windlass_console.problems import notice, problem, refused
from windlass_console.rendering import may_change, render, session_of

LONGEST_REASON = 500
HIGHEST = 100
DONE = "close-dialog, card-changed, live:queue"
"""What happens in the browser after a change: the dialog closes, and what shows the task is loaded again."""


async def ask_interrupt(request: Request) -> Response:
    return await _ask(request, "interrupt")


async def ask_priority(request: Request) -> Response:
    return await _ask(request, "reprioritize")


async def interrupt(request: Request) -> Response:
    form = await request.form()
    if not may_change(request):
        return _not_allowed(request)
    reason = str(form.get("reason", "")).strip()
    if wrong := _too_long(reason):
        return await _ask(request, "interrupt", 422, reason=reason, wrong={"reason": wrong})
    try:
        task = await session_of(request).client.interrupt(request.path_params["id"], reason)
    except WindlassError as error:
        return await _refused(request, error)
    words = "It has not started, so it is over." if task.state.final else "It gets a little time to end by itself."
    return notice(request, f"Interrupted task {task.id}", words, trigger=DONE)


async def reprioritize(request: Request) -> Response:
    form = await request.form()
    if not may_change(request):
        return _not_allowed(request)
    written, reason = str(form.get("priority", "")).strip(), str(form.get("reason", "")).strip()
    priority = int(written) if written.isdecimal() and len(written) < 4 else -1
    wrong = {"reason": _too_long(reason)} if _too_long(reason) else {}
    if not 0 <= priority <= HIGHEST:
        wrong["priority"] = "A whole number from 0 to 100."
    if wrong:
        return await _ask(request, "reprioritize", 422, written=written, reason=reason, wrong=wrong)
    try:
        task = await session_of(request).client.reprioritize(request.path_params["id"], priority, reason)
    except WindlassError as error:
        return await _refused(request, error)
    return notice(request, f"Task {task.id} has priority {task.priority} now", trigger=DONE)


async def retry(request: Request) -> Response:
    """Leads to the new task.  A button that is pressed twice asks with one request id, so it makes one task."""
    form = await request.form()
    if not may_change(request):
        return _not_allowed(request)
    handle = await session_of(request).client.retry(request.path_params["id"], request_id=request_id_of(form))
    place = f"{request.app.state.settings.prefix}/tasks/{handle.id}"
    return Response(status_code=204, headers={"hx-redirect": place})


async def _ask(request: Request, action: str, status: int = 200, **typed: Any) -> Response:
    """The dialog, with what was typed and what is wrong with it; the card itself for an address that was typed."""
    if not may_change(request):
        return _not_allowed(request)
    if not request.headers.get("hx-request"):
        return RedirectResponse(f"{request.app.state.settings.prefix}/tasks/{request.path_params['id']}", 303)
    task: Task = await session_of(request).client.get_task(request.path_params["id"])
    headers = {"hx-retarget": "#dialog", "hx-reswap": "innerHTML"} if typed else {}
    facts = {"written": str(task.priority), "reason": "", "wrong": {}} | typed
    return render(request, f"card/{action}.html", status=status, headers=headers, task=task, **facts)


async def _refused(request: Request, error: WindlassError) -> Response:
    """The dialog closes, since the notice stands behind it."""
    answer = await refused(request, error)
    answer.headers["hx-trigger"] = DONE
    return answer


def _not_allowed(request: Request) -> Response:
    return problem(request, 403, "Your role does not allow this", "It takes an operator. Nothing was done.")


def _too_long(reason: str) -> str:
    return f"At most {LONGEST_REASON} characters." if len(reason) > LONGEST_REASON else ""


ROUTES: tuple[BaseRoute, ...] = (
    Route("/tasks/{id:int}/interrupt", ask_interrupt),
    Route("/tasks/{id:int}/interrupt", interrupt, methods=["POST"]),
    Route("/tasks/{id:int}/priority", ask_priority),
    Route("/tasks/{id:int}/priority", reprioritize, methods=["POST"]),
    Route("/tasks/{id:int}/retry", retry, methods=["POST"]),
)

"""What can be done with one task: interrupt it, give it another priority, ask for it again."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from windlass_client import State

from windlass_console.once import request_id_of
from windlass_console.problems import problem
from windlass_console.reasons import Answer, Number, Question, asked
from windlass_console.rendering import called, may_change, session_of

HIGHEST = 100
LEVELS = "High is 10 and more, medium 5 to 9, low less than 5. What runs already goes on."
WAITS = "It waits, so it ends at once and is never started."
RUNS = "It is told to end, and what it made so far may be half done. It is not tried again."


async def ask_interrupt(request: Request) -> Question:
    task = await session_of(request).client.get_task(request.path_params["id"])
    words = f"{called(task)}. {WAITS if task.state is State.PENDING else RUNS}"
    return Question(f"Interrupt task {task.id}?", words, "Interrupt", is_danger=True)


async def interrupt(request: Request, answer: Answer) -> str:
    task = await session_of(request).client.interrupt(request.path_params["id"], answer.reason)
    after = "it had not started, so it is over" if task.state.final else "it gets a little time to end by itself"
    return f"Interrupted task {task.id}: {after}"


async def ask_priority(request: Request) -> Question:
    task = await session_of(request).client.get_task(request.path_params["id"])
    number = Number("Priority", task.priority, HIGHEST)
    return Question(f"Priority of task {task.id}", f"{called(task)}. {LEVELS}", "Set priority", number=number)


async def reprioritize(request: Request, answer: Answer) -> str:
    task = await session_of(request).client.reprioritize(request.path_params["id"], answer.number, answer.reason)
    return f"Task {task.id} has priority {task.priority} now"


async def retry(request: Request) -> Response:
    """Leads to the new task.  A button that is pressed twice asks with one request id, so it makes one task."""
    form = await request.form()
    if not may_change(request):
        return problem(request, 403, "Your role does not allow this", "It takes an operator. Nothing was done.")
    handle = await session_of(request).client.retry(request.path_params["id"], request_id=request_id_of(form))
    place = f"{request.app.state.settings.prefix}/tasks/{handle.id}"
    return Response(status_code=204, headers={"hx-redirect": place})


ROUTES: tuple[BaseRoute, ...] = (
    *asked("/tasks/{id:int}/interrupt", ask_interrupt, interrupt),
    *asked("/tasks/{id:int}/priority", ask_priority, reprioritize),
    Route("/tasks/{id:int}/retry", retry, methods=["POST"]),
)

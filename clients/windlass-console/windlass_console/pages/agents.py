"""One agent: its host, what it serves, drain, resume and forget.  The list of them is on the page of the nodes."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from windlass_console.reasons import Answer, Question, asked
from windlass_console.rendering import Nav, amount, render_live, session_of

DRAIN = Question(
    "Drain agent {name}?",
    "It finishes what it runs and takes nothing more until it is resumed, also when it is started anew meanwhile.",
    "Drain",
)
RESUME = Question("Resume agent {name}?", "It takes tasks again.", "Resume")
FORGET = Question(
    "Forget agent {name}?",
    "It leaves all lists, with its own pool; tasks for that pool wait on. If it connects again, it is a new one.",
    "Forget",
    is_danger=True,
    leads_to="/nodes",
)


async def page(request: Request) -> Response:
    agent = await session_of(request).client.cluster.agent(request.path_params["name"])
    return render_live(request, "agents/page.html", "agents/part.html", agent=agent)


async def drain(request: Request, answer: Answer) -> str:
    agent = await session_of(request).client.cluster.drain_agent(request.path_params["name"], answer.reason)
    return f"Agent {agent.name} drains: {amount(agent.running, 'task')} left"


async def resume(request: Request, answer: Answer) -> str:
    agent = await session_of(request).client.cluster.resume_agent(request.path_params["name"], answer.reason)
    return f"Agent {agent.name} takes tasks again"


async def forget(request: Request, answer: Answer) -> str:
    agent = await session_of(request).client.cluster.forget_agent(request.path_params["name"], answer.reason)
    return f"Agent {agent.name} is forgotten"


ROUTES: tuple[BaseRoute, ...] = (
    Route("/agents/{name}", page),
    *asked("/agents/{name}/drain", DRAIN, drain),
    *asked("/agents/{name}/resume", RESUME, resume),
    *asked("/agents/{name}/forget", FORGET, forget),
)
NAVS: tuple[Nav, ...] = ()

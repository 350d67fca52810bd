"""One agent: its host, what it serves, drain and resume.  The list of them is on the page of the nodes."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from windlass_console.reasons import Question, act, ask, is_fragment, where
from windlass_console.rendering import Nav, render, session_of


async def page(request: Request) -> Response:
    agent = await session_of(request).client.cluster.agent(_name(request))
    return render(request, "agents/part.html" if is_fragment(request) else "agents/page.html", agent=agent, where=where)


async def ask_drain(request: Request) -> Response:
    return ask(request, _drain(_name(request)))


async def ask_resume(request: Request) -> Response:
    return ask(request, _resume(_name(request)))


async def drain(request: Request) -> Response:
    cluster = session_of(request).client.cluster

    async def change(reason: str) -> str:
        agent = await cluster.drain_agent(_name(request), reason)
        return f"Agent {agent.name} drains: {agent.running or 'no'} {'task' if agent.running == 1 else 'tasks'} left"

    return await act(request, _drain(_name(request)), change)


async def resume(request: Request) -> Response:
    cluster = session_of(request).client.cluster

    async def change(reason: str) -> str:
        return f"Agent {(await cluster.resume_agent(_name(request), reason)).name} takes tasks again"

    return await act(request, _resume(_name(request)), change)


def _drain(name: str) -> Question:
    words = (
        "It finishes what it runs and takes nothing more until it is resumed, also when it is started anew meanwhile."
    )
    return Question(f"Drain agent {name}?", words, "Drain", f"/agents/{quote(name)}/drain")


def _resume(name: str) -> Question:
    return Question(f"Resume agent {name}?", "It takes tasks again.", "Resume", f"/agents/{quote(name)}/resume")


def _name(request: Request) -> str:
    name: str = request.path_params["name"]
    return name


ROUTES: tuple[BaseRoute, ...] = (
    Route("/agents/{name}", page),
    Route("/agents/{name}/drain", ask_drain),
    Route("/agents/{name}/drain", drain, methods=["POST"]),
    Route("/agents/{name}/resume", ask_resume),
    Route("/agents/{name}/resume", resume, methods=["POST"]),
)
NAVS: tuple[Nav, ...] = ()

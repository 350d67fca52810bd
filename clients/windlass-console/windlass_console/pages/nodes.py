"""Nodes and agents: who works, on how much; the server that answers; drain and resume."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from windlass_client import Node

from windlass_console.pages import lanes
from windlass_console.reasons import Question, act, ask, is_fragment, where
from windlass_console.rendering import Nav, render, session_of


async def page(request: Request) -> Response:
    cluster = session_of(request).client.cluster
    nodes, agents, server = await asyncio.gather(cluster.nodes(), cluster.agents(), cluster.info())
    template = "nodes/part.html" if is_fragment(request) else "nodes/page.html"
    return render(request, template, nodes=nodes, agents=agents, server=server, where=where)


async def ask_drain(request: Request) -> Response:
    return ask(request, _drain(request))


async def ask_resume(request: Request) -> Response:
    return ask(request, _resume(request))


async def drain(request: Request) -> Response:
    cluster = session_of(request).client.cluster

    async def change(reason: str) -> str:
        node = await cluster.drain(_id(request), reason)
        return f"Node {_called(node)} drains: {_left(node.running)}"

    return await act(request, _drain(request), change)


async def resume(request: Request) -> Response:
    cluster = session_of(request).client.cluster

    async def change(reason: str) -> str:
        return f"Node {_called(await cluster.resume_node(_id(request), reason))} takes tasks again"

    return await act(request, _resume(request), change)


def _drain(request: Request) -> Question:
    words = "It finishes what it runs and takes nothing more, until it is resumed or ended."
    return Question(f"Drain node {_id(request)}?", words, "Drain", f"/nodes/{_id(request)}/drain")


def _resume(request: Request) -> Question:
    return Question(f"Resume node {_id(request)}?", "It takes tasks again.", "Resume", f"/nodes/{_id(request)}/resume")


def _id(request: Request) -> int:
    number: int = request.path_params["id"]
    return number


def _called(node: Node) -> str:
    return f"{node.id} ({node.display_name})"


def _left(running: int) -> str:
    return f"{running or 'no'} {'task' if running == 1 else 'tasks'} left"


ROUTES: tuple[BaseRoute, ...] = (
    Route("/nodes", page),
    Route("/nodes/{id:int}/drain", ask_drain),
    Route("/nodes/{id:int}/drain", drain, methods=["POST"]),
    Route("/nodes/{id:int}/resume", ask_resume),
    Route("/nodes/{id:int}/resume", resume, methods=["POST"]),
    *lanes.ROUTES,
)
NAVS = (Nav("/nodes", "Nodes", is_whole=True), *lanes.NAVS)

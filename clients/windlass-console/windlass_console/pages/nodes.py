"""Nodes and agents: who works, on how much; the server that answers; drain and resume."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from windlass_console.pages import lanes
from windlass_console.reasons import Answer, Question, asked
from windlass_console.rendering import Nav, amount, render_live, session_of

DRAIN = Question(
    "Drain node {id}?", "It finishes what it runs and takes nothing more, until it is resumed or ended.", "Drain"
)
RESUME = Question("Resume node {id}?", "It takes tasks again.", "Resume")


async def page(request: Request) -> Response:
    cluster = session_of(request).client.cluster
    nodes, agents, server = await asyncio.gather(cluster.nodes(), cluster.agents(), cluster.info())
    return render_live(request, "nodes/page.html", "nodes/part.html", nodes=nodes, agents=agents, server=server)


async def drain(request: Request, answer: Answer) -> str:
    node = await session_of(request).client.cluster.drain(request.path_params["id"], answer.reason)
    return f"Node {node.id} ({node.display_name}) drains: {amount(node.running, 'task')} left"


async def resume(request: Request, answer: Answer) -> str:
    node = await session_of(request).client.cluster.resume_node(request.path_params["id"], answer.reason)
    return f"Node {node.id} ({node.display_name}) takes tasks again"


ROUTES: tuple[BaseRoute, ...] = (
    Route("/nodes", page),
    *asked("/nodes/{id:int}/drain", DRAIN, drain),
    *asked("/nodes/{id:int}/resume", RESUME, resume),
    *lanes.ROUTES,
)
NAVS = (Nav("/nodes", "Nodes", is_whole=True), *lanes.NAVS)

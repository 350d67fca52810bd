"""Pages of plugins, made of the operations and sections that they register; views make some of them better."""

from __future__ import annotations

from functools import partial

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from windlass_client import Operation

from windlass_console import calling
from windlass_console.catalogue import OWN_PAGES, PluginPage, plugin_of, plugins_of
from windlass_console.rendering import Nav, render, session_of
from windlass_console.results import fields_in, needs_nothing
from windlass_console.views import View, buffer, entities

VIEWS: dict[str, View] = {view.plugin: view for view in (entities.VIEW, buffer.VIEW)}


async def index(request: Request) -> Response:
    info = await session_of(request).client.cluster.info()
    known = {each.name: each for each in plugins_of(request.app.state.live)}
    return render(request, "plugins/index.html", plugins=info.plugins, known=known)


async def page(request: Request, name: str = "") -> Response:
    plugin = _plugin(request, name or request.path_params["plugin"])
    view = VIEWS.get(plugin.name) if plugin.operations else None
    facts = await view.facts(request) if view else {}
    covered = view.covers if view else frozenset()
    shown = [each for each in plugin.reads if _short(each) not in covered and _is_shown(request, each)]
    return render(request, "plugins/plugin.html", plugin=plugin, view=view, shown=shown, short=_short, **facts)


async def section(request: Request) -> Response:
    """The plugin's part of the overview, as it is now."""
    return render(request, "plugins/section.html", plugin=_plugin(request, request.path_params["plugin"]))


async def operation(request: Request) -> Response:
    """A page of its own for an operation: its form, and for one that reads what it answers."""
    plugin, found = _operation(request)
    return await calling.show(request, plugin, found)


async def result(request: Request) -> Response:
    plugin, found = _operation(request)
    return await calling.result(request, plugin, found)


async def confirm(request: Request) -> Response:
    plugin, found = _operation(request)
    return await calling.confirm(request, plugin, found)


async def call(request: Request) -> Response:
    _, found = _operation(request)
    return await calling.call(request, found)


def _plugin(request: Request, name: str) -> PluginPage:
    plugin = plugin_of(request.app.state.live, name)
    if plugin.section is None and not plugin.operations:
        raise HTTPException(404, f"There is no plugin {name} with something to show")
    return plugin


def _operation(request: Request) -> tuple[PluginPage, Operation]:
    plugin = _plugin(request, request.path_params["plugin"])
    found = plugin.operation(request.path_params["operation"])
    if found is None:
        raise HTTPException(404, f"There is no operation {plugin.name}.{request.path_params['operation']}")
    return plugin, found


def _short(operation: Operation) -> str:
    return operation.name.partition(".")[2]


def _is_shown(request: Request, operation: Operation) -> bool:
    """Its result stands on the plugin's page: nothing has to be said to get it."""
    return needs_nothing(operation.argument_schema) and session_of(request).may(operation.role)


def has_fields(operation: Operation) -> bool:
    return any(True for _ in fields_in(operation.argument_schema))


_own: list[BaseRoute] = [Route(path, partial(page, name=name)) for name, path in OWN_PAGES.items()]
_of_views: list[BaseRoute] = [route for view in VIEWS.values() for route in view.routes]
ROUTES: tuple[BaseRoute, ...] = (
    *_own,
    *_of_views,
    Route("/plugins", index),
    Route("/plugins/{plugin}", page),
    Route("/sections/{plugin}", section),
    Route("/plugins/{plugin}/{operation}", operation),
    Route("/plugins/{plugin}/{operation}/result", result),
    Route("/plugins/{plugin}/{operation}/confirm", confirm, methods=["POST"]),
    Route("/plugins/{plugin}/{operation}/call", call, methods=["POST"]),
)
NAVS: tuple[Nav, ...] = ()
"""Its entries stand in base.html: which plugins there are is known when a page is drawn."""

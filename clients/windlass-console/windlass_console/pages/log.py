"""To be built."""

from __future__ import annotations

from starlette.routing import BaseRoute

from windlass_console.rendering import Nav

ROUTES: tuple[BaseRoute, ...] = ()
NAVS: tuple[Nav, ...] = ()

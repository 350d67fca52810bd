"""Views: what a plugin's page shows above its operations.  Without one it shows its section and results as they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute


@dataclass(frozen=True, slots=True)
class View:
    """`template` draws what `facts` finds; `covers` are operations that it shows already, by their short names.

    `routes` are further pages and fragments of its own; `styles` and `scripts` are assets that it needs.
    """

    plugin: str
    template: str
    facts: Callable[[Request], Awaitable[dict[str, Any]]]
    covers: frozenset[str] = frozenset()
    routes: tuple[BaseRoute, ...] = ()
    styles: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()

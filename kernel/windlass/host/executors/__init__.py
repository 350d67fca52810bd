"""What Windlass brings itself, registered through the same hooks as anybody's: its executors, and its own kinds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from windlass.executor import Executor
from windlass.handler import Handler
from windlass.hookspecs import hookimpl
from windlass.host.bulk_kinds import bulk_handlers
from windlass.host.executors.inline import Inline
from windlass.host.executors.processes import Processes
from windlass.host.executors.threads import Threads
from windlass.host.executors.wire import Recipe
from windlass.settings import Settings

__all__ = ["BuiltIn", "Recipe"]


class BuiltIn:
    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    @hookimpl
    def windlass_register_executors(self, settings: Settings) -> Mapping[str, Executor]:
        return {"inline": Inline(), "thread": Threads(), "process": Processes(self._recipe)}

    @hookimpl
    def windlass_register_handlers(self, settings: Settings) -> Iterable[Handler[Any]]:
        return bulk_handlers()

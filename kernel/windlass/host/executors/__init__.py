"""The executors that Windlass brings, registered through the same hook as anybody's."""

from __future__ import annotations

from collections.abc import Mapping

from windlass.executor import Executor
from windlass.hookspecs import hookimpl
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

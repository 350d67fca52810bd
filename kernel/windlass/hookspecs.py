"""The single seam between the kernel and its plugins.

A plugin is a module named by an entry point of the group `windlass.plugins`; it implements any of these hooks with
`@windlass.hookimpl`.  Hooks run at boot and for coarse events, on the node's event loop; the hot path calls methods
of the registered handlers instead.  A hook with a name not on this page stops the boot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from windlass.executor import Executor
    from windlass.handler import Handler
    from windlass.settings import Section, Settings

hookspec = pluggy.HookspecMarker("windlass")
hookimpl = pluggy.HookimplMarker("windlass")


@hookspec
def windlass_register_settings() -> Section | None:
    """Called first, once, at boot.  Return the `[plugins.<name>]` section this plugin reads, or nothing.

    An unknown key in that section stops the boot and names the nearest known one.
    """


@hookspec
def windlass_register_executors(settings: Settings) -> Mapping[str, Executor]:
    """Called once, at boot, before the handlers are asked for.  Return executors by the name that handlers choose.

    A name twice stops the boot.  Also called in each worker process, where nothing is run: construct, start nothing.
    """


@hookspec
def windlass_register_handlers(settings: Settings) -> Iterable[Handler[Any]]:
    """Called once, at boot, with the decoded configuration.  Return one handler instance per kind.

    Two handlers for one kind stop the boot, and so does a handler that breaks the contract of `windlass.Handler` or
    names an executor nobody registered.  Also called in each worker process, for the handlers that run there.
    """


@hookspec
def windlass_startup() -> None:
    """Called once, after the store is open and before the first task is claimed.  An exception stops the boot."""


@hookspec
def windlass_shutdown() -> None:
    """Called once, after the last task of this node ended.  An exception is logged."""

"""The single seam between the kernel and its plugins.

A plugin is a module named by an entry point of the group `windlass.plugins`; it implements any of these hooks with
`@windlass.hookimpl`.  Hooks run at boot and for coarse events, on the node's event loop; the hot path calls methods
of the registered handlers instead.  A hook with a name not on this page stops the boot.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from windlass.core.residents import Resident
    from windlass.core.schedules import Schedule
    from windlass.core.sections import HealthSection
    from windlass.door import Door
    from windlass.executor import Executor
    from windlass.handler import Handler
    from windlass.operation import Operation
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
def windlass_register_schedules(settings: Settings) -> Iterable[Schedule]:
    """Called once, at boot.  Return what this plugin wants made when; names are unique in the whole cluster.

    They are this plugin's: a changed one is changed (and stays paused if it was), one no longer returned is removed.
    A schedule of that name which an operator made is left as it is.  A wrong one stops the boot, and so does one of a
    kind that nobody here handles.
    """


@hookspec
def windlass_register_residents(settings: Settings) -> Iterable[Resident]:
    """Called once, at boot.  Return the tasks that are never to be done: of each (kind, key) one is kept alive.

    However it ends, a new one is made within 5 seconds.  One no longer returned is left alone until it ends.
    """


@hookspec
def windlass_register_operations(settings: Settings) -> Iterable[Operation]:
    """Called once, at boot.  Return what this plugin adds to the control plane: each is served as `<plugin>.<name>`.

    Two of one name stop the boot, and so does one that breaks the contract of `windlass.Operation`.  Also called in
    each worker process, where none is ever run.
    """


@hookspec
async def windlass_health(kernel: Door) -> HealthSection | None:
    """Called while somebody looks at the overview, at most once a second.  Return what to show of this plugin, if any.

    It has half a second.  One that is late is not asked again for ten seconds, and its section says so, as it does for
    one that raises.  It runs on the node's event loop: `async def`, and nothing in it blocks.  `kernel.documents` are
    this plugin's.
    """


@hookspec
def windlass_startup(kernel: Door) -> Awaitable[None] | None:
    """Called once, after the store is open and before the first task is claimed.  An exception stops the boot.

    May be `async def`: `await kernel.enqueue(…)` makes a task whose trigger is `startup`.
    """


@hookspec
def windlass_config_reloaded(kernel: Door, settings: Settings) -> Awaitable[None] | None:
    """Called after the configuration was read again and found valid (SIGHUP, or an operator's Reload), changed or not.

    `settings` are the new sections.  Take what can change while tasks run; of a plugin without this hook, every change
    waits for a restart.  Handlers in worker processes keep what their process was started with.  May be `async def`:
    `await kernel.enqueue(…)` makes a task whose trigger is `config_reload`.  It has 30 seconds; an exception is logged.
    What a section must not say belongs into its type (a `ValueError` in `__post_init__`): that refuses the reload
    before anything has changed.
    """


@hookspec
def windlass_shutdown() -> None:
    """Called once, after the last task of this node ended.  An exception is logged."""

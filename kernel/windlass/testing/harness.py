"""Runs a plugin's handlers as a node does, in this process: no server, no database, and on a virtual clock no waiting.

    @virtual
    async def test_it_greets():
        async with Harness(acme_notes, settings={"acme-notes": {"greeting": "hello"}}) as harness:
            run = await harness.run("Greet", {"name": "Ada"})
        run.assert_succeeded({"greeted": "Ada"}).assert_stages("greeting")

The settings, the payload, the interrupt ladder, the verdicts and what is kept of the words go through the kernel's own
code, so what passes here passes there.  Each task has a store of its own: tasks do not wait for slots.

Under `@virtual` hours take milliseconds.  A handler that talks to sockets or processes needs a real clock: await the
same calls in a test of an ordinary event loop; only the pauses between attempts are skipped there.

Blocking handlers take the time they take.  Those with executor "process" run in a worker process when the plugin is
given as its module; a handler given as an instance can't be sent there, and runs in a thread.

Children are recorded and not run, and need no handler here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from types import ModuleType
from typing import Any, Self

import msgspec

from windlass.core.access import Role
from windlass.core.lifecycle import State
from windlass.core.sections import HealthSection
from windlass.documents import Documents
from windlass.handler import Handler, is_blocking
from windlass.hookspecs import hookimpl
from windlass.host.admission import Admission, Caller, Request
from windlass.host.children import encoded
from windlass.host.operations import Operations
from windlass.host.plugins import Kind, Plugins, load_plugins
from windlass.host.schedules import SCHEDULER
from windlass.settings import Settings
from windlass.store.facts import Note
from windlass.store.memory import MemoryStore, World
from windlass.testing.made import Made, Makes
from windlass.testing.one_task import Moment, OneTask
from windlass.testing.record import Run
from windlass.testing.shelf import OneShelf
from windlass.testing.virtual import real_time

A_DAY = 86_400.0
CALLER = Caller(name="the test", origin=1)

_numbers = count(1)


class Harness:
    """`subjects` are plugins (modules or objects with hooks) and handlers; `settings` is the table `[plugins]`.

    Raises what a boot would raise: `BootError` with what to mend.
    """

    def __init__(self, *subjects: object, settings: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        handlers = [one for one in subjects if isinstance(one, Handler) or _is_handler_class(one)]
        plugins = {f"subject {n}": _by_name(one) for n, one in enumerate(subjects) if one not in handlers}
        loaded = load_plugins(settings or {}, {**plugins, "handlers": _Handlers(handlers)}, installed=False)
        self._plugins = loaded
        are_modules = all(isinstance(plugin, str) for plugin in plugins.values())
        self._kinds = {
            name: kind if are_modules and kind.handler not in handlers else _at_home(kind, loaded)
            for name, kind in loaded.kinds.items()
        }
        self._admission = Admission(loaded.kinds)
        self._world = World(_now)
        self._archive = OneShelf(MemoryStore(self._world).documents)
        self._makes = Makes(loaded.kinds, self._archive)

    @property
    def made(self) -> Sequence[Made]:
        """The tasks that hooks and operations made."""
        return tuple(self._makes.made)

    @property
    def documents(self) -> Documents:
        """What the plugin keeps: put what its work is to find, and look at what became of it."""
        return self._archive.of_caller("", CALLER.name)

    @property
    def kinds(self) -> Mapping[str, Handler[Any]]:
        """The handlers that plugins registered, by kind."""
        return {name: kind.handler for name, kind in self._plugins.kinds.items() if not kind.is_reserved}

    async def __aenter__(self) -> Self:
        await self._plugins.startup(self._makes.doors("startup", SCHEDULER))
        return self

    async def __aexit__(self, *_: object) -> None:
        with real_time():
            await self._plugins.close_executors()
        self._plugins.shutdown()

    async def reload(self, settings: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """The configuration is read again, with this table `[plugins]`.  Raises `ConfigError` as a reload does."""
        decoded = self._plugins.read_settings(settings or {})
        await self._plugins.config_reloaded(self._makes.doors("config_reload", SCHEDULER), decoded)

    async def health(self) -> HealthSection | None:
        """What the plugin says of itself in the overview; None when it has no such hook, or nothing to say."""
        doors = self._makes.doors("health", SCHEDULER)
        for plugin, hook in self._plugins.health.items():
            return await hook(doors(plugin))
        return None

    async def call(self, operation: str, argument: object = None, *, role: Role = Role.ADMIN, reason: str = "") -> Any:
        """What an operation answers to a caller of that role, as its JSON says it.

        `operation` is its name without the plugin's; `argument` a struct or dict, or the bytes of its JSON.  Raises
        `ArgumentInvalid`, `OperationRejected` and their kin, as a caller is told, and what the operation raises.
        """
        names = [name for name in self._plugins.operations if name.endswith(f".{operation}")]
        who = msgspec.structs.replace(CALLER, role=role)
        note = Note(who.name, "", role, "windlass.v1.Operations/Call", operation, reason)
        operations = Operations(self._plugins.operations, MemoryStore(World(_now)).audit, self._makes.call)
        answer = await operations.call((names or [operation])[0], encoded(argument), who, note)
        return msgspec.json.decode(answer)

    async def run(
        self,
        kind: str,
        payload: object = None,
        *,
        interrupt_after: float | None = None,
        interrupt_at: str | None = None,
        lose_after: float | None = None,
        joined: Iterable[object] = (),
        within: float = A_DAY,
        **request: Any,
    ) -> Run:
        """The first attempt of a new task.  `payload` is a struct or dict, or the bytes of its JSON.

        `interrupt_after` so many seconds, or `interrupt_at` the start of that stage, somebody interrupts it;
        `lose_after` so many seconds its worker dies.  `joined` are payloads of requests that joined it while it waited.
        `request` is what a caller may ask: title, priority, labels,
        trigger, attempts, pause.  Raises `PayloadInvalid` and its kin for what an enqueue refuses, AssertionError when
        the attempt takes longer than `within` seconds.
        """
        moment = Moment(interrupt_after, interrupt_at, lose_after)
        async with self._task(kind, [payload, *joined], request) as task:
            return await task.attempt(moment, within)

    async def run_to_end(
        self,
        kind: str,
        payload: object = None,
        *,
        interrupt_after: float | None = None,
        interrupt_at: str | None = None,
        lose_after: float | None = None,
        joined: Iterable[object] = (),
        within: float = A_DAY,
        **request: Any,
    ) -> tuple[Run, ...]:
        """All attempts of a new task, its pauses in between; the last one ended it.

        What disturbs it disturbs its first attempt; `within` is for each of them.
        """
        moment = Moment(interrupt_after, interrupt_at, lose_after)
        async with self._task(kind, [payload, *joined], request) as task:
            runs = [await task.attempt(moment, within)]
            while runs[-1].state is State.PENDING:
                await task.wait(runs[-1].pause or 0.0)
                runs.append(await task.attempt(Moment(), within))
        return tuple(runs)

    def _task(self, kind: str, payloads: Sequence[object], request: Mapping[str, Any]) -> OneTask:
        requests = [Request(kind=kind, payload=encoded(payload), **request) for payload in payloads]
        asked = [self._admission.admit(each, CALLER) for each in requests]
        return OneTask(next(_numbers), asked, self._kinds, self._world.documents)


def _now() -> datetime:
    return datetime.now(UTC)


class _Handlers:
    """Handlers without a plugin around them."""

    def __init__(self, handlers: Iterable[object]) -> None:
        self._handlers = list(handlers)

    @hookimpl
    def windlass_register_handlers(self, settings: Settings) -> Iterable[Any]:
        return self._handlers


def _by_name(plugin: object) -> object:
    # So that worker processes can load it too.
    return plugin.__name__ if isinstance(plugin, ModuleType) else plugin


def _at_home(kind: Kind, plugins: Plugins) -> Kind:
    """What no worker process can load runs in this one."""
    if kind.executor is not plugins.executors["process"]:
        return kind
    stand_in = "thread" if is_blocking(kind.handler) else "inline"
    return msgspec.structs.replace(kind, executor=plugins.executors[stand_in])


def _is_handler_class(subject: object) -> bool:
    # Most likely forgotten brackets; the kernel's own check says so.
    return isinstance(subject, type) and issubclass(subject, Handler)

"""Finding plugins and taking what they register.

A plugin that can't be imported is quarantined: it is named in the log and its kinds' tasks wait.  A plugin that
breaks the contract (unknown hook, a kind twice, an unknown setting) stops the boot, because running on would hide the
mistake.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, TypeVar, cast

import msgspec
import pluggy
import structlog

from windlass import hookspecs
from windlass.config import decode_section
from windlass.core.residents import Resident, check_residents
from windlass.core.schedules import Schedule
from windlass.core.sections import HealthSection
from windlass.door import Door, Doors
from windlass.errors import BadHandler, BootError, ConfigError
from windlass.executor import Executor, executor_name, executor_of
from windlass.handler import Handler, check_handler
from windlass.host.executors import BuiltIn, Recipe
from windlass.host.executors.inline import Inline
from windlass.host.registered_operations import Registered, register_operations
from windlass.operation import Operation
from windlass.settings import Section, Settings

log = structlog.get_logger()

GROUP = "windlass.plugins"
OURS = "windlass"
"""The plugin of what the kernel brings itself."""
HOOK_SECONDS = 30.0
"""For a plugin to take a new configuration."""
R = TypeVar("R")
HealthHook = Callable[[Door], Awaitable[HealthSection | None]]


INLINE = Inline()


CANT_FOLD = "what joined this task can't be folded into it"


class Unfolded(Exception):
    """A handler's `merge` failed."""


class Kind(msgspec.Struct, frozen=True):
    """A handler with the decoder of its payload and with what runs it."""

    handler: Handler[Any]
    decode: Callable[[bytes], Any]
    has_cleanup: bool
    executor: Executor = INLINE
    executor_name: str = "inline"
    plugin: str = ""
    """Which one brings it."""

    @property
    def is_reserved(self) -> bool:
        """Its tasks are made by the kernel alone: their payloads say on whose behalf they act."""
        return self.plugin == OURS

    def folded(self, payload: bytes, joined: Iterable[bytes]) -> Any:
        """The payload with those of all who joined.  Raises `Unfolded`, and what `decode` raises."""
        whole = self.decode(payload)
        for one in joined:
            other = self.decode(one)
            try:
                whole = self.handler.merge(whole, other)
            except Exception as error:
                raise Unfolded(f"{CANT_FOLD}: merge raised {type(error).__name__}: {error}") from error
        return whole


class PluginFacts(msgspec.Struct, frozen=True):
    """A plugin that was found; `error` says why it is quarantined, and is empty for one that works."""

    name: str
    version: str = ""
    error: str = ""
    kinds: tuple[str, ...] = ()


class Plugins:
    """The loaded plugins: the handler of each kind, executors by name, residents, schedules and health by plugin."""

    def __init__(
        self,
        hooks: pluggy.PluginManager,
        kinds: Mapping[str, Kind],
        executors: Mapping[str, Executor],
        schedules: Mapping[str, Sequence[Schedule]],
        residents: Sequence[Resident],
        health: Mapping[str, HealthHook],
        found: Sequence[PluginFacts],
        sections: Sequence[tuple[str, Section]],
    ) -> None:
        self._hooks = hooks
        self.kinds = kinds
        self.executors = executors
        self.schedules = schedules
        self.residents = residents
        self.health = health
        self.found = found
        self.quarantined = {plugin.name: plugin.error for plugin in found if plugin.error}
        self.operations: Mapping[str, Registered] = {}
        self._sections = sections

    def may_use(self, plugin: str, kind: str) -> bool:
        """Whether tasks of a kind are those of a plugin, as far as this server has either of them."""
        if (known := self.kinds.get(kind)) is not None:
            return known.plugin == plugin
        return plugin not in {one.name for one in self.found}

    async def startup(self, doors: Doors) -> None:
        """Raises what a hook raises."""
        for implementation in self._hooks.hook.windlass_startup.get_hookimpls():
            await _asked(implementation, kernel=doors(implementation.plugin_name))

    @property
    def rereading(self) -> frozenset[str]:
        """The sections of those that take a new one while the server runs."""
        who = {one.plugin_name for one in self._hooks.hook.windlass_config_reloaded.get_hookimpls()}
        return frozenset(section.name for plugin, section in self._sections if plugin in who)

    def read_settings(self, config: Mapping[str, Mapping[str, Any]]) -> Settings:
        """The `[plugins]` table, decoded.  Raises `ConfigError`."""
        return _settings(self._sections, config)

    async def config_reloaded(self, doors: Doors, settings: Settings) -> None:
        """Tell every plugin that wants to know; one that fails is logged."""
        for implementation in self._hooks.hook.windlass_config_reloaded.get_hookimpls():
            try:
                door = doors(implementation.plugin_name)
                async with asyncio.timeout(HOOK_SECONDS):
                    await _asked(implementation, kernel=door, settings=settings)
            except Exception:
                log.exception("a plugin failed in windlass_config_reloaded", plugin=implementation.plugin_name)

    async def close_executors(self) -> None:
        for name, executor in self.executors.items():
            try:
                await executor.close()
            except Exception:
                log.exception("an executor failed in its shutdown", executor=name)

    def shutdown(self) -> None:
        try:
            self._hooks.hook.windlass_shutdown()
        except Exception:
            log.exception("a plugin failed in its shutdown")


def load_plugins(
    config: Mapping[str, Mapping[str, Any]], extra: Mapping[str, object] | None = None, *, installed: bool = True
) -> Plugins:
    """Every installed plugin, and `extra` ones by name (tests, the bench).  `config` is the `[plugins]` table.

    An extra plugin is an object, or the name of a module; worker processes know the installed ones and the modules.
    Raises `BootError` when a plugin breaks the contract.
    """
    extra = extra or {}
    modules = {name: plugin for name, plugin in extra.items() if isinstance(plugin, str)}
    hooks = pluggy.PluginManager("windlass")
    hooks.add_hookspecs(hookspecs)
    hooks.register(BuiltIn(Recipe(config, modules, installed)), OURS)
    try:
        quarantined, versions = _register_installed(hooks) if installed else ({}, {})
        for name, plugin in extra.items():
            hooks.register(import_module(plugin) if isinstance(plugin, str) else plugin, name)
        hooks.check_pending()
    except pluggy.PluginValidationError as error:
        raise BootError(f"{error}; the hooks there are stand in windlass/hookspecs.py") from error
    sections = _sections(hooks)
    settings = _settings(sections, config)
    executors = _executors(hooks, settings)
    residents = [resident for _, resident in _registered(hooks, "residents", Resident, settings)]
    check_residents(residents)
    kinds, schedules = _kinds(hooks, settings, executors), _schedules(hooks, settings)
    found = [_found(name, versions, quarantined, kinds) for name in sorted({*schedules, *quarantined})]
    health = _health(hooks)
    loaded = Plugins(hooks, kinds, executors, schedules, residents, health, found, sections)
    loaded.operations = register_operations(_registered(hooks, "operations", Operation, settings))
    return loaded


def _found(
    name: str, versions: Mapping[str, str], quarantined: Mapping[str, str], kinds: Mapping[str, Kind]
) -> PluginFacts:
    its = tuple(sorted(kind for kind, one in kinds.items() if one.plugin == name))
    return PluginFacts(name, versions.get(name, ""), quarantined.get(name, ""), its)


def _register_installed(hooks: pluggy.PluginManager) -> tuple[dict[str, str], dict[str, str]]:
    """Why some are quarantined, and the versions of all."""
    quarantined, versions = {}, {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        versions[point.name] = point.dist.version if point.dist is not None else ""
        try:
            plugin = point.load()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            quarantined[point.name] = f"{type(error).__name__}: {error}"
            log.error("plugin can't be imported; its tasks wait", plugin=point.name, error=quarantined[point.name])
        else:
            hooks.register(plugin, point.name)
    return quarantined, versions


def _sections(hooks: pluggy.PluginManager) -> list[tuple[str, Section]]:
    """With whose each is."""
    sections = []
    for implementation in hooks.hook.windlass_register_settings.get_hookimpls():
        section = implementation.function()
        if isinstance(section, Section):
            sections.append((implementation.plugin_name, section))
        elif section is not None:
            name = implementation.plugin_name
            raise BootError(f"plugin {name}: windlass_register_settings returned {section!r}, no Section")
    return sections


def _settings(sections: Iterable[tuple[str, Section]], config: Mapping[str, Mapping[str, Any]]) -> Settings:
    by_name = {section.name: section.type for _, section in sections}
    for name in config:
        if name not in by_name:
            known = ", ".join(sorted(by_name)) or "none"
            raise ConfigError(f"[plugins.{name}] belongs to no installed plugin (known sections: {known})")
    decoded = {name: decode_section(config.get(name, {}), type_, f"plugins.{name}") for name, type_ in by_name.items()}
    return Settings({by_name[name]: section for name, section in decoded.items()})


def _executors(hooks: pluggy.PluginManager, settings: Settings) -> dict[str, Executor]:
    executors: dict[str, Executor] = {}
    for registered in hooks.hook.windlass_register_executors(settings=settings):
        for name, executor in registered.items():
            if not isinstance(executor, Executor):
                raise BootError(f"the executor {name!r} is {executor!r}, no instance of a windlass.Executor")
            if name in executors:
                first, second = type(executors[name]).__qualname__, type(executor).__qualname__
                raise BootError(f"two executors are named {name!r}: {first} and {second}")
            executors[name] = executor
    return executors


def _kinds(hooks: pluggy.PluginManager, settings: Settings, executors: Mapping[str, Executor]) -> dict[str, Kind]:
    kinds: dict[str, Kind] = {}
    for plugin, registered in _registered(hooks, "handlers", object, settings):
        handler = check_handler(registered)
        if handler.kind in kinds:
            first = type(kinds[handler.kind].handler).__qualname__
            raise BadHandler(f"two handlers for kind {handler.kind}: {first} and {type(handler).__qualname__}")
        kinds[handler.kind] = _kind(handler, executor_of(handler, executors), plugin)
    return kinds


def _kind(handler: Handler[Any], executor: Executor, plugin: str) -> Kind:
    try:
        decoder = msgspec.json.Decoder(handler.payload_type)
    except TypeError as error:
        raise BadHandler(f"the payload type of kind {handler.kind} can't be decoded: {error}") from error
    has_cleanup = type(handler).cleanup is not Handler.cleanup
    return Kind(handler, decoder.decode, has_cleanup, executor, executor_name(handler), plugin)


def _schedules(hooks: pluggy.PluginManager, settings: Settings) -> dict[str, list[Schedule]]:
    """By plugin; one that registers none is there too, because it may have registered some before."""
    schedules: dict[str, list[Schedule]] = {
        name: [] for name, plugin in hooks.list_name_plugin() if plugin is not None and name != OURS
    }
    owners: dict[str, str] = {}
    for owner, schedule in _registered(hooks, "schedules", Schedule, settings):
        if schedule.name in owners:
            first = owners[schedule.name]
            raise BootError(f"two schedules with the name {schedule.name!r}: by the plugins {first} and {owner}")
        owners[schedule.name] = owner
        schedules[owner].append(schedule)
    return schedules


def _health(hooks: pluggy.PluginManager) -> dict[str, HealthHook]:
    """By plugin: each is asked on its own, so that none waits for another."""
    found: dict[str, HealthHook] = {}
    for implementation in hooks.hook.windlass_health.get_hookimpls():
        if not inspect.iscoroutinefunction(implementation.function):
            raise BootError(f"plugin {implementation.plugin_name}: windlass_health must be `async def`")
        found[implementation.plugin_name] = _health_of(implementation)
    return found


def _health_of(implementation: Any) -> HealthHook:
    async def ask(door: Door) -> HealthSection | None:
        return cast("HealthSection | None", await _asked(implementation, kernel=door))

    return ask


def _registered(hooks: pluggy.PluginManager, what: str, type_: type[R], settings: Settings) -> Iterator[tuple[str, R]]:
    """What each plugin registers, with the plugin's name: whose it is matters later."""
    implementations = getattr(hooks.hook, f"windlass_register_{what}").get_hookimpls()
    # What the kernel brings itself comes last.
    for implementation in sorted(implementations, key=lambda one: one.plugin_name == OURS):
        found = implementation.function(*[settings for _ in implementation.argnames])
        for item in found or ():
            if not isinstance(item, type_):
                name = implementation.plugin_name
                raise BootError(f"plugin {name}: windlass_register_{what} returned {item!r}, no {type_.__name__}")
            yield implementation.plugin_name, item


async def _asked(implementation: Any, **given: object) -> object:
    """What a hook answers, called with what it names of `given`; it may be `async def`."""
    answer = implementation.function(*[given[name] for name in implementation.argnames])
    return await answer if isinstance(answer, Awaitable) else answer

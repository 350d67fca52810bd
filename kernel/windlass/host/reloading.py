"""The configuration, read again while the server runs: by SIGHUP, or by an operator's call.

All of it is checked before anything changes, so an invalid one changes nothing.  What can't change while tasks run
waits for a restart, and is named each time until then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import msgspec
import structlog

from windlass.config import Config, LogConfig, NodeConfig
from windlass.door import Doors
from windlass.errors import WindlassError
from windlass.host.plugins import Plugins
from windlass.host.to_its_end import to_its_end
from windlass.store.audit import Audit
from windlass.store.facts import Note

log = structlog.get_logger()

LIVE = ("node.drain_grace", "node.leak_limit")
LIVE_SECTIONS = ("retention.", "health.", "log.")


class Reloaded(msgspec.Struct, frozen=True):
    """Dotted keys, such as `node.pools.default`: those whose new value is in use now, and those that wait."""

    changed: tuple[str, ...]
    waiting: tuple[str, ...]


class Reconfigurable(Protocol):
    """The part of the kernel that takes new values."""

    def pools_of(self, config: NodeConfig) -> Mapping[str, int]:
        """The slots of those pools that can be changed here and now."""

    async def reconfigure(self, config: Config) -> None:
        """Take what can change.  Raises `StoreUnavailable`, and has then changed nothing."""


class Reloader:
    """`read` gives the configuration as it stands in its file now, or raises `ConfigError`; `set_up_log` can't fail."""

    def __init__(
        self,
        config: Config,
        read: Callable[[], Config],
        kernel: Reconfigurable,
        plugins: Plugins,
        audit: Audit,
        doors: Doors,
        set_up_log: Callable[[LogConfig], None],
    ) -> None:
        self._in_use = flat(config)
        self._read = read
        self._kernel = kernel
        self._plugins = plugins
        self._audit = audit
        self._doors = doors
        self._set_up_log = set_up_log
        self._one_at_a_time = asyncio.Lock()

    async def reload(self, note: Note | None = None) -> Reloaded:
        """Read it again, take what can change, and tell the plugins.

        Raises `ConfigError` or `StoreUnavailable`; nothing has changed then.
        """
        return await to_its_end(self._reload(note))

    async def reload_by_signal(self) -> None:
        """The same without a caller: what is wrong is logged."""
        try:
            await self.reload()
        except WindlassError as error:
            log.error("the configuration stays as it was", error=error.message)
        except Exception:
            log.exception("the configuration could not be read again")

    async def _reload(self, note: Note | None) -> Reloaded:
        async with self._one_at_a_time:
            config = self._read()
            settings = self._plugins.read_settings(config.plugins)
            if note is not None:
                # The effect is this process's: its row comes first.
                await self._audit.write(note)
            await self._kernel.reconfigure(config)
            self._set_up_log(config.log)
            done = self._take(config)
            log.info("configuration read again", changed=list(done.changed), waiting_for_restart=list(done.waiting))
            await self._plugins.config_reloaded(self._doors, settings)
            return done

    def _take(self, config: Config) -> Reloaded:
        old, new = self._in_use, flat(config)
        differing = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
        changed = [key for key in differing if self._is_live(key, config)]
        kept = {key: value for key, value in old.items() if key not in changed}
        self._in_use = kept | {key: new[key] for key in changed if key in new}
        return Reloaded(tuple(changed), tuple(key for key in differing if key not in changed))

    def _is_live(self, key: str, config: Config) -> bool:
        if key.startswith("node.pools."):
            return key.removeprefix("node.pools.") in self._kernel.pools_of(config.node)
        if key.startswith("plugins."):
            return key.split(".")[1] in self._plugins.rereading
        return key in LIVE or key.startswith(LIVE_SECTIONS)


def flat(config: Config) -> dict[str, Any]:
    """Every value by its dotted key."""
    return dict(_leaves(msgspec.to_builtins(config), ""))


def _leaves(value: object, where: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield where, value
        return
    for key, inner in value.items():
        yield from _leaves(inner, f"{where}.{key}" if where else key)

"""The services that keep a store from growing for ever, put together from what the configuration says in days."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from windlass.config import RetentionConfig
from windlass.core.lifecycle import State
from windlass.host.maintenance.pruner import Pruner
from windlass.host.maintenance.roller import Roller
from windlass.host.maintenance.vacuumer import Vacuumer
from windlass.host.service import Service
from windlass.store.facts import Membership
from windlass.store.port import Store
from windlass.store.upkeep import Retention

DAY = 86_400.0


def keepers(store: Store, membership: Callable[[], Membership | None], config: RetentionConfig) -> list[Service]:
    """`membership` is the right to do maintenance."""
    return [
        Roller(store.upkeep, membership, config.partition * DAY),
        Pruner(store, membership, retention(config), config.requests * DAY),
        Vacuumer(store.upkeep, membership),
    ]


def keep(services: Sequence[Service], config: RetentionConfig) -> None:
    """These go on with another configuration."""
    for service in services:
        if isinstance(service, Roller):
            service.period = config.partition * DAY
        if isinstance(service, Pruner):
            service.retention, service.requests = retention(config), config.requests * DAY


def retention(config: RetentionConfig) -> Retention:
    """In seconds."""
    states = {
        State.COMPLETED: config.completed,
        State.FAILED: config.failed,
        State.CANCELED: config.canceled,
    }
    return Retention(
        longest=config.history * DAY,
        states={state: days * DAY for state, days in states.items() if days is not None},
        kinds={kind: days * DAY for kind, days in config.kinds.items()},
    )

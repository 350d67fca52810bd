"""What all kinds of this plugin have in common."""

from __future__ import annotations

from typing import TypeVar

from windlass import Graces, Handler, Rejected, RetryPolicy

from windlass_entities.settings import EntitiesSettings

P = TypeVar("P")

KEY = "entities"
"""One for the whole tree: requests of a kind fold into one."""


class EntityHandler(Handler[P]):
    """Its tasks run in worker processes, which keep what they know of the tree from one to the next."""

    retry = RetryPolicy(attempts=10, pause=2.0)
    graces = Graces(ask=2.0, raise_=10.0)
    """Who waits for the lane does not look whether he is asked to end; who writes is given time to."""

    def __init__(self, settings: EntitiesSettings) -> None:
        self.settings = settings
        self.pool = settings.pool

    def coalesce_key(self, payload: P) -> str | None:
        return KEY

    def check_configured(self) -> None:
        """Raises `Rejected`."""
        check_configured(self.settings)


def check_configured(settings: EntitiesSettings) -> None:
    """Raises `Rejected` with what to set."""
    if not settings.is_configured:
        raise Rejected(
            "no feeds are maintained here: set feeds, catalogue, countries, asns and root in [plugins.entities], "
            "on every server"
        )

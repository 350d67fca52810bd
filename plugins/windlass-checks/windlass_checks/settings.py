"""`[plugins.checks]` in windlass.toml: the operator's own checks, and what those of others may reach."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from windlass_checks.durations import seconds_of
from windlass_checks.guard import Guard
from windlass_checks.judging import Rules
from windlass_checks.payload import Name
from windlass_checks.probes import AnyProbe, Port

SHORTEST, LONGEST = 1.0, 366 * 86_400.0


class TransitionTask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task for each transition.  In `payload`, texts that are just `{check}`, `{before}`, … are replaced."""

    kind: str
    payload: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if not self.kind:
            raise ValueError("on_transition.kind: name the kind of the task")


class ConfiguredCheck(Rules, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[plugins.checks.check]]`.  `every` is seconds, or text like "60s"."""

    name: Name
    probe: AnyProbe
    every: str | float = 60.0
    pool: str = ""
    """Where it is looked from: "agent:web-01" for a host's own disks and processes; empty: any node."""
    on_transition: TransitionTask | None = None
    """Instead of the one for all."""

    def __post_init__(self) -> None:
        seconds = self.interval
        if not SHORTEST <= seconds <= LONGEST:
            raise ValueError(f"every: must be from {SHORTEST:g} s to 366 days, not {self.every!r}")

    @property
    def interval(self) -> float:
        """Seconds."""
        return seconds_of("every", self.every)

    @property
    def rules(self) -> Rules:
        """Its own, with a window that holds enough looks: a daily check could never flap within 15 minutes."""
        rules = Rules(**{field: getattr(self, field) for field in Rules.__struct_fields__})
        return replace(rules, flap_window=max(rules.flap_window, 3 * rules.flap_changes * self.interval))


class ChecksSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Checks with their `name`s; `allow`, `deny` and `ports` are for addresses that payloads name."""

    check: list[ConfiguredCheck] = []
    allow: list[str] = []
    """Networks that are not public and may be reached all the same."""
    deny: list[str] = []
    """Networks that may not be reached although they are public."""
    ports: list[Port] = []
    """The only ones that may be reached; none named: all."""
    secrets_directory: str = ""
    """Holds the files that `dsn_secret` and `password_secret` name, readable for their owner only."""
    on_transition: TransitionTask | None = None

    def __post_init__(self) -> None:
        Guard(self.allow, self.deny)
        seen = set()
        for check in self.check:
            if check.name in seen:
                raise ValueError(f"check: two are called {check.name!r}; give each a name of its own")
            seen.add(check.name)

    @property
    def by_name(self) -> dict[str, ConfiguredCheck]:
        return {check.name: check for check in self.check}

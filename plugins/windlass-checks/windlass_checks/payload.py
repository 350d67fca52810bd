"""What a task of the kind Check is asked."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from windlass_checks.judging import Rules
from windlass_checks.probes import AnyProbe

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""It becomes part of a schedule's name, and the value of a label."""
Name = Annotated[str, Meta(max_length=60, pattern=NAME)]
NoName = Annotated[str, Meta(max_length=60, pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*)?$")]


class CheckPayload(Rules, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Either `check`, the name of one in the configuration, or a `probe` of the sender's own.

    With a `name` what the probe finds is kept: it goes up and down by that name.  Without one it is only told.
    """

    check: NoName = ""
    probe: AnyProbe | None = None
    name: NoName = ""

    def __post_init__(self) -> None:
        if bool(self.check) == (self.probe is not None):
            raise ValueError('check, probe: exactly one of them: {"check": "site"} or {"probe": {"type": "http", …}}')
        if self.check and (self.name or self.rules != Rules()):
            raise ValueError("check: one of the configuration has its name and its rules from there; leave them out")
        if self.probe is not None:
            _check_strangers(self.probe)

    @property
    def rules(self) -> Rules:
        return Rules(**{field: getattr(self, field) for field in Rules.__struct_fields__})


def _check_strangers(probe: AnyProbe) -> None:
    """ValueError when it sets what only the operator may set."""
    defaults = dict(zip(reversed(probe.__struct_fields__), reversed(probe.__struct_defaults__), strict=False))
    for field in probe.own:
        if getattr(probe, field) != defaults.get(field):
            raise ValueError(f"probe.{field}: only a check in the configuration may set it; have the operator name one")
    if getattr(probe, "host", "").startswith("/"):
        raise ValueError("probe.host: only a check in the configuration may name a Unix socket")

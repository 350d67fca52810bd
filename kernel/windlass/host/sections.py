"""What plugins say of themselves: asked when somebody looks, all at once, and none can hold up the picture."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog

from windlass.core.sections import HealthGauge, HealthLine, HealthSection
from windlass.door import Door, Doors
from windlass.host.context import clean
from windlass.host.plugins import HealthHook

log = structlog.get_logger()

ANSWER_SECONDS = 0.5
PAUSE_AFTER_MISS = 10.0
"""A plugin that came too late would hold up each picture by as much."""
MOST_LINES = 50
LONGEST_TEXT = 200
LARGEST_DATA = 64 * 1024
LARGEST_PROBE = 16 * 1024
MOST_GAUGES = 1_000
GAUGE = re.compile(r"[a-z][a-z0-9_]{0,59}")
FRESH_SECONDS = 0.9
"""A little less than a second: whoever looks once a second is to find it stale."""


class SectionFacts(msgspec.Struct, frozen=True):
    """A section as it is shown; `data` is JSON."""

    name: str
    title: str
    summary: str = ""
    lines: tuple[HealthLine, ...] = ()
    data: bytes | None = None
    probe: Mapping[str, Any] = {}
    gauges: tuple[HealthGauge, ...] = ()


class Sections:
    """`hooks`: by the plugin's name."""

    def __init__(self, hooks: Mapping[str, HealthHook], doors: Doors) -> None:
        self._asked = [_Asked(name, hook, doors(name)) for name, hook in hooks.items()]
        self._asking: asyncio.Task[tuple[SectionFacts, ...]] | None = None
        self._answered = float("-inf")

    async def recent(self) -> tuple[SectionFacts, ...]:
        """As `ask`, at most a second old: for those who come as often as they like."""
        if self._asking is not None and not self._asking.cancelled():
            fresh = asyncio.get_running_loop().time() < self._answered + FRESH_SECONDS
            if not self._asking.done() or (fresh and self._asking.exception() is None):
                return await asyncio.shield(self._asking)
        return await self.ask()

    async def ask(self) -> tuple[SectionFacts, ...]:
        """The sections of all plugins that have one now; one that fails or is late says so in its own."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(), name="health of the plugins")
        # Two that ask at once share an answer, and whoever gives up leaves it to the other.
        return await asyncio.shield(self._asking)

    async def _ask(self) -> tuple[SectionFacts, ...]:
        begun = [task for one in self._asked if (task := one.begin())]
        if begun:
            await asyncio.wait(begun, timeout=ANSWER_SECONDS)
        self._answered = asyncio.get_running_loop().time()
        return tuple(section for one in self._asked if (section := one.answer()))


class _Asked:
    """One plugin's hook, at most one call of it at a time."""

    def __init__(self, name: str, hook: HealthHook, door: Door) -> None:
        self._name = name
        self._hook = hook
        self._door = door
        self._task: asyncio.Task[SectionFacts | None] | None = None
        self._missed_at: float | None = None
        self._trouble = ""

    def begin(self) -> asyncio.Task[SectionFacts | None] | None:
        now = asyncio.get_running_loop().time()
        paused = self._missed_at is not None and now < self._missed_at + PAUSE_AFTER_MISS
        if paused or (self._task is not None and not self._task.done()):
            return None
        self._missed_at = None
        self._task = asyncio.create_task(self._call(), name=f"health of {self._name}")
        return self._task

    def answer(self) -> SectionFacts | None:
        if self._missed_at is None and self._task is not None and self._task.done() and not self._task.cancelled():
            return self._task.result()
        if self._missed_at is None and self._task is not None:
            self._missed_at = asyncio.get_running_loop().time()
            self._task.cancel()
        return self._failed(f"windlass_health did not answer within {ANSWER_SECONDS} s")

    async def _call(self) -> SectionFacts | None:
        try:
            section = await self._hook(self._door)
            found = None if section is None else _shown(self._name, section)
        except Exception as error:  # noqa: BLE001 - a plugin's fault is its own
            return self._failed(f"windlass_health raised {type(error).__name__}: {error}")
        self._trouble = ""
        return found

    def _failed(self, why: str) -> SectionFacts:
        if why != self._trouble:
            log.warning("a plugin can't say how it is", plugin=self._name, error=why)
            self._trouble = why
        line = HealthLine("section", clean(why, LONGEST_TEXT), is_alarming=True)
        return SectionFacts(self._name, self._name, "does not say how it is", (line,))


def _shown(name: str, section: object) -> SectionFacts:
    if not isinstance(section, HealthSection):
        raise TypeError(f"it returned {section!r}, no windlass.HealthSection")
    lines = [
        HealthLine(clean(line.name, LONGEST_TEXT), clean(line.value, LONGEST_TEXT), bool(line.is_alarming))
        for line in section.lines[:MOST_LINES]
    ]
    data = None if section.data is None else msgspec.json.encode(section.data)
    if data is not None and len(data) > LARGEST_DATA:
        raise ValueError(f"its data has {len(data)} bytes as JSON, and at most {LARGEST_DATA} are taken")
    title, summary = clean(section.title, LONGEST_TEXT), clean(section.summary, LONGEST_TEXT)
    probe = _probe(section.probe)
    return SectionFacts(name, title or name, summary, tuple(lines), data, probe, _gauges(section.gauges))


def _probe(said: Mapping[str, Any]) -> Mapping[str, Any]:
    encoded = msgspec.json.encode(dict(said))
    if len(encoded) > LARGEST_PROBE:
        raise ValueError(f"its probe has {len(encoded)} bytes as JSON, and at most {LARGEST_PROBE} are taken")
    return msgspec.json.decode(encoded, type=dict[str, Any])


def _gauges(said: Sequence[HealthGauge]) -> tuple[HealthGauge, ...]:
    labels: dict[str, frozenset[str]] = {}
    for gauge in said:
        if not GAUGE.fullmatch(gauge.name):
            raise ValueError(f"a gauge is called {gauge.name!r}: a-z, 0-9 and _ are allowed, and a letter begins it")
        mine = frozenset(gauge.labels)
        if not all(map(GAUGE.fullmatch, mine)):
            raise ValueError(f"gauge {gauge.name}: labels are called as gauges are, not {sorted(mine)}")
        if labels.setdefault(gauge.name, mine) != mine:
            raise ValueError(f"gauge {gauge.name}: once it has the labels {sorted(labels[gauge.name])}, once others")
    return tuple(said[:MOST_GAUGES])

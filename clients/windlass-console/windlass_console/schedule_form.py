"""What was typed into the form of a schedule, and the schedule it means."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from windlass_client import CatchUp, Overlap, Schedule, WindlassError

from windlass_console.whole import whole

UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


class Wrong(Exception):
    """What was typed can't be sent; `field` is the one to blame."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field
        self.words = words


@dataclass(frozen=True, slots=True)
class Typed:
    """As text, field by field, so that what is wrong can be shown again as it was typed."""

    name: str = ""
    kind: str = ""
    cron: str = ""
    interval: str = ""
    time_zone: str = ""
    payload: str = "{}"
    title: str = ""
    priority: str = ""
    pool: str = ""
    labels: str = ""
    catch_up: str = CatchUp.ONE
    overlap: str = Overlap.SKIP
    paused: str = ""
    revision: str = "0"

    @classmethod
    def read(cls, form: Mapping[str, Any], name: str = "") -> Typed:
        said = {one.name: str(form[one.name]).strip() for one in fields(cls) if one.name in form}
        return cls(**said | ({"name": name} if name else {}))

    def schedule(self) -> Schedule:
        """Raises Wrong for what is no JSON, no number, no duration."""
        return Schedule(
            self.name,
            self.kind,
            self._payload(),
            title=self.title,
            priority=self._number("priority", self.priority),
            pool=self.pool,
            labels=self._labels(),
            paused=bool(self.paused),
            revision=self._number("revision", self.revision) or 0,
            **self.timing(),
        )

    def timing(self) -> dict[str, Any]:
        """The fields of a schedule that say when."""
        if self.cron and self.interval:
            raise Wrong("interval", "It has a cron line and an interval: give one of them.")
        if not self.cron and not self.interval:
            raise Wrong("cron", "Say when: a cron line, or an interval.")
        return {
            "cron": self.cron,
            "interval": seconds_of(self.interval) if self.interval else None,
            "time_zone": self.time_zone,
            "catch_up": _choice(CatchUp, self.catch_up, "catch_up"),
            "overlap": _choice(Overlap, self.overlap, "overlap"),
        }

    def _payload(self) -> Any:
        try:
            return json.loads(self.payload or "{}")
        except json.JSONDecodeError as error:
            raise Wrong(
                "payload", f"This is no JSON: {error.msg} in line {error.lineno}, column {error.colno}."
            ) from None
        except (ValueError, RecursionError) as error:
            raise Wrong("payload", f"This is no JSON: {error}") from None

    def _number(self, field: str, text: str) -> int | None:
        if not text:
            return None
        if (number := whole(text)) is None:
            raise Wrong(field, f"This must be a whole number, not {text!r}.")
        return number

    def _labels(self) -> dict[str, str]:
        pairs = [line.strip() for line in self.labels.splitlines() if line.strip()]
        for pair in pairs:
            if "=" not in pair:
                raise Wrong("labels", f"A label is a name and a value, such as team=data; {pair!r} is not.")
        return dict(pair.split("=", 1) for pair in pairs)


def typed_of(schedule: Schedule) -> Typed:
    """What one would have typed for it."""
    return Typed(
        name=schedule.name,
        kind=schedule.kind,
        cron=schedule.cron,
        interval="" if schedule.interval is None else span(schedule.interval),
        time_zone=schedule.time_zone,
        payload=json.dumps(schedule.payload, indent=2, ensure_ascii=False),
        title=schedule.title,
        priority="" if schedule.priority is None else str(schedule.priority),
        pool=schedule.pool,
        labels="\n".join(f"{name}={value}" for name, value in sorted(schedule.labels.items())),
        catch_up=schedule.catch_up,
        overlap=schedule.overlap,
        revision=str(schedule.revision),
    )


def field_of(error: Exception) -> tuple[str, str]:
    """The field of the form that is to blame, and the words for it."""
    if isinstance(error, Wrong):
        return error.field, error.words
    assert isinstance(error, WindlassError)
    if error.code == "ALREADY_EXISTS":
        return "name", error.message
    if not error.details.fields:
        return "form", error.message
    blamed = error.details.fields[0]
    words = re.sub(r"^schedule [\w.-]*: ", "", blamed.description)
    return blamed.field.removeprefix("schedule.").partition(".")[0], words[:1].upper() + words[1:]


def seconds_of(text: str) -> float:
    """Of `90`, `30s`, `1.5h`, `1h30m`.  Raises Wrong."""
    words = "".join(text.lower().split())
    if re.fullmatch(r"\d+(\.\d+)?", words):
        return float(words)
    if words and not PART.sub("", words):
        return sum(float(number) * UNITS[unit] for number, unit in PART.findall(words))
    raise Wrong("interval", f"An interval is a time such as 30s, 15m, 12h or 1d, not {text!r}.")


def span(seconds: float) -> str:
    """What `seconds_of` reads back: `1h30m`."""
    said = ""
    for unit, length in UNITS.items():
        number, seconds = divmod(seconds, length) if unit != "s" else (seconds, 0.0)
        if number:
            said += f"{round(number, 3):g}{unit}"
    return said or "0s"


def _choice(words: Any, typed: str, field: str) -> Any:
    try:
        return words(typed)
    except ValueError:
        raise Wrong(field, f"There is no such choice: {typed!r}.") from None

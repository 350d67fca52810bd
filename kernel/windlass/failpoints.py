"""Failpoints: named places where a test makes this process exit, stall, or lose an answer.  Off, a place is None.

    TAKEN = failpoint("buffer.taken", "after the take, before it is applied")
    …
    if TAKEN:
        TAKEN()

`WINDLASS_FAILPOINTS` arms them, read once at import: `NAME=ACTION[:SECONDS][@WHEN]`, separated by commas.

- ACTION: `exit` (at once, as kill -9 would), `pause:SECONDS` (the whole process stops, heartbeat and all, as under
  SIGSTOP), `lost` (`StoreUnavailable`: after a commit a lost reply, before it an error), `note` (only the log).
  A place may be named several times; its orders are followed one after the other.
- WHEN: `#3` the third hit, `0.02` a chance at each hit; left out: every hit.

`WINDLASS_FAILPOINTS_LOG` names a file that gets one line of JSON for each time a place acted, before it acts: a run in
which a fault fired too rarely says nothing.  `refuse_unknown` is for the start, once every place is known.
"""

from __future__ import annotations

import difflib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Mapping

import msgspec

from windlass.errors import ConfigError, StoreUnavailable

VARIABLE = "WINDLASS_FAILPOINTS"
LOG = "WINDLASS_FAILPOINTS_LOG"
ACTIONS = ("exit", "pause", "lost", "note")
EXIT_CODE = 70

Place = Callable[..., None]
PLACES: dict[str, str] = {}
"""Every place there is, and what it means."""


class Order(msgspec.Struct, frozen=True):
    """What is to happen at one place: `nth` hit only (0: any), with `chance`."""

    action: str
    seconds: float = 0.0
    nth: int = 0
    chance: float = 1.0


def failpoint(name: str, meaning: str) -> Place | None:
    """Declare a place.  What to call there, with facts for the log; None, which costs nothing, unless it is armed."""
    PLACES[name] = meaning
    return _Armed(name, ARMED[name]) if name in ARMED else None


def refuse_unknown() -> None:
    """Raises `ConfigError` for a place that nobody declared, or words that are no orders."""
    if WRONG:
        raise ConfigError(WRONG)
    for name in ARMED:
        if name not in PLACES:
            near = difflib.get_close_matches(name, PLACES, n=1, cutoff=0.0)
            raise ConfigError(f"{VARIABLE}: there is no place {name!r}; did you mean {near[0]!r}?")


def read(text: str) -> dict[str, list[Order]]:
    """The orders by place.  Raises ValueError."""
    orders: dict[str, list[Order]] = {}
    for item in filter(None, map(str.strip, text.split(","))):
        name, order = _read_one(item)
        orders.setdefault(name, []).append(order)
    return orders


def _read_one(item: str) -> tuple[str, Order]:
    name, equals, rest = item.partition("=")
    what, _, when = rest.partition("@")
    action, _, seconds = what.partition(":")
    if not equals or action not in ACTIONS or (action == "pause") != bool(seconds):
        raise ValueError(f"{item!r} is not NAME=ACTION[@WHEN] with an ACTION of exit, pause:SECONDS, lost, note")
    nth = int(when[1:]) if when.startswith("#") else 0
    chance = float(when) if when and not nth else 1.0
    return name, Order(action, float(seconds or 0), nth, chance)


class _Armed:
    def __init__(self, name: str, orders: list[Order]) -> None:
        self._name = name
        self._orders = orders
        self._hits = 0

    def __call__(self, **facts: object) -> None:
        self._hits += 1
        for order in self._orders:
            if order.nth in (0, self._hits) and random.random() < order.chance:  # noqa: S311 - no secret
                self._act(order, facts)

    def _act(self, order: Order, facts: dict[str, object]) -> None:
        _log({"place": self._name, "action": order.action, "pid": os.getpid(), "at": time.time(), **facts})
        if order.action == "exit":
            os._exit(EXIT_CODE)
        if order.action == "pause":
            _pause(order.seconds)
        if order.action == "lost":
            raise StoreUnavailable(f"failpoint {self._name}: the answer is lost")


def _pause(seconds: float) -> None:
    # A sleep here would leave the heartbeat's thread running, and the lease with it.
    waker = f"sleep {seconds}; kill -CONT {os.getpid()}"
    subprocess.Popen(["sh", "-c", waker], start_new_session=True)
    os.kill(os.getpid(), signal.SIGSTOP)


def _log(facts: dict[str, object]) -> None:
    if file := os.environ.get(LOG):
        # One write on an appending descriptor: lines of several processes don't mix.
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, json.dumps(facts).encode() + b"\n")
        finally:
            os.close(descriptor)


def _from(environ: Mapping[str, str]) -> tuple[dict[str, list[Order]], str]:
    try:
        return read(environ.get(VARIABLE, "")), ""
    except ValueError as error:
        return {}, f"{VARIABLE}: {error}"


ARMED, WRONG = _from(os.environ)

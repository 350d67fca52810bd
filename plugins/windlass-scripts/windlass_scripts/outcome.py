"""Turns what came of a script into what the kernel, and people, are told."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from msgspec import UNSET
from windlass import Failed, Outcome, Retry, Success

from windlass_scripts.attempt import Run
from windlass_scripts.ending import Ending
from windlass_scripts.exits import Meaning, meaning_of


def outcome_of(run: Run, about: dict[str, Any], exit_codes: Mapping[str, Meaning]) -> Outcome:
    """An interrupt is final, exit codes mean what `exit_codes` say, all else is tried again.

    `about` opens the result.
    """
    result = about | result_of(run)
    ending = run.ending
    if run.stopped and (ending.ended_by or not ending.known):
        if run.stopped == "interrupted":
            # That it was interrupted, by whom and why, the kernel says.
            by = f"ended by {signal_name(ending.ended_by)}" if ending.ended_by else how_it_ended(ending)
            return Failed(by, result)
        return Retry(_with_reason(run.stopped, run), result=result)
    if ending.disk_full:
        return Retry("it wrote more to its private directory than limits.disk_max allows", result=result)
    meaning = "retry" if ending.code is None else meaning_of(ending.code, exit_codes)
    if meaning == "success":
        return Success(result)
    if meaning == "failed":
        return Failed(_with_reason(how_it_ended(ending), run), result)
    return Retry(_with_reason(how_it_ended(ending), run), result=result)


def how_it_ended(ending: Ending) -> str:
    """ "exit code 3", "killed by SIGSEGV", …"""
    if not ending.known:
        return "its runner process died"
    if ending.signal:
        return f"killed by {signal_name(ending.signal)}"
    return f"exit code {ending.code}"


def result_of(run: Run) -> dict[str, Any]:
    """Seconds, bytes and counts, as they appear in the history."""
    ending = run.ending
    return {
        "exit_code": ending.code,
        "signal": ending.signal and signal_name(ending.signal),
        "duration_s": round(ending.duration, 3),
        "cpu_s": round(ending.cpu, 3),
        "peak_memory_bytes": ending.peak,
        "stdout_bytes": run.stdout_bytes,
        "stderr_bytes": run.stderr_bytes,
        "dropped_bytes": run.dropped_bytes,
        "killed_by": ending.ended_by and signal_name(ending.ended_by),
        "survivors_killed": ending.survivors,
        "survivors_left": ending.left,
        "confinement": run.confinement.value,
    } | ({} if run.told is UNSET else {"result": run.told})


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _with_reason(message: str, run: Run) -> str:
    return f"{message}: {run.last_error}" if run.last_error else message

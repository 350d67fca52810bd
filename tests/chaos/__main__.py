"""`python -m tests.chaos [--minutes N] [--seed N]`: hurts real processes, and compares their database with a ledger.

The last line holds the numbers and the verdict: PASSED, FAILED, or VOID when something happened too rarely to say
anything.  Only PASSED exits with 0.  The folder of any other run is kept, and named.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.chaos.arena import Arena
from tests.chaos.judge import Counts, Judge
from tests.chaos.profile import Profile, ci, unbounded

EPOCHS = "select id, pid, extract(epoch from joined_at)::float8 from windlass.node"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=0.0, help="of faults; default: the CI profile")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # through every `finally`: no process is left behind
    seed = asked.seed or int(time.time())
    profile = unbounded(seed, asked.minutes) if asked.minutes else ci(seed)
    folder = Path(tempfile.mkdtemp(prefix="windlass-chaos-"))
    print(f"chaos: {profile.minutes:g} min of faults, {profile.nodes} nodes, seed {seed}, in {folder}", flush=True)
    arena = Arena(folder, profile)
    try:
        verdict = report(arena, _run(arena))
    finally:
        arena.database.close()
    if verdict == "PASSED":
        shutil.rmtree(folder)
    return 0 if verdict == "PASSED" else 1


def _run(arena: Arena) -> list[str]:
    """What kept the run from its end."""
    try:
        asyncio.run(arena.run())
    except AssertionError as error:
        return [str(error)]
    return []


def report(arena: Arena, trouble: list[str]) -> str:
    """Prints what was found; the verdict."""
    if arena.faults is None:
        print(f"WRONG {'; '.join(trouble)}\nlogs: {arena.ledger.folder.parent}")
        print(_last_line(Counts(*[0] * len(Counts._fields)), [], "FAILED"), flush=True)
        return "FAILED"
    hits = arena.hits()
    judge = Judge(arena.ledger, arena.database, hits)
    counts = judge.judge(arena.seen)
    wrong = trouble + arena.faults.wrong + judge.wrong
    happened = _happened(arena, counts, judge, hits)
    rare = [f"{name}: {happened[name]} of {least}" for name, least in _least(arena.profile) if happened[name] < least]
    verdict = "FAILED" if wrong else "VOID" if rare else "PASSED"
    for words in wrong:
        print(f"WRONG {words}")
    for words in rare:
        print(f"too rare: {words}")
    if verdict != "PASSED":
        print(f"ledger and logs: {arena.ledger.folder.parent} (seed {arena.profile.seed})")
    if counts.acked and not wrong:
        print(f"no failure in {counts.acked} acknowledged tasks: at most {3 / counts.acked:.2%} of them at 95 %")
    print(
        " ".join(f"{name.replace(' ', '_')}={count}" for name, count in happened.items() if name not in counts._fields)
    )
    print(_last_line(counts, _recoveries(arena, judge, hits), verdict), flush=True)
    return verdict


def _last_line(counts: Counts, recoveries: list[float], verdict: str) -> str:
    p50, p99 = _percentiles(recoveries)
    numbers = " ".join(f"{name}={count}" for name, count in counts._asdict().items())
    return f"{numbers} p50/p99={p50:.1f}/{p99:.1f}s {verdict}"


def _least(profile: Profile) -> list[tuple[str, int]]:
    return list(profile.at_least().items())


def _happened(arena: Arena, counts: Counts, judge: Judge, hits: list[dict[str, object]]) -> Counter[str]:
    happened: Counter[str] = Counter(counts._asdict())
    happened["interrupts"] = judge.interrupts()
    assert arena.faults is not None
    happened.update(arena.faults.fired)
    happened.update({f"cut {verb}": count for verb, count in arena.proxy.cuts.items()})
    happened.update(f"failpoint {hit['action']}" for hit in hits if hit["action"] != "note")
    return happened


def _recoveries(arena: Arena, judge: Judge, hits: list[dict[str, object]]) -> list[float]:
    """Seconds from what ended a process's lease to the recovery of each task it held."""
    blows = [(line["at"], line["pid"]) for line in arena.journal.lines("faults") if line["what"] in ("kill", "freeze")]
    blows += [(hit["at"], hit["pid"]) for hit in hits if hit["action"] in ("exit", "pause")]
    epochs = {row[0]: (row[1], row[2]) for row in arena.database.patiently(EPOCHS)}
    return judge.recoveries(blows, epochs)


def _percentiles(values: list[float]) -> tuple[float, float]:
    if len(values) < 2:
        return 0.0, 0.0
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[98]


if __name__ == "__main__":
    sys.exit(main())

"""`make mutants`: plants each fault in a copy of the source and runs the tests that must catch it.

Exits 1 when one was not caught.  Seeds are nobody's choice; each is printed, to see its history again.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.patches import ROOT, Mutant, apply, copy_of_the_source, mutants

AT_ONCE = 2
LONGEST = 400.0
"""Seconds for one mutant's tests."""
HANGS = 90
"""Seconds for one test: a mutant may make one go round for ever.  Its process ends then: Hypothesis would only try the
same history again."""
ENDED = "Timeout +++"
ENDS = (f"--timeout={HANGS}", "--timeout-method=thread")
FAILED = re.compile(r"^FAILED (\S+)", re.MULTILINE)
VOID = re.compile(r"^E .*void: Counter", re.MULTILINE)


def caught(mutant: Mutant) -> tuple[bool, str]:
    """Whether a test fails, and which."""
    with tempfile.TemporaryDirectory(prefix="windlass-mutant-") as folder:
        paths = list(copy_of_the_source(Path(folder)))
        applied = apply(mutant, Path(folder))
        if applied.returncode:
            return False, f"the patch does not apply: {applied.stderr.strip()}"
        seed = str(random.randrange(1, 1_000_000))
        env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "FIRST_SEED": seed, "SEEDS": "40"}
        where = _run(["-c", "import windlass; print(windlass.__file__)"], env)
        if not where.startswith(folder):
            return False, f"the tests do not see the mutant, but {where.strip()}"
        said = _run(["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *ENDS, *mutant.tests], env)
        if ENDED in said:
            return True, f"a test that had not ended after {HANGS} s"
        failed = FAILED.search(said)
        if failed is None or VOID.search(said):
            return False, said.strip().splitlines()[-1]
        by = failed[1].rpartition("/")[2]
        return True, f"{by} (seed {seed})" if "test_simulation" in by else by


def _run(arguments: list[str], env: dict[str, str]) -> str:
    command = [sys.executable, *arguments]
    try:
        ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=LONGEST)
        return ended.stdout + (f"\n{ENDED}" if ENDED in ended.stderr else "")
    except subprocess.TimeoutExpired:
        return f"its tests took more than {LONGEST:.0f} s"


def main(words: list[str]) -> int:
    """Runs the mutants whose names hold one of `words`, or all."""
    chosen = [mutant for mutant in mutants() if not words or any(word in mutant.name for word in words)]
    began, missed = time.monotonic(), 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for mutant, (is_caught, by) in zip(chosen, pool.map(caught, chosen), strict=True):
            missed += not is_caught
            print(f"{mutant.name:40} {'caught by' if is_caught else 'NOT CAUGHT:'} {by}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} mutants caught in {time.monotonic() - began:.0f} s")
    return 1 if missed else 0


sys.exit(main(sys.argv[1:]))

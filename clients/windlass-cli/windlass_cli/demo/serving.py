"""The demo's own server: `windlass serve` as a child process, which ends with the demo whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

from windlass_client.discovery import Announced, announcements

from windlass_cli.exits import NOT_REACHABLE, Failure

STARTED_WITHIN_S = 90.0
ENDED_WITHIN_S = 40.0
LOOK_EVERY_S = 0.05
LAST_LINES = 5
LOG = "demo-serve.log"


@contextlib.asynccontextmanager
async def serving(home: Path) -> AsyncGenerator[Announced, None]:
    """A server on a free port, its data in `home`.  Failure, with its last words, when it does not start."""
    make(home)
    log = home / LOG
    with log.open("wb") as output:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "windlass_cli.demo.child", str(os.getpid())),
            *("serve", "--home", str(home), "--listen", "127.0.0.1:0"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is the demo's: it ends the server itself, once its tasks are over
        )
    try:
        yield await _announced(home, child, log)
    finally:
        await end(child, "the server")


async def _announced(home: Path, child: asyncio.subprocess.Process, log: Path) -> Announced:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STARTED_WITHIN_S):
            while child.returncode is None:
                for each in announcements(home):
                    if each.pid == child.pid:
                        return each
                await asyncio.sleep(LOOK_EVERY_S)
    how = "ended at once" if child.returncode is not None else f"did not start within {STARTED_WITHIN_S:g} s"
    raise Failure(NOT_REACHABLE, f"the server {how}: {_last_words(log)}")


async def end(child: asyncio.subprocess.Process, what: str) -> None:
    """SIGTERM, then patience, then SIGKILL."""
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(ENDED_WITHIN_S):
            await child.wait()
    except TimeoutError:
        print(f"warning: {what} does not end by itself, killing it", file=sys.stderr)
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()


def make(home: Path) -> None:
    """The folder, when it is not there yet.  Failure when it can't be made."""
    try:
        if not home.exists():
            home.mkdir(mode=0o700, parents=True)
            (home / ".gitignore").write_text("*\n")  # it may stand in the middle of somebody's checkout
    except OSError as error:
        raise Failure(NOT_REACHABLE, f"cannot make {home}: {error.strerror}; set WINDLASS_HOME to a folder") from error


def _last_words(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " | ".join(lines[-LAST_LINES:]) or f"it said nothing ({log})"


def home_of_the_demo() -> Path:
    """WINDLASS_HOME, else a folder of its own here."""
    return Path(os.environ.get("WINDLASS_HOME") or ".windlass").absolute()

"""A plugin as workers know them, by its module: kinds that run in a process or a thread, and misbehave."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from windlass import (
    BlockingContext,
    Context,
    Deadlines,
    Failed,
    Graces,
    Handler,
    Interrupted,
    Outcome,
    Rejected,
    Retry,
    RetryPolicy,
    Settings,
    Success,
    hookimpl,
)

MIB = 1024 * 1024
GRACES = Graces(ask=0.2, raise_=0.2, terminate=0.2, kill=4.0, cleanup=1.0)


class Act(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    file: str = ""
    """Where it leaves a trace of itself."""


class Unnameable(Exception):
    pass


def trace(act: Act, text: object) -> None:
    """Complete from the moment the file is there."""
    fresh = Path(f"{act.file}.new")
    fresh.write_text(str(text))
    fresh.replace(act.file)


def succeeds(ctx: BlockingContext, act: Act) -> Outcome:
    return Success({"pid": os.getpid(), "task": ctx.task.id, "attempt": ctx.task.attempt})


def speaks(ctx: BlockingContext, act: Act) -> Outcome:
    ctx.stage("speaking")
    ctx.step("hello", who="world")
    ctx.output(b"raw\n")
    return Success()


def prints(ctx: BlockingContext, act: Act) -> Outcome:
    print("printed")
    sys.stderr.write("complained\n")
    os.write(1, b"written\n")
    subprocess.run(["echo", "from a child"], check=True)
    return Success()


def fails(ctx: BlockingContext, act: Act) -> Outcome:
    return Failed("no", result={"why": 7})


def says_half_a_pair(ctx: BlockingContext, act: Act) -> Outcome:
    return Failed("a\udc80b")


def retries(ctx: BlockingContext, act: Act) -> Outcome:
    return Retry("not yet")


def rejects(ctx: BlockingContext, act: Act) -> Outcome:
    raise Rejected("bad input")


def raises(ctx: BlockingContext, act: Act) -> Outcome:
    raise Unnameable("oh no")


def returns_nothing(ctx: BlockingContext, act: Act) -> Any:
    return None


def returns_no_json(ctx: BlockingContext, act: Act) -> Outcome:
    return Success(object())


def says_too_much(ctx: BlockingContext, act: Act) -> Outcome:
    ctx.step("x", data="y" * 20_000)
    return Success()


def leaves(ctx: BlockingContext, act: Act) -> Outcome:
    sys.exit(3)


def drops_dead(ctx: BlockingContext, act: Act) -> Outcome:
    print("last words", flush=True)
    os._exit(7)


def crashes(ctx: BlockingContext, act: Act) -> Outcome:
    os.kill(os.getpid(), signal.SIGSEGV)
    return Success()


def eats(ctx: BlockingContext, act: Act) -> Outcome:
    eaten = []
    while True:
        eaten.append(bytearray(16 * MIB))


def floods(ctx: BlockingContext, act: Act) -> Outcome:
    for _ in range(256):
        os.write(1, b"x" * 64 * 1024)
    print("the end")
    return Success()


def floods_for_ever(ctx: BlockingContext, act: Act) -> Outcome:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    trace(act, os.getpid())
    while True:
        try:
            os.write(1, b"x" * 64 * 1024)
        except Interrupted:
            continue


def listens(ctx: BlockingContext, act: Act) -> Outcome:
    trace(act, os.getpid())
    assert ctx.cancelled.wait(60)
    ctx.step("said good-bye")
    return Success()


def waits(ctx: BlockingContext, act: Act) -> Outcome:
    trace(act, os.getpid())
    try:
        while True:
            time.sleep(60 if threading.current_thread() is threading.main_thread() else 0.01)
    except Interrupted:
        ctx.step("was interrupted")
        raise


def ignores_exceptions(ctx: BlockingContext, act: Act) -> Outcome:
    trace(act, os.getpid())
    return _be_deaf()


def ignores_everything(ctx: BlockingContext, act: Act) -> Outcome:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return ignores_exceptions(ctx, act)


def holds_the_interpreter(ctx: BlockingContext, act: Act) -> Outcome:
    trace(act, os.getpid())
    # PyDLL keeps the interpreter's lock during the call, as a bad extension would.
    ctypes.PyDLL(None).sleep(30)
    return Success()


def leaves_a_daemon(ctx: BlockingContext, act: Act) -> Outcome:
    trace(act, _daemon())
    return Success({"pid": os.getpid()})


def dies_with_a_daemon(ctx: BlockingContext, act: Act) -> Outcome:
    trace(act, _daemon())
    os._exit(1)


def hangs_with_a_daemon(ctx: BlockingContext, act: Act) -> Outcome:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    trace(act, _daemon())
    return _be_deaf()


def stops_its_guard(ctx: BlockingContext, act: Act) -> Outcome:
    os.kill(os.getppid(), signal.SIGSTOP)
    return ignores_everything(ctx, act)


def _be_deaf() -> Outcome:
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            time.sleep(0.01)
        except Interrupted:
            continue
    return Success()


def _daemon() -> int:
    """The pid of a process in a session of its own, whose parent has gone."""
    program = (
        "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', "
        "'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(30)'], "
        "start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid)"
    )
    return int(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout)


def silent(ctx: BlockingContext, act: Act) -> Outcome:
    while not ctx.cancelled.wait(60):
        pass
    return Success()


def chatty(ctx: BlockingContext, act: Act) -> Outcome:
    number = 0
    while not ctx.cancelled.wait(0.02):
        ctx.progress(number := number + 1, 1000)
    return Success()


ACTS: dict[str, Callable[[BlockingContext, Act], Any]] = {
    act.__name__: act
    for act in (
        *(succeeds, speaks, prints, fails, retries, rejects, raises, returns_nothing, returns_no_json),
        *(says_too_much, says_half_a_pair),
        *(
            leaves,
            drops_dead,
            crashes,
            eats,
            floods,
            floods_for_ever,
            listens,
            waits,
            ignores_exceptions,
            ignores_everything,
        ),
        *(holds_the_interpreter, leaves_a_daemon, dies_with_a_daemon, hangs_with_a_daemon, stops_its_guard),
        *(silent, chatty),
    )
}


class InProcess(Handler[Act]):
    kind = "InProcess"
    retry = RetryPolicy(attempts=1)
    graces = GRACES
    output_cap = 4096

    def run(self, ctx: BlockingContext, payload: Act) -> Outcome:
        outcome: Outcome = ACTS[payload.name](ctx, payload)
        return outcome


class InThread(InProcess):
    kind = "InThread"
    executor = "thread"


class Limited(InProcess):
    kind = "Limited"
    memory_limit = 128 * MIB


class Tidy(InProcess):
    kind = "Tidy"

    async def cleanup(self, ctx: Context, payload: Act) -> None:
        await ctx.step(f"tidied up in {os.getpid()}")


class Patient(InProcess):
    kind = "Patient"
    graces = Graces(ask=30.0)


class Hurried(InProcess):
    kind = "Hurried"
    deadlines = Deadlines(run=0.3, silence=0.2)


class AsyncInProcess(Handler[Act]):
    kind = "AsyncInProcess"
    executor = "process"
    retry = RetryPolicy(attempts=1)
    graces = GRACES

    async def run(self, ctx: Context, payload: Act) -> Outcome:
        await ctx.step(f"in {os.getpid()}")
        if payload.name == "blocks":
            trace(payload, os.getpid())
            time.sleep(30)  # noqa: ASYNC251 - which is what it is tested for
        if payload.name == "waits":
            trace(payload, os.getpid())
            await asyncio.sleep(60)
        if payload.name == "listens":
            trace(payload, os.getpid())
            await ctx.cancelled.wait()
        return Success({"pid": os.getpid()})


class Idler(Handler[Any]):
    kind = "Idle"
    executor = "process"

    def run(self, ctx: BlockingContext, payload: Any) -> Outcome:
        time.sleep(0.2)
        return Success({"pid": os.getpid()})


@hookimpl
def windlass_register_handlers(settings: Settings) -> Iterable[Handler[Any]]:
    return [InProcess(), InThread(), Limited(), Tidy(), Patient(), Hurried(), AsyncInProcess(), Idler()]

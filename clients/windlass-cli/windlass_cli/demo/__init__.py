"""`windlass demo`: the kernel at work, on this machine, with real scripts."""

from __future__ import annotations

import sys

import typer


def demo() -> None:
    """Run real scripts on a server of its own, live.

    Data goes to WINDLASS_HOME, or to .windlass in the current folder. On a terminal the server stays up until Ctrl-C;
    without one the demo ends by itself: with 0, or with 1 when a task did not end as it should.
    """
    import asyncio

    from windlass_cli.demo.play import play

    code = asyncio.run(play(terminal=sys.stdin.isatty() and sys.stdout.isatty()))
    if code:
        raise typer.Exit(code)

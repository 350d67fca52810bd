"""`windlass`: assembles the commands, runs one, and leaves with its exit code.  Never with a traceback."""

from __future__ import annotations

import contextlib
import os
import sys

import typer

from windlass_cli.assembly import assemble
from windlass_cli.exits import CANCELED, NOBODY_READS, REFUSED, USAGE, Failure, NobodyReads, noticing_that_nobody_reads
from windlass_cli.harmless import one_line

ASKED_FOR_HELP = "NoArgsIsHelpError"
"""typer's word for a noun without a verb; its message is the help."""


def main() -> None:
    """The console script.  Exits with a code of exits.py."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit code.  WINDLASS_TRACEBACK=1 lets an error nobody foresaw out as it is."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what gRPC has to say comes as an error, in one line
    try:
        code = assemble(arguments)(arguments or ["--help"], standalone_mode=False, prog_name="windlass")
        with noticing_that_nobody_reads():
            sys.stdout.flush()
    except Failure as failure:
        return _complain(failure.message, failure.code)
    except NobodyReads:
        _write_to_nobody()
        return NOBODY_READS
    except typer.TyperException as wrong:
        if type(wrong).__name__ == ASKED_FOR_HELP:
            print(wrong.format_message())
            return 0
        context = getattr(wrong, "ctx", None)
        where = f' (see "{context.command_path} --help")' if context else ""
        return _complain(wrong.format_message() + where, USAGE)
    except (KeyboardInterrupt, typer.Abort):
        return CANCELED
    except Exception as error:
        if os.environ.get("WINDLASS_TRACEBACK"):
            raise
        return _complain(f"{type(error).__name__}: {error} (WINDLASS_TRACEBACK=1 shows where)", REFUSED)
    return code if isinstance(code, int) else 0


def _complain(message: str, code: int) -> int:
    with contextlib.suppress(OSError):
        print(f"error: {one_line(message)}", file=sys.stderr, flush=True)
    return code


def _write_to_nobody() -> None:
    """So that the interpreter's own last flush finds a place to write to."""
    nobody = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(nobody, stream.fileno())

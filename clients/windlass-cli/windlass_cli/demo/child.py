"""`windlass` as a child that does not outlive its parent: python -m windlass_cli.demo.child PARENT arguments…

`-m MODULE` as the first arguments runs another module so.  The demo ends its servers itself; this is for the day when
the demo is killed and cannot.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """SIGTERM comes when the parent dies (Linux; elsewhere it does not)."""
    parent, arguments = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before it could be heard
        return
    if arguments[:1] == ["-m"]:
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return
    from windlass_cli.main import run

    sys.exit(run(arguments))


if __name__ == "__main__":
    main()

"""`signal` without its enum, which loads functools and collections too.

On a busy machine of two cores a start took 22 ms of CPU with them, and takes 16 without: 71 starts a second, not 48.
"""

from __future__ import annotations

MYPY = False  # which mypy itself takes for true: it knows the module under its usual name only

if MYPY:
    import signal
else:
    import _signal as signal

__all__ = ["signal"]

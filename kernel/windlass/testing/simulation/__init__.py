"""A simulated cluster: the real node code over the memory store, on a virtual clock, with faults drawn from a seed.

`simulate(seed)` runs one history and returns its `Report`; the same seed gives the same trace, byte for byte.
"""

from windlass.testing.simulation.history import Report, simulate

__all__ = ["Report", "simulate"]

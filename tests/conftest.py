"""What every test may use."""

import signal

pytest_plugins = ["tests.needs", "tests.databases", "tests.poolers", "tests.valkeys"]

# A shell ignores Ctrl-C in what it starts in the background, and programs inherit that: those of tests must not.
signal.signal(signal.SIGINT, signal.default_int_handler)

"""One module for each sort of probe: `look_at(look, probe)` finds out, and answers with a `Finding`.

What is wrong with the thing itself is a finding; an exception says that the look could not be made.  Running out of
time is told by whoever calls.
"""

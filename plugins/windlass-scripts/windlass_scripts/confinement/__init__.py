"""Confinement of scripts: what this machine offers (`host`), and what a level means for one script (`Plan`).

`levels` names the levels and limits; `cgroups` finds where groups can be made and `rooms` makes ours there; `sandbox`
writes bubblewrap's command; `trial` tries them; `reporting` tells people.  What is decided here the runner carries
out: `runner.groups`, `runner.landlock`, `runner.disk`, `runner.sandboxed`.
"""

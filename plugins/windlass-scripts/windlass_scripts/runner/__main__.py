"""The entry, started by its path: `python -I -S …/runner/__main__.py CONTROL_FD JOB_FD tasks/7/attempts/1`.

The last argument is for people who read a list of processes.

Importing us as `windlass_scripts.runner` would run the plugin's own `__init__` and load the kernel's libraries with
it, at ten times the cost.  So the package is found under its short name, and its modules import each other relatively.
`python -m` and running the directory would load runpy, which costs as much again as all the rest.
"""

import os
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
__import__("runner.supervise", fromlist=["main"]).main(int(sys.argv[1]), int(sys.argv[2]))

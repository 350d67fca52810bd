"""What the keys do, for whoever asks."""

LINE = "enter details  i interrupt  r retry  p priority  f filter  tab history  ? help  q quit"

HELP = """\
up down j k       the task before, the task behind    page up, page down, home, end: further
enter             its details: attempts, timeline, output, and why it waits; again, and they close
[ ]               scroll the details (or shift with up and down)
tab               between the queue and the history
i                 interrupt it: asks why, then whether you are sure
r                 retry it, when it has ended: makes a new task
p                 a new priority, while it is in the queue
f /               show only what matches a filter, as in windlass active --filter
o                 the whole overview
q                 leave; so does Ctrl-C

The keys i, r and p mean the task in the details; without details, the one under the cursor.
A filter reads like: state = RUNNING AND kind = "ExecuteScript" AND priority >= 10
While the kernel is unreachable the screen keeps what was last known, and says as of when."""

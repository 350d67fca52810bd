"""What the keys do, for whoever asks."""

LINE = "enter details  i interrupt  r retry  p priority  f filter  tab  ? help  q quit"

HELP = """\
up down j k    the task before, the task behind
page up/down   a screen further; home, end: the first, the last
enter          its details: output, attempts, timeline, why it waits;
               again, or escape, and they close
[ ]            scroll the details (or shift with up and down)
tab            between the queue and the history
i              interrupt it: asks why, then whether you are sure
r              retry it, when it has ended: that makes a new task
p              a new priority, while it is in the queue
f /            only what matches a filter (empty: everything)
o              the whole overview
q              leave; so does Ctrl-C

i, r and p mean the task in the details; without them, the cursor's.
A filter reads like: state = RUNNING AND priority >= 10
While the kernel is unreachable, the screen keeps what was last known."""

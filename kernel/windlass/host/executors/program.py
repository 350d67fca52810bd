"""The worker program: `python -P -u -m windlass.host.executors.program CHANNEL_FD GUARD_PID`, started by the guard.

The main thread runs tasks, one at a time, because signals are raised there; a second one listens to the node.
"""

from __future__ import annotations

import os
import queue
import resource
import signal
import socket
import sys
import threading

from windlass.errors import WindlassError
from windlass.host.executors import wire
from windlass.host.executors.guard.prctl import adopt_orphans, die_with_parent
from windlass.host.executors.jobs import Job
from windlass.host.executors.words import Interrupting, Line
from windlass.host.plugins import Plugins, load_plugins


class Worker:
    def __init__(self, line: Line, interrupting: Interrupting, plugins: Plugins) -> None:
        self._line = line
        self._interrupting = interrupting
        self._plugins = plugins
        self._orders: queue.SimpleQueue[Job | wire.Done] = queue.SimpleQueue()
        self._job: Job | None = None

    def work(self) -> None:
        threading.Thread(target=self._listen, name="listener", daemon=True).start()
        self._line.send(wire.Ready())
        while True:
            order = self._orders.get()
            self._line.send(order.run() if isinstance(order, Job) else order)

    def _order(self, run: wire.Run) -> Job | wire.Done:
        kind = self._plugins.kinds.get(run.task.kind)
        if kind is None:
            wrong = self._plugins.quarantined or "its plugin is not installed where workers find it"
            return wire.Done("retry", f"the worker process does not know the kind {run.task.kind}: {wrong}")
        # Kept when it is over: to be told once more is harmless then.
        self._job = Job(run, kind.handler, kind.decode, self._line, self._interrupting)
        return self._job

    def _listen(self) -> None:
        while True:
            try:
                message = self._line.receive()
                if message is None:
                    os._exit(0)  # the node let us go, or is gone
                self._heed(message)
            except MemoryError:
                continue  # the handler's limit is ours too

    def _heed(self, message: wire.FromNode) -> None:
        match message:
            case wire.Run():
                self._orders.put(self._order(message))
            case wire.Ask() if self._job is not None:
                self._job.ask()
            case wire.Answer() if self._job is not None:
                self._job.answered(message)
            case wire.Raise() if self._job is not None:
                self._job.interrupt()


def main(channel: int, guard: int) -> None:
    os.set_inheritable(channel, False)
    adopt_orphans()
    die_with_parent(signal.SIGKILL)
    if os.getppid() != guard:  # it died before the line above
        os._exit(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    interrupting = Interrupting()
    line = Line(socket.socket(fileno=channel), interrupting)
    boot = line.receive()
    if not isinstance(boot, wire.Boot):
        os._exit(0)
    sys.path += [entry for entry in boot.path if entry not in sys.path]
    try:
        recipe = boot.recipe
        plugins = load_plugins(recipe.config, recipe.modules, installed=recipe.installed)
    except WindlassError as error:
        line.send(wire.Ready(broken=error.message))
        os._exit(1)
    Worker(line, interrupting, plugins).work()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

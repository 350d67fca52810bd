"""Which process a node is, and whether it has surely ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from windlass.host.process import is_gone, started, this_process
from windlass.store.facts import NodeFacts

from tests.waiting import eventually


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """Another process, which ends when its input is closed."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    yield process
    process.communicate()


def _node(pid: int, pid_started: int) -> NodeFacts:
    return NodeFacts(name="host/1", machine="m", pid=pid, pid_started=pid_started, kinds=())


def test_this_process_is_not_gone() -> None:
    me = this_process(("Greet",))
    assert (me.pid, me.kinds) == (os.getpid(), ("Greet",))
    assert me.name.endswith(f"/{os.getpid()}")
    assert me.pid_started > 0
    assert not is_gone(me)


def test_a_machine_is_its_boot_and_its_pid_namespace() -> None:
    boot, namespace = this_process(()).machine.split(" ")
    assert len(boot) == 36
    assert namespace == os.readlink("/proc/self/ns/pid")


async def test_a_process_that_ended_is_gone_even_before_it_is_reaped(child: subprocess.Popen[bytes]) -> None:
    node = _node(child.pid, started(child.pid) or 0)
    assert not is_gone(node)
    child.kill()
    await eventually(lambda: is_gone(node))
    assert child.returncode is None, "it is a zombie still: nobody has asked for its exit code"
    child.wait()
    assert is_gone(node)


def test_another_process_with_the_same_pid_is_not_the_node() -> None:
    assert is_gone(_node(os.getpid(), (started(os.getpid()) or 0) + 1))


def test_a_process_whose_start_is_unknown_is_never_called_gone() -> None:
    assert not is_gone(_node(2**22 + 1, 0))


def test_a_name_with_brackets_and_spaces_does_not_confuse_the_reader() -> None:
    with open(f"/proc/{os.getpid()}/comm") as file:
        name = file.read().strip()
    before = started(os.getpid())
    try:
        with open(f"/proc/{os.getpid()}/comm", "w") as file:
            file.write("a) Z (b 1")
        assert started(os.getpid()) == before
    finally:
        with open(f"/proc/{os.getpid()}/comm", "w") as file:
            file.write(name)

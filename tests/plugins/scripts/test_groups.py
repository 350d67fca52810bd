"""Groups as the runner makes, kills and removes them, where version 2 can kill and where it can't."""

import subprocess
from pathlib import Path

import pytest
from windlass_scripts.confinement.cgroups import find_trees, this_process
from windlass_scripts.confinement.levels import Limits
from windlass_scripts.confinement.rooms import leave_rooms, step_aside, take_rooms
from windlass_scripts.runner.groups import complaints, kill_groups, make_groups, remove_groups
from windlass_scripts.runner.plan import Group

from tests.waiting import eventually

FORKING = "while :; do sleep 600 & sleep 0.001; done"


@pytest.fixture
def rooms():
    found = take_rooms(find_trees(*this_process()))
    yield found
    leave_rooms(found)


@pytest.mark.parametrize("only", ["all trees", "without cgroup.kill"])
async def test_whoever_keeps_forking_is_killed_in_one_go(rooms, only):
    groups = [room.group("forking", Limits(pids_max=50)) for room in rooms]
    if only == "without cgroup.kill":
        groups = [group for group, room in zip(groups, rooms, strict=True) if room.tree.version == 1]
        assert groups, "this machine has no cgroup v1 to try"
    make_groups(groups)
    enter = "".join(f"echo 0 > {group.path}/cgroup.procs\n" for group in groups)
    with subprocess.Popen(  # noqa: ASYNC220 - it has to be killed by others
        ["bash", "-c", enter + FORKING], stderr=subprocess.DEVNULL
    ) as sh:
        await eventually(lambda: complaints(groups)["forks_refused"] > 0)
        # Where it gets little CPU, fewer have entered by then.
        assert kill_groups(groups) >= 10
        assert sh.wait(5) == -9
        assert remove_groups(groups)


def test_a_group_whose_limit_is_refused_leaves_no_group(rooms):
    groups = [room.group("wrong", Limits()) for room in rooms]
    groups[-1].limits.append(("no.such.file", "1"))
    with pytest.raises(FileNotFoundError):
        make_groups(groups)
    make_groups([room.group("wrong", Limits()) for room in rooms])
    assert remove_groups(groups)


def test_processes_step_aside_where_version_2_wants_it(rooms):
    """Into a group below, which a kernel that starts later in there knows for what it is."""
    room = next(room for room in rooms if room.tree.version == 2)
    enter = f"echo 0 > {room.path}/cgroup.procs; echo in; exec sleep 600"
    with subprocess.Popen(["sh", "-c", enter], stdout=subprocess.PIPE) as sleeper:
        assert sleeper.stdout
        assert sleeper.stdout.readline() == b"in\n"
        step_aside(room.path)
        own = Path(f"/proc/{sleeper.pid}/cgroup").read_text()
        assert f"/{Path(room.path).name}/windlass-kernel\n" in own
        assert find_trees(this_process()[0], own)[0].base == room.path
        sleeper.kill()
    assert remove_groups([Group(f"{room.path}/windlass-kernel", [])])

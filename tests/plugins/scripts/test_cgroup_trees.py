"""Which cgroup trees are used, on systems that this one is not: read from the texts such systems have."""

from pathlib import Path

import pytest
from windlass_scripts.confinement.cgroups import Tree, find_trees
from windlass_scripts.confinement.levels import Limits
from windlass_scripts.confinement.rooms import NoRoom, Room, take_rooms

MIB = 1024 * 1024


def mounted(kind: str, point: Path | str, options: str, root: str = "/") -> str:
    return f"30 23 0:26 {root} {point} rw,nosuid,nodev - {kind} {kind} rw,{options}"


def tree_of(version: int, base: Path | str, *controllers: str) -> Tree:
    return Tree(version, str(base), frozenset(controllers))


@pytest.fixture
def unified(tmp_path: Path) -> Path:
    """A system with version 2 alone, as systemd sets it up."""
    for group in ("", "system.slice", "system.slice/windlass.service"):
        (tmp_path / group).mkdir(exist_ok=True)
        (tmp_path / group / "cgroup.controllers").write_text("cpu io memory pids\n")
    return tmp_path


def test_version_2_carries_everything_where_it_can(unified):
    found = find_trees(mounted("cgroup2", unified, "nsdelegate"), "0::/system.slice/windlass.service\n")
    assert found == [tree_of(2, unified / "system.slice/windlass.service", "pids", "memory", "cpu")]


def test_a_kernel_that_stepped_aside_finds_the_group_it_came_from(unified):
    found = find_trees(mounted("cgroup2", unified, "x"), "0::/system.slice/windlass.service/windlass-kernel\n")
    assert found[0].base == f"{unified}/system.slice/windlass.service"


def test_a_group_that_the_operator_names_is_used_instead(unified):
    found = find_trees(mounted("cgroup2", unified, "x"), "0::/elsewhere\n", within="/system.slice")
    assert found == [tree_of(2, unified / "system.slice", "pids", "memory", "cpu")]


def test_version_1_carries_what_version_2_beside_it_does_not(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("")
    (tmp_path / "cgroup.procs").write_text("")
    mounts = [
        mounted("cgroup", "/cg/cpu,cpuacct", "cpu,cpuacct"),
        mounted("cgroup", "/cg/memory", "memory"),
        mounted("cgroup", "/cg/pids", "pids"),
        mounted("cgroup", "/cg/systemd", "name=systemd"),
        mounted("cgroup2", tmp_path, "x"),
        mounted("tmpfs", "/tmp", "x"),
    ]
    own = "4:memory:/here\n3:cpu,cpuacct:/\n2:pids:/\n1:name=systemd:/\n0::/\n"
    assert find_trees("\n".join(mounts), own) == [
        tree_of(2, tmp_path),
        tree_of(1, "/cg/cpu,cpuacct", "cpu"),
        tree_of(1, "/cg/memory/here", "memory"),
        tree_of(1, "/cg/pids", "pids"),
    ]


def test_a_version_2_that_could_only_kill_is_left_out_where_we_may_move_no_process(tmp_path):
    mounts = mounted("cgroup2", tmp_path, "x") + "\n" + mounted("cgroup", "/cg/pids", "pids")
    assert find_trees(mounts, "2:pids:/\n0::/\n") == [tree_of(1, "/cg/pids", "pids")]


def test_a_containers_mount_that_begins_at_its_own_group_is_understood():
    mounts = mounted("cgroup", "/cg/pids", "pids", root="/docker/4711")
    assert find_trees(mounts, "4:pids:/docker/4711\n") == [tree_of(1, "/cg/pids", "pids")]
    assert find_trees(mounts, "4:pids:/docker/4711/inner\n") == [tree_of(1, "/cg/pids/inner", "pids")]


def test_limits_nobody_carries_are_named():
    with pytest.raises(NoRoom, match="no cgroup tree here carries limits of cpu, memory"):
        take_rooms([tree_of(1, "/nowhere", "pids")])


def test_a_group_that_cannot_be_made_is_named():
    with pytest.raises(NoRoom, match=r"no cgroup can be made: /nowhere/windlass-scripts-.*: No such file or directory"):
        take_rooms([tree_of(1, "/nowhere", "pids", "memory", "cpu")])


def test_each_version_is_told_the_limits_in_its_own_words(tmp_path):
    limits = Limits(pids_max=7, memory_max=64 * MIB, cpu_max=0.5)
    (tmp_path / "memory.swap.max").write_text("max")
    new = Room(tree_of(2, tmp_path, "pids", "memory", "cpu"), str(tmp_path), -1).group("a", limits)
    assert new.limits == [
        ("cpu.max", "50000 100000"),
        ("memory.max", "67108864"),
        ("memory.swap.max", "0"),
        ("pids.max", "7"),
    ]
    old = Room(tree_of(1, "/nowhere", "pids", "memory", "cpu"), "/nowhere", -1).group("a", limits)
    assert old.limits == [
        ("cpu.cfs_period_us", "100000"),
        ("cpu.cfs_quota_us", "50000"),
        ("memory.limit_in_bytes", "67108864"),
        ("pids.max", "7"),
    ]

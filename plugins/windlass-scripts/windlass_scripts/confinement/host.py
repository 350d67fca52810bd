"""What this machine offers, found out once, and the plan that confines one script with it."""

from __future__ import annotations

import asyncio
import atexit
import errno
import os
import tempfile
import threading

import msgspec
from windlass import Rejected

from windlass_scripts.confinement.cgroups import Tree, find_trees, this_process
from windlass_scripts.confinement.levels import Level, Limits
from windlass_scripts.confinement.rooms import CGROUP_ADVICE, NoRoom, Room, leave_rooms, sweep_rooms, take_rooms
from windlass_scripts.confinement.sandbox import View, find_bubblewrap, hides, sandbox_command
from windlass_scripts.confinement.trial import attempt
from windlass_scripts.process import NotStarted
from windlass_scripts.runner.landlock import LEAST_ABI, landlock_abi
from windlass_scripts.runner.place import HOME
from windlass_scripts.runner.plan import Plan
from windlass_scripts.settings import ScriptsSettings

_SANDBOX_ADVICE = (
    "allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0, "
    "on Ubuntu an AppArmor profile for bwrap), and under systemd set ProtectKernelTunables=no and RestrictNamespaces=no"
)


class Capability(msgspec.Struct, frozen=True):
    """Whether a level can be had here: by what, or why not and what would help."""

    level: Level
    is_available: bool
    by: str = ""
    reason: str = ""
    advice: str = ""


class Host:
    """One per kernel process and settings; cheap to make.  `capabilities` may be called from any thread."""

    def __init__(self, settings: ScriptsSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self.rooms: list[Room] = []
        self._known: dict[Level, Capability] | None = None
        self._is_closed = False

    @property
    def known(self) -> dict[Level, Capability] | None:
        """What was found out; None until somebody has asked."""
        return self._known

    def needs(self, level: Level) -> bool:
        """Whether a task that names no level needs this one."""
        return level is self.settings.confinement

    def capabilities(self, *, again: bool = False) -> dict[Level, Capability]:
        """Find out, the first time or `again`.  Blocks for some 0.1 s.  Empty once closed."""
        with self._lock:
            if self._is_closed:
                return {}
            if self._known is None or again:
                self._known = self._find_out()
            return self._known

    def close(self) -> None:
        """Give back what finding out has taken, once nobody finds out any more."""
        with self._lock:
            self._is_closed = True
            leave_rooms(self.rooms)
            self.rooms.clear()

    async def require(self, level: Level) -> None:
        """Raises Rejected, with the reason, when this machine can't confine a script so."""
        if level is Level.BASIC:
            return
        known = self._known
        found = (known if known is not None else await asyncio.to_thread(self.capabilities))[level]
        if not found.is_available:
            raise Rejected(f"confinement: {level.value!r} can't be had on this node: {found.reason}; {found.advice}")

    def plan(self, level: Level, limits: Limits, root: str, name: str, working_directory: str = "") -> Plan:
        """How to confine the script whose private directory is `root`; `name` is unique, and names its cgroups.

        Raises NotStarted when a piece of it is no longer there, for without it the level would be another one, and
        Rejected for a `working_directory` that the script could not see.
        """
        plan = Plan()
        plan.rlimits = self.settings.rlimits()
        if level is not Level.BASIC:
            if not self.rooms:
                raise NotStarted("cgroup", errno.ENOENT)
            plan.groups = [room.group(name, _with_sandbox(limits, level)) for room in self.rooms]
        if level is Level.CONFINED:
            self._hold_to_paths(plan, limits, root)
        elif level is Level.STRICT:
            self._put_into_sandbox(plan, limits, root, working_directory)
        return plan

    def _hold_to_paths(self, plan: Plan, limits: Limits, root: str) -> None:
        plan.disk = limits.disk_max
        plan.writable = [os.path.join(root, HOME.decode()), *self.settings.writable_paths]
        plan.readable = [root]
        # The place where scripts have their private directories: none reads another's.
        plan.denied = [*self._denied(), os.path.dirname(root)]

    def _put_into_sandbox(self, plan: Plan, limits: Limits, root: str, working_directory: str) -> None:
        bubblewrap = find_bubblewrap()
        if bubblewrap is None:  # it was there when we looked
            raise NotStarted("sandbox", errno.ENOENT)
        view = View(
            place=os.path.dirname(root),
            home=os.path.join(root, HOME.decode()),
            size=limits.disk_max,
            readable=[root],
            writable=self.settings.writable_paths,
            denied=self._denied(),
        )
        # Nothing is shown for a task's asking: whoever names /run would be given every socket in it.
        if working_directory and hides(view, os.path.realpath(working_directory)):
            raise Rejected(f"working_directory: {working_directory!r} can't be seen by a strict script; use another")
        plan.sandbox = sandbox_command(bubblewrap, view)

    def _denied(self) -> list[str]:
        secrets = filter(None, [self.settings.secrets_directory])
        return [os.path.realpath(path) for path in [*self.settings.denied_paths, *secrets]]

    def _find_out(self) -> dict[Level, Capability]:
        basic = Capability(Level.BASIC, True, by="session, subreaper, resource limits, no new privileges")
        try:
            trees = self._take_rooms()
        except NoRoom as none:
            return {Level.BASIC: basic} | {
                level: Capability(level, False, reason=none.reason, advice=none.advice)
                for level in (Level.CONFINED, Level.STRICT)
            }
        limits = "limits by " + _described(trees)
        return {Level.BASIC: basic, Level.CONFINED: self._try_confined(limits), Level.STRICT: self._try_strict(limits)}

    def _take_rooms(self) -> list[Tree]:
        trees = find_trees(*this_process(), within=self.settings.cgroup)
        sweep_rooms(trees)
        if not self.rooms:
            self.rooms = take_rooms(trees)
            atexit.register(leave_rooms, self.rooms)
        return trees

    def _try_confined(self, limits: str) -> Capability:
        abi = landlock_abi()
        if abi < LEAST_ABI:
            has = f"has version {abi}" if abi else "has none, or it is switched off"
            reason = f"file rules need version {LEAST_ABI} of Landlock, and this system {has}"
            return Capability(Level.CONFINED, False, reason=reason, advice="use Linux 6.2 or newer, or 'strict'")
        return self._tried(Level.CONFINED, f"{limits}; file rules by Landlock {abi}", "use 'strict'")

    def _try_strict(self, limits: str) -> Capability:
        if find_bubblewrap() is None:
            reason, advice = "bubblewrap is not installed", "install it (apt install bubblewrap)"
            return Capability(Level.STRICT, False, reason=reason, advice=advice)
        return self._tried(Level.STRICT, f"{limits}; sandbox by bubblewrap", _SANDBOX_ADVICE)

    def _tried(self, level: Level, by: str, advice: str) -> Capability:
        parent = os.path.realpath(self.settings.directory or tempfile.gettempdir())
        reason = attempt(parent, lambda root: self.plan(level, self.settings.limits, root, os.path.basename(root)))
        if reason:
            advice = CGROUP_ADVICE if reason.startswith("cgroup: ") else advice
            return Capability(level, False, reason=reason, advice=advice)
        return Capability(level, True, by=by)


def _with_sandbox(limits: Limits, level: Level) -> Limits:
    """The sandbox's own three processes are not the script's."""
    return msgspec.structs.replace(limits, pids_max=limits.pids_max + 3) if level is Level.STRICT else limits


def _described(trees: list[Tree]) -> str:
    """ "cgroup v1 (cpu, memory, pids) and v2 (kill)"."""
    carried = {tree.version: "kill" for tree in trees}
    for version in carried:
        names = sorted(name for tree in trees if tree.version == version for name in tree.controllers)
        carried[version] = ", ".join(names) or "kill"
    return "cgroup " + " and ".join(f"v{version} ({carried[version]})" for version in sorted(carried))

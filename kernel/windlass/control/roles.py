"""Which role each RPC demands at least.  A server with an RPC that is not in this table does not start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from windlass.core.access import Role
from windlass.errors import BootError

VIEWER, SUBMITTER, OPERATOR, ADMIN, AGENT = Role.VIEWER, Role.SUBMITTER, Role.OPERATOR, Role.ADMIN, Role.AGENT

OPEN_TO_ALL = frozenset({"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch", "/grpc.health.v1.Health/List"})
"""What load balancers and probes ask, without a token."""

REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
"""What there is to be called, for tools; served in developer mode only, to whoever may look."""

ROLES: Mapping[str, Mapping[str, Role]] = {
    "Tasks": {
        "Enqueue": SUBMITTER,
        "BatchEnqueue": SUBMITTER,
        "EnqueueStream": SUBMITTER,
        "Get": VIEWER,
        "List": VIEWER,
        "Interrupt": OPERATOR,
        "Retry": OPERATOR,
        "Reprioritize": OPERATOR,
        "Explain": VIEWER,
        "Watch": VIEWER,
        "WatchQueue": VIEWER,
        "BulkInterrupt": OPERATOR,
        "BulkRetry": OPERATOR,
        "BulkReprioritize": OPERATOR,
    },
    "History": {"Get": VIEWER, "List": VIEWER, "ListSteps": VIEWER, "ReadOutput": VIEWER},
    "Overview": {"GetOverview": VIEWER, "WatchOverview": VIEWER},
    "Schedules": {
        "Create": OPERATOR,
        "Get": VIEWER,
        "List": VIEWER,
        "Update": OPERATOR,
        "Delete": OPERATOR,
        "Pause": OPERATOR,
        "Resume": OPERATOR,
        "Run": OPERATOR,
        "ListTicks": VIEWER,
    },
    "Cluster": {
        "GetServerInfo": VIEWER,
        "ListNodes": VIEWER,
        "DrainNode": OPERATOR,
        "ResumeNode": OPERATOR,
        "ListAgents": VIEWER,
        "GetAgent": VIEWER,
        "DrainAgent": OPERATOR,
        "ForgetAgent": OPERATOR,
        "ResumeAgent": OPERATOR,
        "ListPools": VIEWER,
        "GetPool": VIEWER,
        "ResizePool": OPERATOR,
        "PausePool": OPERATOR,
        "ResumePool": OPERATOR,
        "ListKinds": VIEWER,
        "GetKind": VIEWER,
        "PauseKind": OPERATOR,
        "ResumeKind": OPERATOR,
        "ListLanes": VIEWER,
        "Reload": ADMIN,
    },
    "Workers": {"Session": AGENT},
    # What a single operation demands is said where it is registered, and checked there.
    "Operations": {"List": VIEWER, "Call": VIEWER},
    "Access": {
        "WhoAmI": VIEWER,
        "CreateToken": ADMIN,
        "ListTokens": ADMIN,
        "RevokeToken": ADMIN,
        "ListAudit": ADMIN,
    },
}


_SCOPED: Mapping[str, tuple[str, ...]] = {
    "Tasks": (
        *("Enqueue", "BatchEnqueue", "EnqueueStream", "Get", "List", "Interrupt", "Retry", "Reprioritize"),
        *("Explain", "Watch", "WatchQueue", "BulkInterrupt", "BulkRetry", "BulkReprioritize"),
    ),
    "History": ("Get", "List", "ListSteps", "ReadOutput"),
    "Overview": ("GetOverview", "WatchOverview"),
    "Cluster": (
        *("GetServerInfo", "ListPools", "GetPool", "ResizePool", "PausePool", "ResumePool"),
        # What can be asked for is the same for all, and no work of anybody.
        *("ListKinds", "GetKind"),
    ),
    "Access": ("WhoAmI", "CreateToken", "ListTokens", "RevokeToken"),
    "Workers": ("Session",),
}
SCOPED = frozenset(f"/windlass.v1.{service}/{name}" for service, names in _SCOPED.items() for name in names)
"""What a token for some pools may call as well: these look at the scope themselves (control/scope.py).  Everything
else concerns the whole cluster and is refused before it runs, also what is new and was forgotten here."""


def role_of(method: str) -> Role | None:
    """The least role for `/windlass.v1.Tasks/Get`; None for what is not in the table: nobody may call that."""
    if method == REFLECTION:
        return VIEWER
    service, _, name = method.removeprefix("/windlass.v1.").partition("/")
    return ROLES.get(service, {}).get(name)


def check_roles(methods: Iterable[str]) -> None:
    """Raises `BootError` when a method that is served (`/windlass.v1.Tasks/Get`) has no role."""
    missing = sorted(method for method in methods if method not in OPEN_TO_ALL and role_of(method) is None)
    if missing:
        raise BootError(f"no role is set for {', '.join(missing)}: name one in control/roles.py")

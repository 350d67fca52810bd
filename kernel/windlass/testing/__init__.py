"""What tests are made of: a harness for handlers, the contract they have to keep, and a clock that is not real.

`docs/plugins.md` shows how they are used.  `simulation/` is the kernel's own: a cluster on paper.
"""

from windlass.core.interrupts import Rung
from windlass.core.lifecycle import State, Verdict
from windlass.errors import (
    ArgumentInvalid,
    BootError,
    InvalidArgument,
    OperationRejected,
    PayloadInvalid,
    RoleTooLow,
    UnknownKind,
)
from windlass.testing.conformance import HandlerContract, check_handler_keeps_contract
from windlass.testing.harness import Harness
from windlass.testing.made import Made
from windlass.testing.record import Child, Progress, Run, Stage, Step, Visit
from windlass.testing.virtual import Deadlock, run_virtually, virtual

__all__ = [
    "ArgumentInvalid",
    "BootError",
    "Child",
    "Deadlock",
    "HandlerContract",
    "Harness",
    "InvalidArgument",
    "Made",
    "OperationRejected",
    "PayloadInvalid",
    "Progress",
    "RoleTooLow",
    "Run",
    "Rung",
    "Stage",
    "State",
    "Step",
    "UnknownKind",
    "Verdict",
    "Visit",
    "check_handler_keeps_contract",
    "run_virtually",
    "virtual",
]

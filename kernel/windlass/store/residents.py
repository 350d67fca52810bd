"""The contract of residents: of each, exactly one task is kept alive."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import msgspec

from windlass.store.facts import Membership, NewTask, Receipt


class ResidentTask(msgspec.Struct, frozen=True):
    """The task to be made for a resident, which its kind and `key` name."""

    key: str
    task: NewTask


class Residents(ABC):
    @abstractmethod
    async def keep(self, membership: Membership, residents: Sequence[ResidentTask]) -> list[Receipt]:
        """Store a task for each of these whose last one is over, or that never had one; what was stored.

        Nothing when the term is over, or another leader was quicker: look again later.
        """

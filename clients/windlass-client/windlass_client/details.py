"""What a refusal says beside its words and its reason: the messages of google.rpc, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A field of the request that is to blame (`task.payload`)."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class PreconditionViolation:
    """Something that must change first: a sort of condition, and what it is about."""

    type: str
    subject: str
    description: str


@dataclass(frozen=True, slots=True)
class QuotaViolation:
    """A limit that was reached, and whose it is."""

    subject: str
    description: str


@dataclass(frozen=True, slots=True)
class ResourceInfo:
    """The thing that is missing, or that there is already."""

    resource_type: str
    resource_name: str
    owner: str
    description: str


@dataclass(frozen=True, slots=True)
class Details:
    """Empty where the server said nothing.  retry_delay: seconds after which another try may succeed."""

    fields: tuple[FieldViolation, ...] = ()
    preconditions: tuple[PreconditionViolation, ...] = ()
    quotas: tuple[QuotaViolation, ...] = ()
    resources: tuple[ResourceInfo, ...] = ()
    retry_delay: float | None = None

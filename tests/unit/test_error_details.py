"""Beside its words an error carries one ErrorInfo, and the detail of google.rpc that fits its status."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from windlass import errors
from windlass.control.status import code_of, details_of


def told(error: errors.WindlassError) -> list[Any]:
    status = status_pb2.Status.FromString(details_of(error))
    assert status.code == code_of(error).value[0]
    found = []
    for packed in status.details:
        message = getattr(error_details_pb2, packed.type_url.rpartition(".")[2])()
        assert packed.Unpack(message)
        found.append(message)
    return found


def test_a_field_that_is_to_blame_is_a_bad_request() -> None:
    info, bad = told(errors.InvalidArgument("priority is 101", field="task.priority"))
    assert (info.reason, info.domain) == ("INVALID_ARGUMENT", "windlass")
    assert [(one.field, one.description) for one in bad.field_violations] == [("task.priority", "priority is 101")]


@pytest.mark.parametrize(
    "error", [errors.TaskNotFound("none", task=5), errors.ScheduleExists("one", schedule="hourly")]
)
def test_what_is_missing_or_there_already_is_named(error: errors.WindlassError) -> None:
    _, found = told(error)
    assert found.resource_name in ("tasks/5", "schedules/hourly")
    assert found.resource_type.startswith("windlass.v1/")


@pytest.mark.parametrize(
    "error", [errors.TaskOver("over", task=5, state="FAILED"), errors.AttemptSuperseded("late", task=5)]
)
def test_a_state_that_forbids_it_is_a_precondition(error: errors.WindlassError) -> None:
    info, found = told(error)
    [violation] = found.violations
    assert (violation.type, violation.subject, violation.description) == (info.reason, "tasks/5", error.message)


@pytest.mark.parametrize("error", [errors.StoreUnavailable("away"), errors.ShuttingDown("going")])
def test_what_may_be_repeated_says_when(error: errors.WindlassError) -> None:
    assert code_of(error) is grpc.StatusCode.UNAVAILABLE
    _, retry = told(error)
    assert 0 < retry.retry_delay.ToTimedelta().total_seconds() < 1


def test_a_limit_that_is_reached_is_a_quota() -> None:
    _, quota = told(errors.TooManyCalls("too many"))
    assert [one.subject for one in quota.violations] == ["TOO_MANY_CALLS"]


def test_what_fits_nothing_has_its_reason_alone() -> None:
    assert len(told(errors.RoleTooLow("too low", needed="operator", role="viewer"))) == 1


def test_details_of_endless_words_fit_into_a_trailer() -> None:
    assert len(details_of(errors.InvalidArgument("é" * 50_000, field="f" * 50_000, task="t" * 50_000))) < 4_096

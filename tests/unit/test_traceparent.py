"""Trace context as a task keeps it."""

from __future__ import annotations

import pytest
from windlass.telemetry.traceparent import carrier, kept, trace_id

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.mark.parametrize("tracestate", ["", "vendor=opaque,other=a b"])
def test_what_is_kept_comes_back_as_it_came(tracestate: str) -> None:
    trace = kept(PARENT, tracestate)
    assert trace is not None
    headers = carrier(trace)
    assert (headers["traceparent"], headers.get("tracestate", "")) == (PARENT, tracestate)
    assert trace_id(trace) == TRACE


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "nonsense",
        PARENT.upper(),
        PARENT[:-1],
        f"{PARENT}-more",
        f"ff{PARENT[2:]}",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"{PARENT}\n",
    ],
)
def test_what_is_no_trace_context_is_left_out(wrong: str) -> None:
    assert kept(wrong) is None


@pytest.mark.parametrize("wrong", ["a=b\0", "a=ü", "a=" + "b" * 512])
def test_a_trace_state_that_is_none_is_left_out_alone(wrong: str) -> None:
    assert kept(PARENT, wrong) == PARENT

"""Which exporters the standard variables ask for."""

from __future__ import annotations

import pytest
from windlass.errors import BootError
from windlass.telemetry.exporting import METRICS, TRACES, make, wanted


@pytest.mark.parametrize(
    ("environ", "traces", "metrics"),
    [
        ({}, [], []),
        ({"OTEL_SERVICE_NAME": "x", "OTEL_BSP_SCHEDULE_DELAY": "5"}, [], []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317"}, ["otlp"], ["otlp"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4317"}, ["otlp"], []),
        ({"OTEL_TRACES_EXPORTER": "otlp, console"}, ["otlp", "console"], []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_METRICS_EXPORTER": "none"}, ["otlp"], []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_SDK_DISABLED": "TRUE"}, [], []),
    ],
)
def test_nothing_is_exported_unless_it_is_asked_for(
    environ: dict[str, str], traces: list[str], metrics: list[str]
) -> None:
    assert (wanted(TRACES, environ), wanted(METRICS, environ)) == (traces, metrics)


def test_a_protocol_nobody_installed_is_named_with_those_there_are() -> None:
    with pytest.raises(BootError, match=r"no exporter 'otlp_proto_http' for traces .* otlp_proto_grpc"):
        make(TRACES, ["otlp"], {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"})

"""Which exporters the standard OTEL_* variables ask for.  OpenTelemetry itself is imported only to make one."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from windlass.errors import BootError

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

TRACES, METRICS = "TRACES", "METRICS"
PROTOCOLS = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}
CLOSE_SECONDS = 3.0
"""What a receiver that is away may cost at the end of the process, for each signal."""


def wanted(signal: str, environ: Mapping[str, str]) -> list[str]:
    """The names of the exporters for TRACES or METRICS; none unless one is named, or an endpoint is set."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    named = environ.get(f"OTEL_{signal}_EXPORTER", "")
    if not named.strip() and not any(environ.get(name) for name in _endpoints(signal)):
        return []
    return [name for name in map(str.strip, (named or "otlp").split(",")) if name not in ("", "none")]


def make(signal: str, names: list[str], environ: Mapping[str, str]) -> list[Any]:
    """These exporters, from whatever distribution brings them.  Raises `BootError`."""
    return [_make(signal, name, environ) for name in names]


def resource(environ: Mapping[str, str], node: str) -> Resource:
    """Who tells: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, and which process."""
    from opentelemetry.sdk.resources import Resource

    given = environ.get("OTEL_SERVICE_NAME") or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Resource.create({"service.instance.id": node} | ({} if given else {"service.name": "windlass"}))


def _endpoints(signal: str) -> tuple[str, str]:
    return "OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"


def _make(signal: str, name: str, environ: Mapping[str, str]) -> Any:
    group = f"opentelemetry_{signal.lower()}_exporter"
    known = {point.name: point for point in entry_points(group=group)}
    if name == "otlp":
        variables = (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
        protocol = next(filter(None, map(environ.get, variables)), "grpc")
        name = PROTOCOLS.get(protocol, protocol)
    if name not in known:
        there = ", ".join(sorted(known))
        raise BootError(f"no exporter {name!r} for {signal.lower()} is installed; there are {there} (OTEL_* variables)")
    try:
        return known[name].load()()
    except Exception as error:
        raise BootError(f"the exporter {name!r} for {signal.lower()} can't be made: {error}") from error

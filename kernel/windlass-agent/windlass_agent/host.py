"""What this machine is, as far as it can be found out."""

from __future__ import annotations

import platform
import socket
from datetime import UTC, datetime
from importlib.metadata import version

import psutil
from google.protobuf.timestamp_pb2 import Timestamp
from windlass_proto.v1 import agent_pb2

MOST_ADDRESSES = 20


def this_host(labels: dict[str, str]) -> agent_pb2.Host:
    """The host that this process runs on."""
    booted = Timestamp()
    booted.FromDatetime(datetime.fromtimestamp(psutil.boot_time(), UTC))
    return agent_pb2.Host(
        hostname=socket.gethostname(),
        addresses=_addresses(),
        os=_os(),
        os_kernel=platform.release(),
        architecture=platform.machine(),
        cpus=_cpus(),
        memory_bytes=psutil.virtual_memory().total,
        boot_time=booted,
        python_version=platform.python_version(),
        agent_version=version("windlass-agent"),
        labels=labels,
    )


def _addresses() -> list[str]:
    found = [
        address.address.partition("%")[0]
        for of_one in psutil.net_if_addrs().values()
        for address in of_one
        if address.family in (socket.AF_INET, socket.AF_INET6)
    ]
    others = [address for address in dict.fromkeys(found) if address != "::1" and not address.startswith("127.")]
    return others[:MOST_ADDRESSES]


def _os() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()


def _cpus() -> int:
    return len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else psutil.cpu_count() or 0

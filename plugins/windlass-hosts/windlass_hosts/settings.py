"""`[plugins.hosts]` in windlass.toml: what may be done to this host.  Nothing that changes it, unless named here."""

from __future__ import annotations

from ipaddress import ip_network

import msgspec

from windlass_hosts.names import check_unit
from windlass_hosts.paths import parts_of

EVERYWHERE = ("0.0.0.0/0", "::/0")


class HostsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times are seconds."""

    units: list[str] = []
    """Units of systemd that RestartUnit may restart, by their whole names: `["nginx.service"]`."""

    systemctl: str = "systemctl"
    """The program, by its path or its name."""

    unit_timeout: float = 90.0
    """How long a unit may take until it is active, for tasks that name no time."""

    steady: float = 1.0
    """How long a restarted unit must stay active before it is believed."""

    directories: list[str] = []
    """Directories below which PushFile may write: real ones, no symbolic links anywhere on the way."""

    ping_networks: list[str] = msgspec.field(default_factory=lambda: list(EVERYWHERE))
    """Networks that Ping may reach, such as `["10.0.0.0/8"]`; never multicast, broadcast or the unspecified address."""

    def __post_init__(self) -> None:
        for unit in self.units:
            check_unit("units", unit)
        for directory in self.directories:
            parts_of("directories", directory)
        for network in self.ping_networks:
            try:
                ip_network(network)
            except ValueError as error:
                raise ValueError(f"ping_networks: {error}") from None
        if not self.systemctl or self.systemctl.startswith("-"):
            raise ValueError("systemctl: name the program, such as systemctl or /usr/bin/systemctl")
        if not 0 < self.unit_timeout <= 3_600:
            raise ValueError(f"unit_timeout must be above 0 and at most 3600 s, not {self.unit_timeout}")
        if not 0 <= self.steady <= 60:
            raise ValueError(f"steady must be from 0 to 60 s, not {self.steady}")

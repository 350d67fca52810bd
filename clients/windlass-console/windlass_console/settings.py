"""What the console is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass, field

SESSION_SECONDS = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class Settings:
    """`hosts`: names under which browsers may reach it beside those of loopback, as `name` or `name:port`.

    `prefix`: the path it lives under behind a proxy, as `/windlass` ("" for none).  `trace_url`: where a trace is
    shown, with `{trace_id}` in it.  `read_only`: nothing can be changed, whatever the role.  `secure`: browsers come
    by https.
    """

    hosts: tuple[str, ...] = ()
    prefix: str = ""
    trace_url: str = ""
    read_only: bool = False
    secure: bool = False
    session_seconds: float = field(default=SESSION_SECONDS)

"""Records of a name."""

from __future__ import annotations

from dns.asyncresolver import Resolver
from dns.exception import DNSException
from dns.rcode import to_text
from dns.rdata import Rdata
from dns.resolver import NXDOMAIN, NoAnswer, NoNameservers
from windlass import Rejected

from windlass_checks import faults
from windlass_checks.look import Finding, Look, milliseconds
from windlass_checks.probes import Dns
from windlass_checks.text import one_line
from windlass_checks.way import NoSuchHost

SHOWN = 5


async def look_at(look: Look, probe: Dns) -> Finding:
    try:
        resolver = await _resolver(look, probe)
    except NoSuchHost as error:
        return look.down(str(error))
    look.doing = f"waiting for {probe.server or 'the name servers of this node'}"
    try:
        answer = await resolver.resolve(probe.name, probe.record, search=False, lifetime=look.patience)
    except NXDOMAIN:
        return look.down(f"there is no name {probe.name} (NXDOMAIN)")
    except NoAnswer:
        return look.down(f"{probe.name} has no {probe.record} records")
    except NoNameservers as error:
        return look.down(f"no name server answers: {_refusals(error)}")
    except (DNSException, OSError) as error:
        return look.down(faults.in_words(error))
    return _judge(look, probe, [_value(record) for record in answer])


async def _resolver(look: Look, probe: Dns) -> Resolver:
    try:
        resolver = Resolver(configure=not probe.server)
    except DNSException as error:
        raise Rejected(f"server: this node has no name servers of its own ({one_line(str(error))}); name one") from None
    if probe.server:
        look.doing = f"looking up {probe.server}"
        target = await look.way.find(probe.server, probe.port)
        resolver.nameservers = list(target.addresses)
        resolver.port = probe.port
    return resolver


def _judge(look: Look, probe: Dns, found: list[str]) -> Finding:
    shown = ", ".join(sorted(found)[:SHOWN]) + (", …" if len(found) > SHOWN else "")
    wanted = {_plain(value) for value in probe.expected}
    there = {_plain(value) for value in found}
    if missing := sorted(wanted - there):
        return look.down(f"{probe.record} of {probe.name} is {shown}; missing: {', '.join(missing)}")
    if probe.exact and (more := sorted(there - wanted)):
        return look.down(f"{probe.record} of {probe.name} has more than expected: {', '.join(more)}")
    return look.up(f"{probe.record} of {probe.name} is {shown}, in {milliseconds(look.ms())}")


def _value(record: Rdata) -> str:
    """As people write it: texts without their quotes, in one piece."""
    if strings := getattr(record, "strings", None):
        return one_line(b"".join(strings).decode(errors="replace"))
    return str(record.to_text())


def _plain(value: str) -> str:
    return value.strip().rstrip(".").casefold()


def _refusals(error: NoNameservers) -> str:
    said = []
    for attempt in error.kwargs.get("errors", ()):
        response = attempt[4]
        said.append(to_text(response.rcode()) if response is not None else faults.in_words(attempt[3]))
    return ", ".join(dict.fromkeys(said)) or "no reason given"

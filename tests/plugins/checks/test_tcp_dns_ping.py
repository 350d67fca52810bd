"""TCP, DNS and ping against real sockets on loopback."""

from __future__ import annotations

import asyncio
import errno
import socket

import dns.rcode
import icmplib
import pytest
from windlass import Rejected
from windlass_checks.probes import Dns, Ping, Tcp
from windlass_checks.sorts import ping

from tests.plugins.checks.servers import LOOPBACK, interrupted, look, name_server, serving, silence, took


def greeting(text: bytes):
    async def talk(reader, writer):
        for byte in range(0, len(text), 4):
            writer.write(text[byte : byte + 4])
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()

    return talk


@pytest.mark.parametrize(
    ("fields", "ok", "verdict"),
    [
        ({}, True, "connected in "),
        ({"banner_contains": "OpenSSH"}, True, 'greeted with "SSH-2.0-OpenSSH'),
        ({"banner_matches": r"SSH-2\.0-.*\d\.\d"}, True, 'greeted with "SSH-2.0-OpenSSH_9.9"'),
        ({"banner_contains": "dropbear", "timeout": 0.2}, False, "nothing within 0.2 s while waiting for a greeting"),
    ],
)
async def test_a_port_that_takes_connections_is_up_if_it_greets_as_expected(fields, ok, verdict):
    async with serving(greeting(b"SSH-2.0-OpenSSH_9.9\r\n")) as served:
        found = await look(Tcp(host="127.0.0.1", port=served.port, **fields))
    assert found.ok == ok
    assert verdict in found.verdict


async def test_a_port_without_a_listener_is_down_and_so_is_one_that_hangs_up_or_says_too_much():
    async def hangs_up(reader, writer):
        writer.write(b"\x1b[31mgo away\r\n")

    async def chatters(reader, writer):
        while True:
            writer.write(b"x" * 1000)
            await writer.drain()

    async with serving(hangs_up) as served:
        found = await look(Tcp(host="127.0.0.1", port=served.port, banner_contains="hello"))
    assert found.verdict.endswith('and the greeting "[31mgo away" is not the expected one'), "and it can't color a card"
    async with serving(chatters) as served:
        found = await look(Tcp(host="127.0.0.1", port=served.port, banner_contains="hello"))
    assert "is not the expected one" in found.verdict
    assert (await look(Tcp(host="127.0.0.1", port=served.port))).verdict == "connection refused"


async def test_a_payload_may_not_reach_this_machine_by_tcp_dns_or_ping():
    for probe in (
        Tcp(host="shop.example", port=22),
        Dns(name="shop.example", server="shop.example"),
        Ping(host="shop.example"),
    ):
        with pytest.raises(Rejected, match=r"leads to 127\.0\.0\.1: this machine itself may not be checked"):
            await look(probe, is_ours=False)


# --- DNS


def asking(server, **fields) -> Dns:
    return Dns(**{"name": "shop.example", "server": "127.0.0.1", "port": server.port, "timeout": 5.0} | fields)


@pytest.mark.parametrize(
    ("fields", "ok", "verdict"),
    [
        ({}, True, "A of shop.example is 192.0.2.7, 192.0.2.8, in "),
        ({"expected": ["192.0.2.8"]}, True, "A of shop.example is"),
        ({"expected": ["192.0.2.9"]}, False, "A of shop.example is 192.0.2.7, 192.0.2.8; missing: 192.0.2.9"),
        ({"expected": ["192.0.2.7"], "exact": True}, False, "A of shop.example has more than expected: 192.0.2.8"),
        ({"expected": ["192.0.2.8", "192.0.2.7"], "exact": True}, True, "A of shop.example is"),
        ({"record": "MX", "expected": ["10 MAIL.shop.example"]}, True, "MX of shop.example is 10 mail.shop.example."),
        ({"record": "TXT", "expected": ["v=spf1 -all"]}, True, "TXT of shop.example is v=spf1 -all"),
        ({"record": "AAAA"}, False, "shop.example has no AAAA records"),
        ({"name": "shpo.example"}, False, "there is no name shpo.example (NXDOMAIN)"),
    ],
)
async def test_a_names_records_are_compared(fields, ok, verdict):
    records = {
        "shop_example_A": ["192.0.2.7", "192.0.2.8"],
        "shop_example_MX": ["10 mail.shop.example."],
        "shop_example_TXT": ['"v=spf1 " "-all"'],
    }
    async with name_server(**records) as server:
        found = await look(asking(server, **fields))
        assert server.asked > 0
    assert (found.ok, found.verdict.startswith(verdict)) == (ok, True), found.verdict


async def test_a_name_server_that_refuses_or_says_nothing_is_down():
    async with name_server(shop_example_A=["192.0.2.7"]) as server:
        server.rcode = dns.rcode.REFUSED
        assert (await look(asking(server))).verdict == "no name server answers: REFUSED"
        server.is_silent = True
        assert (await look(asking(server, timeout=0.3))).verdict == "nothing within 0.3 s while waiting for 127.0.0.1"


async def test_the_nodes_own_name_servers_are_asked_where_none_is_named():
    """Whatever this machine's say: there is an answer, or a reason."""
    found = await look(Dns(name="localhost.invalid", timeout=0.3))
    assert not found.ok
    assert found.verdict


# --- ping


async def test_this_machine_answers_pings():
    found = await look(Ping(host="127.0.0.1", count=2))
    assert found.ok
    assert found.verdict.startswith("2 of 2 answers; ")
    assert took(found) < 1_000
    assert (await look(Ping(host="shop.example", count=1), is_ours=False, allow=LOOPBACK, ports=[443])).ok


async def test_pings_without_an_answer_are_down_and_the_share_of_them_counts(monkeypatch):
    """Loopback loses nothing, so the numbers are given."""
    answers = [3]

    async def pinged(address, count, seconds):
        return icmplib.Host(address, count, [1.0] * answers[0])

    monkeypatch.setattr(ping, "_ping", pinged)
    probe = Ping(host="127.0.0.1", count=4, most_loss=50)
    assert (await look(probe)).verdict.startswith("3 of 4 answers")
    answers[0] = 1
    assert (await look(probe)).verdict == "75% of 4 pings of 127.0.0.1 were lost"
    answers[0] = 0
    assert (await look(probe)).verdict == "no answer to 4 pings of 127.0.0.1"


async def test_a_node_that_may_not_ping_says_what_would_let_it(monkeypatch):
    def forbidden(*_, **__):
        raise PermissionError(errno.EPERM, "not permitted")

    monkeypatch.setattr(socket.socket, "__init__", forbidden)
    with pytest.raises(Rejected, match=r"set the sysctl net\.ipv4\.ping_group_range"):
        await ping._ping("127.0.0.1", 1, 1.0)


# --- interrupts


async def test_an_interrupt_ends_each_at_once():
    async with serving(silence) as served:
        probe = Tcp(host="127.0.0.1", port=served.port, banner_contains="hello", timeout=60)
        await interrupted(probe, lambda: served.connections > 0)
    async with name_server() as server:
        server.is_silent = True
        await interrupted(asking(server, timeout=60), lambda: server.asked > 0)
    await interrupted(Ping(host="127.0.0.1", count=20, timeout=60), lambda: True)

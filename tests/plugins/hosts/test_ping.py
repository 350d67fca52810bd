"""Ping, with real packets to this machine."""

from __future__ import annotations

import socket

import pytest
import windlass_hosts.ping as ping_module
from icmplib import ICMPv4Socket, SocketPermissionError
from windlass.testing import PayloadInvalid, Rung

from tests.plugins.hosts.conftest import Open

FAST = {"interval": 0.2, "timeout": 1.0}


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "localhost"])
async def test_this_machine_answers_and_how_long_it_took_is_said(opened: Open, address: str) -> None:
    async with opened() as harness:
        run = await harness.run("Ping", {"address": address, "count": 3, **FAST})
    run.assert_succeeded().assert_stages("pinging 127.0.0.1").assert_step("3 of 3 packets came back, 0 % lost")
    result = run.result
    assert (result["address"], result["sent"], result["received"], result["loss"]) == ("127.0.0.1", 3, 3, 0.0)
    assert 0 < result["min"] <= result["avg"] <= result["max"] < 1_000
    assert [(value.current, value.total) for value in run.progress] == [(1, 3), (2, 3), (3, 3)]
    assert run.seconds >= 0.4


async def test_ipv6_is_pinged_too(opened: Open) -> None:
    if not socket.has_ipv6:
        pytest.skip("this Python knows no IPv6")
    async with opened() as harness:
        run = await harness.run("Ping", {"address": "::1", "count": 1, **FAST})
    assert run.result["received"] == 1 or "::1" in run.message


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """No packet arrives anywhere: some networks answer for every address there is, so none is sure to be silent."""
    monkeypatch.setattr(ICMPv4Socket, "send", lambda *_: None)


@pytest.mark.usefixtures("lost")
async def test_a_host_that_does_not_answer_is_a_failure_that_says_why(opened: Open) -> None:
    async with opened() as harness:
        run = await harness.run("Ping", {"address": "127.0.0.1", "count": 2, "interval": 0.2, "timeout": 0.3})
    run.assert_failed("127.0.0.1 does not answer: no answer within 0.3 s")
    assert (run.result["sent"], run.result["received"], run.result["loss"]) == (2, 0, 1.0)
    assert run.result["avg"] is None
    run.assert_step("0 of 2 packets came back, 100 % lost")


async def test_what_the_system_refuses_to_send_is_lost_and_said(opened: Open) -> None:
    async with opened() as harness:
        # The broadcast address of the loopback network.
        run = await harness.run("Ping", {"address": "127.255.255.255", "count": 1})
    run.assert_failed("127.255.255.255 does not answer: ")
    assert "no answer within" not in run.message


@pytest.mark.usefixtures("lost")
async def test_an_interrupt_does_not_wait_for_an_answer(opened: Open) -> None:
    async with opened() as harness:
        run = await harness.run("Ping", {"address": "127.0.0.1", "timeout": 30}, interrupt_after=0.3)
    run.assert_canceled(by=Rung.ASKED)
    assert run.seconds < 3


async def test_a_name_that_nobody_knows_is_tried_again(opened: Open) -> None:
    async with opened() as harness:
        (await harness.run("Ping", {"address": "nowhere.invalid"})).assert_retries("nowhere.invalid")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("", "address: '' is neither an address"),
        ("10.0.0", "is neither an address"),
        ("10.0.0.1/24", "is neither an address"),
        ("0x7f000001", "is neither an address"),
        ("fe80::1%eth0", "without a zone"),
        ("a b", "is neither an address"),
        ("-c1", "is neither an address"),
        ("x" * 64, "is neither an address"),
    ],
)
async def test_what_is_no_address_is_refused_at_enqueue(opened: Open, address: str, words: str) -> None:
    async with opened() as harness:
        with pytest.raises(PayloadInvalid, match=words):
            await harness.run("Ping", {"address": address})


@pytest.mark.parametrize("address", ["224.0.0.1", "255.255.255.255", "0.0.0.0", "::", "ff02::1", "::ffff:224.0.0.1"])
async def test_what_is_not_one_host_is_never_pinged(opened: Open, address: str) -> None:
    async with opened() as harness:
        (await harness.run("Ping", {"address": address})).assert_failed("is not one host's")


async def test_only_the_operators_networks_are_pinged_whatever_a_name_resolves_to(opened: Open) -> None:
    async with opened(ping_networks=["10.0.0.0/8"]) as harness:
        for address in ("127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1"):
            run = await harness.run("Ping", {"address": address, "count": 1})
            run.assert_failed("is in no network of plugins.hosts.ping_networks here; allowed: 10.0.0.0/8")


async def test_an_interrupt_ends_it_between_two_packets(opened: Open) -> None:
    async with opened() as harness:
        run = await harness.run("Ping", {"address": "127.0.0.1", "interval": 60}, interrupt_after=0.3)
    run.assert_canceled(by=Rung.ASKED)
    assert "ended after 1 of 4 packets" in run.message
    assert run.seconds < 3


async def test_where_pings_are_forbidden_it_is_said_how_to_allow_them(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(source: str | None, privileged: bool) -> None:
        raise SocketPermissionError(privileged)

    monkeypatch.setattr(ping_module, "ICMPv4Socket", forbidden)
    async with opened() as harness:
        run = await harness.run("Ping", {"address": "127.0.0.1"})
    run.assert_failed("net.ipv4.ping_group_range").assert_failed("CAP_NET_RAW")

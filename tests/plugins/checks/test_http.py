"""HTTP and HTTPS against real servers on loopback."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from windlass import Rejected
from windlass_checks.measuring import Measuring
from windlass_checks.probes import Http
from windlass_checks.settings import ChecksSettings

from tests.plugins.checks.servers import LOOPBACK, Asked, http, interrupted, look, page, serving, silence, took


def at(served, path: str = "/", host: str = "shop.example", scheme: str = "http", **fields) -> Http:
    return Http(url=f"{scheme}://{host}:{served.port}{path}", **{"timeout": 5.0} | fields)


async def test_a_page_that_answers_is_up_and_says_how_fast():
    async with http(page()) as served:
        found = await look(at(served))
    assert found.ok
    assert found.verdict.startswith("200 OK in ")
    assert 0 < took(found) < 5_000
    [head] = served.heads
    assert head.startswith("GET / HTTP/1.1")
    assert f"host: shop.example:{served.port}" in head.lower()


@pytest.mark.parametrize(
    ("answer", "fields", "ok", "verdict"),
    [
        (page("503 Service Unavailable"), {}, False, "503 Service Unavailable; expected 200 to 299"),
        (page("404 Not Found"), {"status": [200, 404]}, True, "404 Not Found in "),
        (page("204 No Content"), {"status": [200, 404]}, False, "204 No Content; expected 200, 404"),
        (page(), {"method": "HEAD"}, True, "200 OK in "),
        (page(body=b"all is well"), {"body_contains": "is well"}, True, "200 OK in "),
        (page(body=b"all is well"), {"body_contains": "ill"}, False, "200 OK, and the body does not contain 'ill'"),
        (page(body=b"queue: 17"), {"body_matches": r"queue: \d+$"}, True, "200 OK in "),
        (
            page(body=b"queue: x"),
            {"body_matches": r"queue: \d+"},
            False,
            r"200 OK, and the body does not match 'queue:",
        ),
        (
            page("302 Found", location="https://login.example/"),
            {},
            False,
            "302 Found, to https://login.example/; expected",
        ),
        (b"SSH-2.0-OpenSSH_9\r\n", {}, False, "speaks no HTTP: "),
        (b"", {}, False, "speaks no HTTP: Server disconnected"),
    ],
)
async def test_the_verdict_says_what_is_wrong(answer, fields, ok, verdict):
    async with http(answer) as served:
        found = await look(at(served, **fields))
    assert (found.ok, found.verdict.startswith(verdict)) == (ok, True), found.verdict


async def test_nobody_there_is_down():
    async with serving(silence) as served:
        pass
    assert (await look(at(served))).verdict == "connection refused"

    async def nowhere(host, port):
        raise OSError(-2, "Name or service not known")

    found = await look(at(served), resolve=nowhere)
    assert found.verdict == "the name shop.example leads nowhere: name or service not known"


async def test_what_takes_too_long_is_down_and_says_where_it_stood():
    async with serving(silence) as served:
        found = await look(at(served, timeout=0.2))
    assert found.verdict == "nothing within 0.2 s while connecting to 127.0.0.1"
    assert took(found) >= 200

    async def dribble(reader, writer):
        while True:
            writer.write(b".")
            await asyncio.sleep(0.01)

    async with http(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", then=dribble) as served:
        found = await look(at(served, timeout=0.2, body_contains="end"))
    assert found.verdict.startswith("nothing within 0.2 s while reading the body (200 after ")


async def endless(reader, writer):
    while True:
        writer.write(b"all work and no play " * 1_000)
        await writer.drain()


async def test_an_endless_body_is_read_to_its_limit_and_no_further():
    async with http(b"HTTP/1.1 200 OK\r\n\r\n", then=endless) as served:
        found = await look(at(served, body_contains="the end", body_limit=100_000))
    assert found.verdict == "200 OK, and the body does not contain 'the end' in its first 100,000 bytes"


async def test_a_body_is_read_no_further_than_to_what_was_looked_for():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\nall work and "
    async with http(head + b"no play", then=silence) as served:
        assert (await look(at(served, body_contains="work and no"))).ok

    async def in_pieces(reader, writer):
        await asyncio.sleep(0.05)
        writer.write(b"no play")
        await reader.read()

    async with http(head, then=in_pieces) as served:
        assert (await look(at(served, body_contains="work and no"))).ok


async def test_a_pattern_that_takes_for_ever_ends_with_its_look_and_holds_nobody_up():
    body = b"a" * 40 + b"!"
    async with http(page(body=body)) as served:
        looking = asyncio.ensure_future(look(at(served, timeout=0.7, body_matches="(a+)+$")))
        ticks = 0
        while not looking.done():
            await asyncio.sleep(0.005)
            ticks += 1
    assert looking.result().verdict == "nothing within 0.7 s while matching the body"
    assert ticks > 10, "the event loop went on"


# --- redirects


async def test_a_redirect_is_followed_only_when_asked_and_so_often():
    to_two, to_three = page("302 Found", location="/two"), page("301 Moved Permanently", location="three")
    async with http(to_two, to_three, page(body=b"here")) as served:
        found = await look(at(served, redirects=2, body_contains="here"))
    assert found.ok
    assert " after 2 redirects" in found.verdict
    assert [head.split()[1] for head in served.heads] == ["/", "/two", "/three"]
    async with http(page("302 Found", location="/round")) as served:
        found = await look(at(served, redirects=3))
    assert found.verdict.startswith("redirects more than 3 times, at last to http://shop.example:")
    assert len(served.heads) == 4
    async with http(page("302 Found", location="ftp://shop.example/")) as served:
        found = await look(at(served, redirects=3))
    assert found.verdict == "redirects to ftp://shop.example/, which is no page"


@pytest.mark.parametrize("is_ours", [True, False])
@pytest.mark.parametrize(
    "where", ["http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://10.0.0.1/"]
)
async def test_a_redirect_to_where_nobody_may_go_is_not_followed(is_ours, where):
    async with http(page("302 Found", location=where)) as served:
        found = await look(at(served, redirects=3), is_ours=is_ours, allow=LOOPBACK)
    assert found.verdict.startswith("redirects to where it may not be followed: ")


async def test_an_operators_own_page_may_not_send_us_to_this_machine_under_another_name():
    async with http(page()) as inner, http(page("302 Found", location=f"http://inner.example:{inner.port}/")) as outer:
        found = await look(at(outer, redirects=1))
        assert "inner.example leads to 127.0.0.1: this machine itself may not be checked" in found.verdict
        assert inner.connections == 0
        assert (await look(at(outer, redirects=1), allow=LOOPBACK)).ok
        assert inner.connections == 1


async def test_headers_stay_with_the_host_they_were_meant_for():
    async with (
        http(page()) as other,
        http(
            page("302 Found", location="/here"), page("302 Found", location=f"http://other.example:{other.port}/")
        ) as served,
    ):
        found = await look(at(served, redirects=2, headers={"X-Key": "hunter2"}), allow=LOOPBACK)
    assert found.ok
    assert ["hunter2" in head for head in served.heads] == [True, True]
    assert ["hunter2" in head for head in other.heads] == [False]


# --- who may go where


async def test_a_payload_may_not_reach_this_machine_and_the_configuration_may():
    async with http(page()) as served:
        for host in ("shop.example", "127.0.0.1", "[::ffff:127.0.0.1]"):
            with pytest.raises(Rejected, match="this machine itself may not be checked from a payload"):
                await look(at(served, host=host), is_ours=False)
        with pytest.raises(Rejected, match=r"port \d+ may not be checked from a payload"):
            await look(at(served), is_ours=False, allow=LOOPBACK, ports=[80])
        assert served.connections == 0
        assert (await look(at(served), is_ours=False, allow=LOOPBACK)).ok
        assert (await look(at(served), is_ours=True)).ok


async def test_one_address_of_several_that_may_not_be_reached_refuses_them_all():
    async def both(host, port):
        return ["8.8.8.8", "10.0.0.1"]

    with pytest.raises(Rejected, match=r"leads to 10\.0\.0\.1"):
        await look(Http(url="http://shop.example/"), is_ours=False, resolve=both)


async def test_a_name_that_leads_elsewhere_the_second_time_is_asked_once():
    """127.0.0.2 stands for a public address: it is the only one allowed here, and nobody listens there."""
    answers: list[str] = []

    async def rebinding(host, port):
        answers.append("127.0.0.2" if not answers else "127.0.0.1")
        return answers[-1:]

    async with http(page()) as served:
        found = await look(at(served), is_ours=False, resolve=rebinding, allow=["127.0.0.2/32"])
    assert found.verdict == "connection refused"
    assert (answers, served.connections) == (["127.0.0.2"], 0)


async def test_the_next_address_is_tried_when_the_first_does_not_answer():
    async def several(host, port):
        return ["127.0.0.2", "127.0.0.1"]

    async with http(page()) as served:
        assert (await look(at(served), resolve=several)).ok


async def test_proxies_of_the_environment_are_not_used(monkeypatch):
    async with http(page("403 Forbidden")) as proxy, http(page()) as served:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert (await look(at(served))).ok
    assert proxy.connections == 0


# --- certificates


async def test_a_certificate_is_checked_for_the_name_although_the_address_is_pinned(certified, ca):
    async with http(page(), trust=certified("shop.example")) as served:
        found = await look(at(served, scheme="https", ca=ca))
        other = await look(at(served, scheme="https", ca=ca, host="other.example"))
    assert found.verdict.startswith("200 OK in ")
    assert found.verdict.endswith("; certificate ends in 30 days")
    assert found.warning == ""
    assert served.names[0] == "shop.example"
    assert "the certificate is not valid: Hostname mismatch" in other.verdict


@pytest.mark.parametrize(
    ("days", "fields", "warns"),
    [
        (5.5, {}, True),
        (5.5, {"certificate_days": 5}, False),
        (13.5, {}, True),
        (14.5, {}, False),
        (5, {"certificate_days": 0}, False),
    ],
)
async def test_a_certificate_that_ends_soon_is_a_warning(certified, ca, days, fields, warns):
    async with http(page(), trust=certified(days=days)) as served:
        found = await look(at(served, scheme="https", ca=ca, **fields))
    assert found.ok
    assert bool(found.warning) == warns, found
    if warns:
        assert found.warning.startswith(f"certificate ends in {int(days)} days: renew it (20")


async def test_an_expired_certificate_is_down_and_says_since_when(certified, ca):
    async with http(page(), trust=certified(days=-3.1)) as served:
        found = await look(at(served, scheme="https", ca=ca))
        unverified = await look(at(served, scheme="https", verify=False))
    assert not found.ok
    assert found.verdict.startswith(
        "the certificate is not valid: certificate has expired; certificate ended 3 d ago ("
    )
    assert unverified.ok
    assert unverified.warning.startswith("certificate ended 3 d ago")


async def test_an_authority_that_nobody_trusts_is_down_unless_nobody_asks(certified):
    async with http(page(), trust=certified()) as served:
        found = await look(at(served, scheme="https"))
        unverified = await look(at(served, scheme="https", verify=False))
    assert found.verdict.startswith("the certificate is not valid: ")
    assert found.verdict.endswith("; certificate ends in 30 days")
    assert unverified.ok


async def test_the_authority_may_be_a_file_of_the_operators(certified, ca, tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text(ca)
    async with http(page(), trust=certified()) as served:
        assert (await look(at(served, scheme="https", ca_file=str(file)))).ok
        with pytest.raises(Rejected, match=r"ca_file: .* can't be read on this node: no such file"):
            await look(at(served, scheme="https", ca_file=str(tmp_path / "none")))
        with pytest.raises(Rejected, match="ca: this is no certificate in PEM form"):
            await look(at(served, scheme="https", ca="nonsense"))


async def test_plain_http_at_a_tls_port_and_the_other_way_round_are_down(certified, ca):
    async with http(page(), trust=certified()) as served:
        found = await look(at(served))
    assert not found.ok

    async def plain(reader, writer):
        await reader.read(1)
        writer.write(page("400 Bad Request"))
        await reader.read()

    async with serving(plain) as served:
        found = await look(at(served, scheme="https", ca=ca))
    assert found.verdict.startswith("TLS: ")


# --- interrupts


async def test_an_interrupt_ends_a_look_at_once():
    async with serving(silence) as served:
        await interrupted(at(served, timeout=60), lambda: served.connections > 0)
    async with http(page(body=b"a" * 40 + b"!")) as served:
        await interrupted(at(served, timeout=60, body_matches="(a+)+$"), lambda: len(served.heads) > 0)


async def test_an_interrupt_ends_a_name_that_is_looked_up():
    asked = asyncio.Event()

    async def hangs(host, port):
        asked.set()
        await asyncio.Event().wait()

    ctx: Any = Asked()
    probe = Http(url="http://shop.example/", timeout=60)
    work = asyncio.ensure_future(Measuring(ChecksSettings(), hangs).measure(ctx, probe, is_ours=True))
    await asked.wait()
    ctx.cancelled.set()
    async with asyncio.timeout(3):
        assert await work is None

"""HTTP and HTTPS.  Each hop of a redirect is a request of its own, to an address that was judged."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import httpcore
import httpx
import msgspec
from windlass import Rejected

from windlass_checks import faults
from windlass_checks.guard import Refused
from windlass_checks.look import Finding, Look, milliseconds
from windlass_checks.matching import matches
from windlass_checks.probes import Http, check_url
from windlass_checks.sorts import certificates
from windlass_checks.text import one_line
from windlass_checks.way import NoSuchHost, Target, Way

PORTS = {"http": 80, "https": 443}
MOVED = {301, 302, 303, 307, 308}
AGENT = "windlass-checks"


class Page(msgspec.Struct, frozen=True):
    """An answer's head, and as much of its body as was looked at."""

    status: int
    location: str
    body: bytes
    is_cut: bool
    seconds_ms: float
    tls: ssl.SSLObject | None


class Pinned(httpcore.AsyncNetworkBackend):
    """Connects to the judged addresses, whatever the host's name may lead to by now.

    The name in the URL stays what TLS asks for and what Host says.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        async def attempt(address: str) -> httpcore.AsyncNetworkStream:
            return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)

        return await self._target.first(attempt)


async def look_at(look: Look, probe: Http) -> Finding:
    first = url = _parsed(probe.url)
    for hops in range(probe.redirects + 1):
        page = await _page(look, probe, first, url)
        if isinstance(page, Finding):
            return page
        if not _leads_on(probe, page.status, page.location):
            return await _judge(look, probe, page, hops)
        try:
            url = _parsed(str(url.join(page.location)))
        except (Rejected, httpx.InvalidURL, UnicodeError):
            return look.down(f"redirects to {one_line(page.location)}, which is no page")
    return look.down(f"redirects more than {probe.redirects} times, at last to {one_line(str(url))}")


async def _page(look: Look, probe: Http, first: httpx.URL, url: httpx.URL) -> Page | Finding:
    """One hop: its answer, or what is wrong with it.  Raises `Refused` when the first one may not be made."""
    # The operator named the first host; where that sends us to is a stranger's word.
    way = look.way if url.host == first.host else look.way.for_strangers()
    is_same = (url.scheme, url.host, url.port) == (first.scheme, first.host, first.port)
    # They may hold a password, and were meant for the first host.
    headers = probe.headers if is_same else {}
    try:
        return await _ask(look, probe, way, url, headers)
    except Refused as refused:
        if url == first:
            raise
        return look.down(f"redirects to where it may not be followed: {refused}")
    except NoSuchHost as error:
        return look.down(str(error))
    except httpcore.ProtocolError as error:
        return look.down(f"speaks no HTTP: {one_line(str(error))}")
    except (httpcore.NetworkError, OSError) as error:
        return await _unreachable(look, probe, way, url, error)


async def _ask(look: Look, probe: Http, way: Way, url: httpx.URL, headers: Mapping[str, str]) -> Page:
    look.doing = f"looking up {url.host}"
    target = await way.find(url.host, url.port or PORTS[url.scheme])
    look.doing = f"connecting to {target.addresses[0]}"
    began = look.ms()
    async with _request(probe, target, url, headers, verify=probe.verify) as response:
        took = round(look.ms() - began, 1)
        look.doing = f"reading the body ({response.status} after {milliseconds(took)})"
        location = _header(response, b"location")
        stream = response.extensions.get("network_stream")
        tls = stream.get_extra_info("ssl_object") if stream is not None else None
        leads_on = _leads_on(probe, response.status, location)
        body, is_cut = (b"", False) if leads_on else await _read(response, probe)
        return Page(response.status, location, body, is_cut, took, tls)


@asynccontextmanager
async def _request(
    probe: Http, target: Target, url: httpx.URL, headers: Mapping[str, str], *, verify: bool
) -> AsyncIterator[httpcore.Response]:
    asked = {"host": url.netloc.decode(), "user-agent": AGENT, "accept": "*/*", "accept-encoding": "identity"}
    asked |= {name.lower(): value for name, value in headers.items()}
    trusted = None
    if url.scheme == "https":
        trusted = certificates.context(_authority(probe), verify=verify, protocol="http/1.1")
    where = httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port or PORTS[url.scheme], target=url.raw_path
    )
    async with (
        httpcore.AsyncConnectionPool(ssl_context=trusted, network_backend=Pinned(target)) as pool,
        pool.stream(probe.method, where, headers=list(asked.items())) as response,
    ):
        yield response


async def _read(response: httpcore.Response, probe: Http) -> tuple[bytes, bool]:
    """The body as far as it is looked at, and whether there was more."""
    if not probe.body_contains and not probe.body_matches:
        return b"", False
    body, wanted = bytearray(), probe.body_contains.encode()
    async for chunk in response.aiter_stream():
        looked_at = max(0, len(body) - len(wanted))
        body += chunk
        if len(body) >= probe.body_limit:
            return bytes(body[: probe.body_limit]), True
        if not probe.body_matches and wanted in memoryview(body)[looked_at:].tobytes():
            break
    return bytes(body), False


async def _judge(look: Look, probe: Http, page: Page, hops: int) -> Finding:
    said = _status(page.status)
    expected = probe.status or range(200, 300)
    if page.status not in expected:
        wanted = ", ".join(map(str, probe.status)) or "200 to 299"
        to = f", to {one_line(page.location)}" if page.status in MOVED and page.location else ""
        return look.down(f"{said}{to}; expected {wanted}")
    within = f" in its first {len(page.body):,} bytes" if page.is_cut else ""
    if probe.body_contains and probe.body_contains.encode() not in page.body:
        return look.down(f"{said}, and the body does not contain {one_line(probe.body_contains)!r}{within}")
    if probe.body_matches:
        look.doing = "matching the body"
        if not await matches(probe.body_matches, page.body):
            return look.down(f"{said}, and the body does not match {one_line(probe.body_matches)!r}{within}")
    after = f" after {hops} redirect{'s' * (hops > 1)}" if hops else ""
    verdict, warning = f"{said} in {milliseconds(page.seconds_ms)}{after}", ""
    if end := certificates.ends_at(page.tls):
        now = certificates.utc_now()
        verdict += f"; {certificates.about_end(end, now)}"
        warning = certificates.warning(end, now, probe.certificate_days)
    return Finding(True, verdict, page.seconds_ms, warning)


async def _unreachable(look: Look, probe: Http, way: Way, url: httpx.URL, error: Exception) -> Finding:
    """A certificate that is not valid is read once more, without trust, to say when it ended."""
    said = faults.in_words(error)
    if not faults.is_about_the_certificate(error):
        return look.down(said)
    look.doing = "reading the certificate"
    try:
        target = await way.find(url.host, url.port or PORTS[url.scheme])
        async with _request(probe, target, url, {}, verify=False) as response:
            end = certificates.ends_at(response.extensions["network_stream"].get_extra_info("ssl_object"))
    except (Refused, NoSuchHost, httpcore.NetworkError, httpcore.ProtocolError, OSError):
        end = None
    return look.down(f"{said}; {certificates.about_end(end, certificates.utc_now())}" if end else said)


def _leads_on(probe: Http, status: int, location: str) -> bool:
    return bool(probe.redirects) and status in MOVED and bool(location)


def _parsed(url: str) -> httpx.URL:
    """Raises `Rejected` for what is no URL that may be looked at."""
    try:
        check_url(url)
        parsed = httpx.URL(url)
        if not parsed.host:  # asked for here, because it raises for a name that only looks like one
            raise ValueError("it names no host")
    except (ValueError, httpx.InvalidURL) as error:
        raise Rejected(f"url: {url!r} is no URL: {error}") from None
    return parsed


def _authority(probe: Http) -> str:
    if not probe.ca_file:
        return probe.ca
    try:
        return Path(probe.ca_file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Rejected(f"ca_file: {probe.ca_file} can't be read on this node: {faults.in_words(error)}") from None


def _header(response: httpcore.Response, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in response.headers if name.lower() == wanted), "")


def _status(code: int) -> str:
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)

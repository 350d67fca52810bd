"""What `doctor` looks at.  Each check says what it found, and what to do about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from windlass_client import Client, WindlassError

from windlass_cli import documents, words
from windlass_cli.exits import failure_of
from windlass_cli.options import Format
from windlass_cli.session import REACHABLE_WITHIN_S

if TYPE_CHECKING:
    from windlass_client import Agent, Identity, Kind, Node, Picture, Pool, ServerInfo

OK, WARN, FAIL = "OK", "WARN", "FAIL"
MARKS = {OK: "✓", WARN: "!", FAIL: "✗"}
ANSWER_WITHIN_S = 10.0
CLOCK_WARN_S, CLOCK_FAIL_S = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class Finding:
    """`status` is OK, WARN or FAIL; `advice` is empty for OK."""

    check: str
    status: str
    summary: str
    advice: str = ""


async def checkup() -> list[Finding]:
    """Every finding, in the order in which one would look; nothing further when no server answers."""
    try:
        client = Client.connect(timeout=ANSWER_WITHIN_S)
    except WindlassError as error:
        return [Finding("server", FAIL, error.message, _advice_for(error))]
    async with client:
        try:
            await client.ready(REACHABLE_WITHIN_S)
        except WindlassError as error:
            return [Finding("server", FAIL, error.message, _advice_for(error))]
        found = [Finding("server", OK, f"{client.address} answers")]
        for asked, judged in CHECKS:
            found += await _judge(client, asked, judged)
        return found


async def _judge(
    client: Client, asked: Callable[[Client], Awaitable[Any]], judged: Callable[[Any], Iterator[Finding]]
) -> list[Finding]:
    """What cannot be seen is a finding of its own: without a token everything else would be guessed."""
    name = judged.__name__.lstrip("_")
    try:
        return list(judged(await asked(client)))
    except WindlassError as error:
        status = FAIL if error.code in ("UNAUTHENTICATED", "UNAVAILABLE", "DEADLINE_EXCEEDED") else WARN
        return [Finding(name, status, f"cannot be seen: {failure_of(error).message}", _advice_for(error))]


def _access(who: Identity) -> Iterator[Finding]:
    pools = f", for the pools {', '.join(who.pools)}" if who.pools else ""
    yield Finding("access", OK, f"you are {who.subject}, {words.label(who.role).lower()}{pools} ({who.credential})")


def _server(info: ServerInfo) -> Iterator[Finding]:
    yield from _version(info)
    yield Finding("store", OK, info.store)
    yield from _clocks(info)
    for plugin in info.plugins:
        if plugin.error:
            todo = f"its tasks wait: mend or reinstall {plugin.name}, then start the server again"
            yield Finding("plugins", FAIL, f"{plugin.name} is quarantined: {plugin.error}", todo)
    working = [plugin.name for plugin in info.plugins if not plugin.error]
    yield Finding("plugins", OK, ", ".join(working) or "none are installed")


def _version(info: ServerInfo) -> Iterator[Finding]:
    ours = version("windlass-cli")
    if ours == info.version:
        yield Finding("version", OK, f"{ours}, here and at the server")
    else:
        todo = "install the same on both, the server first"
        yield Finding("version", WARN, f"{ours} here, {info.version} at the server", todo)


def _clocks(info: ServerInfo) -> Iterator[Finding]:
    pairs = [("the server's", info.clock_offset)]
    if info.store_time:
        pairs.append(("this machine's", (datetime.now(UTC) - info.store_time).total_seconds()))
    for whose, offset in pairs:
        said = f"{whose} clock is {abs(offset):.2f} s {'ahead of' if offset > 0 else 'behind'} the database's"
        status = OK if abs(offset) <= CLOCK_WARN_S else WARN if abs(offset) <= CLOCK_FAIL_S else FAIL
        todo = "" if status == OK else "leases are safe (the database's clock decides), but times look wrong: check NTP"
        yield Finding("clocks", status, said, todo)


def _nodes(nodes: list[Node]) -> Iterator[Finding]:
    live = [node for node in nodes if node.state == "LIVE"]
    if not live:
        yield Finding("nodes", FAIL, "no node takes tasks", "start one: windlass serve")
    else:
        running = sum(node.running for node in live)
        yield Finding("nodes", OK, f"{words.counted(len(live), 'node')} live, {words.counted(running, 'task')} running")
    for node in nodes:
        if node.state == "DRAINING":
            todo = f"when it may work again: windlass nodes resume {node.id}"
            yield Finding("nodes", WARN, f"{node.display_name} is draining, {node.running} left", todo)
        if node.state == "LOST":
            todo = "its tasks run elsewhere; look at its log and its host, start it again"
            yield Finding("nodes", WARN, f"{node.display_name} was lost {words.ago(node.renew_time)}", todo)


def _agents(agents: list[Agent]) -> Iterator[Finding]:
    for agent in agents:
        if agent.state == "AWAY":
            todo = f"start it on its host: windlass agent --id {agent.name}"
            yield Finding("agents", WARN, f"{agent.name} was seen last {words.ago(agent.last_seen_time)}", todo)
        if agent.state == "DRAINING":
            todo = f"when it may work again: windlass agents resume {agent.name}"
            yield Finding("agents", WARN, f"{agent.name} is draining, {agent.running} left", todo)
    if live := [agent for agent in agents if agent.state == "LIVE"]:
        running = sum(agent.running for agent in live)
        yield Finding(
            "agents", OK, f"{words.counted(len(live), 'agent')} live, {words.counted(running, 'task')} running"
        )


def _pools(pools: list[Pool]) -> Iterator[Finding]:
    paused = [pool for pool in pools if pool.pause]
    for pool in paused:
        todo = f"when it may go on: windlass pools resume {pool.name}"
        yield Finding("pools", WARN, f"{pool.name} is paused {words.because(pool.pause)}", todo)
    for pool in pools:
        if not pool.slots and not pool.pause:
            todo = f"windlass pools resize {pool.name} SLOTS"
            yield Finding("pools", WARN, f"{pool.name} has no slots: nothing of it starts", todo)
    if not paused:
        yield Finding("pools", OK, f"{words.counted(len(pools), 'pool')}, none paused")


def _kinds(kinds: list[Kind]) -> Iterator[Finding]:
    for kind in kinds:
        if kind.pause:
            todo = f"when it may go on: windlass kinds resume {kind.name}"
            yield Finding("kinds", WARN, f"{kind.name} is paused {words.because(kind.pause)}", todo)
        if not kind.nodes:
            todo = "its tasks wait: start a node with its plugin"
            yield Finding("kinds", WARN, f"no live node handles {kind.name}", todo)
    handled = sum(1 for kind in kinds if kind.nodes)
    yield Finding("kinds", OK, f"{words.counted(handled, 'kind')} handled")


def _health(picture: Picture) -> Iterator[Finding]:
    for signal in picture.signals:
        status = FAIL if signal.severity == "CRITICAL" else WARN
        yield Finding("health", status, signal.summary, "; ".join(signal.checks))
    if not picture.signals:
        yield Finding("health", OK, picture.summary)


CHECKS: tuple[tuple[Callable[[Client], Awaitable[Any]], Callable[[Any], Iterator[Finding]]], ...] = (
    (lambda client: client.access.whoami(), _access),
    (lambda client: client.cluster.info(), _server),
    (lambda client: client.cluster.nodes(), _nodes),
    (lambda client: client.cluster.agents(), _agents),
    (lambda client: client.cluster.pools(), _pools),
    (lambda client: client.cluster.kinds(), _kinds),
    (lambda client: client.overview.get(), _health),
)

ADVICE = {
    "SERVER_NOT_FOUND": 'start one with "windlass serve", or name one: windlass profiles add, or WINDLASS_ADDRESS',
    "SERVER_NOT_REACHABLE": "is it running there, and is the address right? windlass profiles list, WINDLASS_ADDRESS",
    "CERTIFICATE_NOT_TRUSTED": "name the authority that signed it: WINDLASS_TLS_CA, or windlass profiles add --tls-ca",
    "TLS_NOT_SPOKEN": "call it as grpc://HOST:PORT, or unset WINDLASS_TLS_CA: windlass profiles list, WINDLASS_ADDRESS",
    "UNAUTHENTICATED": "the token is missing or wrong: WINDLASS_TOKEN_FILE, or ask for one (windlass tokens create)",
    "PERMISSION_DENIED": "the token's role is too small for this: ask for another (windlass tokens create)",
    "UNAVAILABLE": "the server answers, but not to this: its database may be away; look at its log",
    "UNIMPLEMENTED": "the server is older than this command line: update it",
}


def _advice_for(error: WindlassError) -> str:
    return ADVICE.get(error.reason) or ADVICE.get(error.code) or "look at the server's log"


def print_findings(findings: list[Finding], output: Format) -> None:
    if not output.for_people:
        ok = all(each.status != FAIL for each in findings)
        checks = [documents.of_finding(each) for each in findings]
        documents.print_document({"ok": ok, "checks": checks}, output)
        return
    from rich.text import Text

    from windlass_cli.screen import console, styled

    terminal = console()
    for each in findings:
        style = words.STATE_STYLES[each.status]
        mark = Text.assemble((f"{MARKS[each.status]} {each.status.lower():<5}", style), (f"{each.check:<9}", "dim"))
        terminal.print(Text.assemble(mark, styled(each.summary)), soft_wrap=True)
        if each.advice:
            terminal.print(Text.assemble("       ", styled(f"→ {each.advice}")), soft_wrap=True)

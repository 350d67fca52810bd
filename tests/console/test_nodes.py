"""Nodes, agents, lanes, and the server itself."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect
from windlass_client import AgentState, Client, Lane, LaneStanding, NodeState, NotFound, Role
from windlass_console.rendering import environment

from tests.console.browsing import Console, address_of, confirmed, good_looks

AGENT = "web-17"


@pytest_asyncio.fixture(loop_scope="session")
async def agent(console: Console, client: Client, tmp_path: Path) -> AsyncIterator[str]:
    """One that works until the test is over."""
    async with working(AGENT, console, client, tmp_path):
        yield AGENT


@asynccontextmanager
async def working(name: str, console: Console, client: Client, folder: Path) -> AsyncIterator[None]:
    token = folder / f"{name}.token"
    token.write_text(await console.token_for(Role.AGENT, name))
    place = ("--id", name, "--server", address_of(console.home), "--token-file", str(token))
    process = console.home.start("agent", *place, "--slots", "2", "--label", "site=<b>east</b>")
    try:
        await _until_live(client, name)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.communicate, timeout=20)


async def _until_live(client: Client, name: str) -> None:
    async with asyncio.timeout(20):
        async for _ in client.overview.watch():
            with suppress(NotFound):
                if (await client.cluster.agent(name)).state is AgentState.LIVE:
                    return


async def test_nodes_agents_and_the_server_are_shown_and_a_node_is_drained_and_resumed(
    page: Page, console: Console, client: Client, agent: str
) -> None:
    node = next(one for one in await client.cluster.nodes() if one.state is NodeState.LIVE)
    sleeping = await client.enqueue("ExecuteScript", {"script": "sleep 60"}, title="nodes page")
    await page.goto(f"{console.url}/nodes")
    row = page.locator(f"#node-{node.id}")
    try:
        await expect(row).to_contain_text(node.display_name)
        await expect(row.get_by_role("link", name=f"of node {node.id}")).to_have_attribute(
            "href", f"/active?filter=node+%3D+%22{node.display_name.replace('/', '%2F')}%22", timeout=5000
        )
        await expect(page.locator("main")).to_contain_text("scripts")
        await expect(page.locator(f"#agent-{agent}")).to_contain_text("site=<b>east</b>")
        await page.get_by_role("button", name=f"Drain node {node.id}").click()
        await confirmed(page, "Drain", "new kernel")
        await expect(row).to_contain_text("Draining", timeout=1500)
        await good_looks(page, "nodes")
        await page.get_by_role("button", name=f"Resume node {node.id}").click()
        await confirmed(page, "Resume", "done")
        await expect(row).to_contain_text("Live", timeout=1500)
    finally:
        await client.cluster.resume_node(node.id)
        await sleeping.interrupt()


async def test_an_agent_shows_its_host_and_is_drained_and_resumed(
    page: Page, console: Console, client: Client, agent: str
) -> None:
    await page.goto(f"{console.url}/nodes")
    await page.get_by_role("link", name=agent, exact=True).click()
    await page.wait_for_url(f"{console.url}/agents/{agent}")
    told = await client.cluster.agent(agent)
    assert told.host is not None
    await expect(page.locator("#agent")).to_contain_text(told.host.hostname)
    await expect(page.locator("#agent")).to_contain_text("site=<b>east</b>")
    await page.get_by_role("button", name=f"Drain agent {agent}").click()
    await confirmed(page, "Drain", "new disks")
    await expect(page.locator("#agent .heading")).to_contain_text("Draining", timeout=1500)
    assert (await client.cluster.agent(agent)).state is AgentState.DRAINING
    await good_looks(page, "agent")
    await page.get_by_role("button", name=f"Resume agent {agent}").click()
    await confirmed(page, "Resume", "done")
    await expect(page.locator("#agent .heading")).to_contain_text("Live", timeout=1500)


async def test_an_agent_that_went_is_forgotten(page: Page, console: Console, client: Client, tmp_path: Path) -> None:
    async with working("short-lived", console, client, tmp_path):
        await page.goto(f"{console.url}/agents/short-lived")
        await expect(page.get_by_role("button", name="Drain agent short-lived")).to_be_visible()
        await expect(page.get_by_role("button", name="Forget agent short-lived")).to_have_count(0)
    await expect(page.locator("#agent .heading")).to_contain_text("Away")
    await page.get_by_role("button", name="Forget agent short-lived").click()
    await confirmed(page, "Forget", "the host is gone")
    await page.wait_for_url(f"{console.url}/nodes")
    await expect(page.locator("main")).not_to_contain_text("short-lived")
    with pytest.raises(NotFound):
        await client.cluster.agent("short-lived")


async def test_lanes_say_who_holds_them_or_that_there_are_none(page: Page, console: Console, client: Client) -> None:
    lanes = await client.cluster.lanes()
    await page.goto(f"{console.url}/lanes")
    await expect(page.locator("#lanes")).to_contain_text(lanes[0].name if lanes else "No task has ever asked")
    await good_looks(page, "lanes")


async def test_a_held_lane_names_its_holder_and_who_is_next() -> None:
    since = datetime(2026, 11, 22, 12, tzinfo=UTC)
    held = Lane(
        "<b>tree", 9, LaneStanding(41, 2, "vm/7", since), tuple(LaneStanding(n, 1, "", since) for n in range(50, 57))
    )
    free = Lane("other", 3, None, ())
    drawn = environment().get_template("nodes/lanes_part.html").render(prefix="/w", lanes=[held, free])
    assert '<a href="/w/tasks/41">task 41</a>' in drawn
    assert "attempt 2" in drawn
    assert "&lt;b&gt;tree" in drawn
    assert [f"/w/tasks/{n}" in drawn for n in (50, 54, 55)] == [True, True, False]
    assert '<td class="faint">free</td>' in drawn

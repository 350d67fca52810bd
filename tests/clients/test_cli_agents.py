"""`windlass agents …`, against a kernel; and `windlass agent` with what it can't start with."""

import json

from windlass.store.agents import AgentFacts, HostFacts, Joined
from windlass.store.pools import KindFacts

from tests.clients.command_line import CommandLine
from tests.control.calling import Calling

KEYS = (
    "name state node version host labels pools kinds create_time join_time last_seen_time expire_time"
    " peer server running"
)


async def connected(kernel: Calling) -> int:
    host = HostFacts(
        agent="web-01",
        hostname="web-01.example.org",
        addresses=("10.0.0.7",),
        os="Debian 12",
        architecture="x86_64",
        cpus=8,
        memory=2_000_000_000,
        version="0.1.0",
        python="3.11.7",
        labels={"site": "east"},
    )
    facts = AgentFacts(
        *("web-01", "elsewhere", 7, 9, host, {"agent:web-01": 4}),
        kinds=(KindFacts("Echo", "default", 3, 1.0),),
        peer="10.0.0.7:4711",
        server="kernel/1",
    )
    joined = await kernel.kernel._store.agents.join(facts, 30.0)
    assert isinstance(joined, Joined)
    return joined.epoch


async def test_agents_are_listed_with_their_hosts(operator: CommandLine, kernel: Calling):
    assert "No agent has ever connected." in (await operator.run("agents", "list")).errors
    await connected(kernel)
    header, line = (await operator.run("agents", "list")).text.splitlines()[:2]
    assert header.split() == ["Agent", "State", "Host", "Running", "Seen", "Labels", "Version"]
    assert line.split()[:3] == ["web-01", "Live", "web-01.example.org"]
    [listed] = json.loads((await operator.run("agents", "list", "-o", "json")).out)
    assert " ".join(listed) == KEYS
    assert listed["host"]["addresses"] == ["10.0.0.7"]


async def test_an_agent_is_shown_with_all_that_is_known_of_its_host(operator: CommandLine, kernel: Calling):
    await connected(kernel)
    shown = (await operator.run("agents", "show", "web-01")).text
    for words in ("agent:web-01 4", "site=east", "10.0.0.7", "Debian 12, x86_64", "8 CPUs, 2000.0 MB", "kernel/1 from"):
        assert words in shown, shown
    missing = await operator.run("agents", "show", "web-09")
    assert missing.code != 0
    assert "no agent 'web-09' has ever connected" in missing.errors


async def test_an_agent_is_drained_and_resumed(operator: CommandLine, kernel: Calling):
    await connected(kernel)
    ended = await operator.run("agents", "drain", "web-01", "--reason", "new disks")
    assert (ended.code, ended.text) == (0, "agent web-01: Draining, no tasks left\n")
    assert (await operator.run("agents", "resume", "web-01")).text == "agent web-01: Live\n"
    assert kernel.count("audit") == 2


async def test_an_agent_that_will_not_come_back_is_forgotten(operator: CommandLine, kernel: Calling):
    epoch = await connected(kernel)
    unsaid = await operator.run("agents", "forget", "web-01")
    assert (unsaid.code, "add --yes" in unsaid.errors) == (2, True)
    early = await operator.run("agents", "forget", "web-01", "--yes")
    assert early.code != 0
    assert "agent web-01 is connected" in early.errors
    await kernel.kernel._store.cluster.leave(epoch)
    ended = await operator.run("agents", "forget", "web-01", "--reason", "scrapped", "--yes")
    assert (ended.code, ended.text) == (0, "agent web-01 is forgotten\n")
    assert "web-01" not in (await operator.run("agents", "list")).text
    assert kernel.count("audit") == 1


async def test_the_card_of_a_task_names_the_host_that_it_ran_on(operator: CommandLine, kernel: Calling):
    epoch = await connected(kernel)
    name = await kernel.enqueue(pool="agent:web-01")
    await kernel.kernel._store.queue.claim(epoch, "agent:web-01", ["Echo"], 1)
    shown = (await operator.run("show", name.removeprefix("tasks/"))).text
    assert "agent web-01" in shown
    assert "web-01.example.org (10.0.0.7), Debian 12, x86_64" in shown


async def test_an_agent_that_can_not_start_says_what_to_change(operator: CommandLine):
    for words, said in (
        (("--id", "Web 01"), "--id must be a to z"),
        (("--id", "web-01"), "no server is named"),
        (("--id", "web-01", "--server", "127.0.0.1:1", "--token-file", "nowhere"), "nowhere can't be read"),
        (("--id", "web-01", "--pool", "agent:web-02"), "the own pool of an agent"),
        (("--id", "web-01", "--pool", "builds=0"), "slots must be from 1 to 1000"),
        (("--id", "web-01", "--label", "site"), "must look like KEY=VALUE"),
    ):
        ended = await operator.run("agent", *words)
        assert (ended.code, said in ended.errors) == (1, True), (words, ended.errors)


async def test_the_doctor_names_agents_that_are_away_or_drained(operator: CommandLine, kernel: Calling):
    epoch = await connected(kernel)
    assert "1 agent live, no tasks running" in (await operator.run("doctor")).text
    await kernel.kernel._store.agents.drain("web-01", draining=True)
    assert "windlass agents resume web-01" in (await operator.run("doctor")).text
    await kernel.kernel._store.cluster.leave(epoch)
    assert "windlass agent --id web-01" in (await operator.run("doctor")).text

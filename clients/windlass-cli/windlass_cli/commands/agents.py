"""`windlass agents`: workers on hosts of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from windlass_cli import completion, words
from windlass_cli.consent import ask, check_can_ask
from windlass_cli.forms import Column, Form
from windlass_cli.options import Format, Output, Reason, Yes
from windlass_cli.printing import print_done, print_list
from windlass_cli.session import with_client
from windlass_cli.work import labels, state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windlass_client import Agent, Client, Host

agents = typer.Typer(help="See the hosts that agents run on, take an agent out of work.", no_args_is_help=True)

AgentId = Annotated[
    str, typer.Argument(metavar="AGENT", help="The agent, such as web-01.", autocompletion=completion.agents)
]


def _pools(agent: Agent) -> str:
    return ", ".join(f"{one.pool} {one.slots}" for one in agent.pools)


def _host(agent: Agent) -> str:
    return agent.host.hostname if agent.host else ""


def _addresses(agent: Agent) -> str:
    return ", ".join(agent.host.addresses) if agent.host else ""


AGENTS: Form[Agent] = Form(
    columns=(
        Column("Agent", lambda agent: agent.name),
        Column("State", lambda agent: state(agent.state)),
        Column("Host", _host),
        Column("Running", lambda agent: agent.running, number=True),
        Column("Seen", lambda agent: words.ago(agent.last_seen_time)),
        Column("Labels", lambda agent: labels(agent.labels), gives_way=True),
        Column("Version", lambda agent: agent.version),
        Column("Pools", _pools, wide=True),
        Column("Addresses", _addresses, wide=True),
        Column("Joined", lambda agent: words.when(agent.join_time), wide=True),
        Column("Kinds", lambda agent: ", ".join(agent.kinds), wide=True, gives_way=True),
    ),
    empty="No agent has ever connected. Start one on its host with windlass agent.",
)


@agents.command("list")
def list_agents(output: Output = Format.table) -> None:
    """List every agent that ever joined and was not forgotten, also those that are away."""

    async def work(client: Client) -> None:
        print_list(await client.cluster.agents(), AGENTS, output)

    with_client(work)


@agents.command()
def show(id: AgentId, output: Output = Format.table) -> None:
    """Show an agent: its host, what it serves, when it was seen.

    \b
    windlass agents show web-01
    """

    async def work(client: Client) -> None:
        agent = await client.cluster.agent(id)
        lines = (f"{name:<10}  {value}" for name, value in _details(agent) if value)
        print_done("\n".join(lines), AGENTS.document(agent), output)

    with_client(work)


@agents.command()
def drain(id: AgentId, reason: Reason = "", output: Output = Format.table) -> None:
    """Let an agent finish what it runs and take nothing more.

    Until it is resumed, also when it is started anew meanwhile.

    \b
    windlass agents drain web-01 --reason "new disks"
    """

    async def work(client: Client) -> None:
        agent = await client.cluster.drain_agent(id, reason)
        left = words.counted(agent.running, "task")
        print_done(f"agent {agent.name}: {words.label(agent.state)}, {left} left", AGENTS.document(agent), output)

    with_client(work)


@agents.command()
def resume(id: AgentId, reason: Reason = "", output: Output = Format.table) -> None:
    """Let an agent that was drained take tasks again."""

    async def work(client: Client) -> None:
        agent = await client.cluster.resume_agent(id, reason)
        print_done(f"agent {agent.name}: {words.label(agent.state)}", AGENTS.document(agent), output)

    with_client(work)


@agents.command()
def forget(id: AgentId, reason: Reason = "", yes: Yes = False, output: Output = Format.table) -> None:
    """Take an agent that will not come back out of all lists.

    It must be away. Tasks for its own pool go on waiting; should it connect again, it is a new one.

    \b
    windlass agents forget web-01 --reason "the host is gone" --yes
    """
    check_can_ask("agents forget", yes=yes)
    ask(f"forget agent {id}?", yes=yes)

    async def work(client: Client) -> None:
        agent = await client.cluster.forget_agent(id, reason)
        print_done(f"agent {agent.name} is forgotten", AGENTS.document(agent), output)

    with_client(work)


def _details(agent: Agent) -> Iterator[tuple[str, str]]:
    yield "Agent", agent.name
    yield "State", words.label(agent.state)
    yield "Seen", words.ago(agent.last_seen_time)
    yield "Joined", words.when(agent.join_time)
    yield "Called", f"{agent.server} from {agent.peer}"
    yield "Running", words.counted(agent.running, "task")
    yield "Pools", _pools(agent)
    yield "Kinds", ", ".join(agent.kinds)
    yield "Labels", labels(agent.labels)
    if agent.host is not None:
        yield from of_host(agent.host)


def of_host(host: Host) -> Iterator[tuple[str, str]]:
    """A line for each thing there is to say of a host."""
    yield "Host", host.hostname
    yield "Addresses", ", ".join(host.addresses)
    yield "System", ", ".join(filter(None, (host.os, host.os_kernel, host.architecture)))
    cpus = words.counted(host.cpus, "CPU") if host.cpus else ""
    memory = words.size(host.memory_bytes) if host.memory_bytes else ""
    yield "Hardware", ", ".join(filter(None, (cpus, memory)))
    yield "Booted", words.when(host.boot_time) if host.boot_time else ""
    yield "Versions", ", ".join(filter(None, (f"agent {host.agent_version}", f"Python {host.python_version}")))

"""A plugin that only the agent has: its handlers find there what they would find on a server."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from windlass_proto.v1 import history_service_pb2, task_pb2

from tests.system.hosting import SECONDS, Site, site_in

PLUGIN = """
import time
import msgspec
from windlass import Handler, Success, hookimpl

class Nothing(msgspec.Struct):
    pass

class Block(Handler[Nothing]):
    kind = "Block"

    async def run(self, ctx, payload):
        await ctx.step("blocking")
        time.sleep(4)
        return Success()

class Family(Handler[Nothing]):
    kind = "Family"

    async def run(self, ctx, payload):
        await ctx.stage("publishing")
        async with ctx.lane("entities") as lane:
            await lane.check()
            version = await ctx.documents.put("state", {"fence": lane.fence})
        found = await ctx.documents.get("state")
        await ctx.progress(1, 2)
        child = await ctx.enqueue("Blocking", {}, name="one", pool="agent:web-01", title="the child")
        again = await ctx.enqueue("Blocking", {}, name="one", pool="agent:web-01", title="the child")
        return Success({"version": version, "value": found.value, "child": child, "again": again})

class Blocking(Handler[Nothing]):
    kind = "Blocking"

    def run(self, ctx, payload):
        ctx.step("in a process")
        ctx.documents.put("from-a-process", [1, 2], expected=0)
        return Success({"names": [one.name for one in ctx.documents.list()]})

@hookimpl
def windlass_register_handlers(settings):
    return [Block(), Family(), Blocking()]
"""


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Iterator[Site]:
    with site_in(tmp_path, dsn) as made:
        folder = tmp_path / "site"
        facts = folder / "acme-1.0.dist-info"
        facts.mkdir(parents=True)
        (folder / "acme.py").write_text(PLUGIN)
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
        (facts / "entry_points.txt").write_text("[windlass.plugins]\nacme = acme\n")
        # From here on: the server, which runs already, has no such plugin.
        made.home.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
        yield made


def steps(site: Site, task: str) -> list[str]:
    asked = history_service_pb2.ListStepsRequest(parent=task.replace("tasks/", "cards/"))
    return [step.text for step in site.history.ListSteps(asked, timeout=SECONDS).steps]


def test_handlers_of_a_plugin_that_only_the_agent_has_find_lanes_documents_and_children(site: Site):
    agent = site.ready(site.agent("web-01"))
    task = site.enqueue("", kind="Family")
    done = site.ended(task)
    assert done.state == task_pb2.Task.STATE_COMPLETED, (done.message, site.said(agent))
    result = json.loads(done.result.data)
    assert (result["version"], result["value"]) == (1, {"fence": 1})
    assert result["child"] == result["again"], "a child with a name is made once"
    assert "publishing" in steps(site, task)
    child = site.ended(f"tasks/{result['child']}")
    assert (child.parent, child.title, child.initiator) == (task, "the child", done.initiator)
    assert (child.state, child.node) == (task_pb2.Task.STATE_COMPLETED, "agent web-01"), child.message
    assert json.loads(child.result.data) == {"names": ["from-a-process", "state"]}
    assert "in a process" in steps(site, child.name)


def test_a_handler_that_blocks_the_loop_for_longer_than_the_lease_does_not_cost_it(site: Site):
    agent = site.ready(site.agent("web-01"))
    task = site.enqueue("", kind="Block")
    done = site.ended(task)
    assert (done.state, done.attempt) == (task_pb2.Task.STATE_COMPLETED, 1), done.message
    assert site.said(agent).count("agent joined") == 1
    assert "lease" not in site.said(agent)

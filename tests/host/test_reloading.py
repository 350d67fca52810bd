"""The configuration, read again: what can change does, what can't is named, and an invalid one changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from windlass import Context, Door, Handler, Outcome, Section, Settings, Success, hookimpl
from windlass.config import Config, load_config
from windlass.core.access import Role
from windlass.core.lifecycle import State
from windlass.errors import ConfigError, StoreUnavailable
from windlass.host import plugins
from windlass.host.kernel import Kernel
from windlass.host.maintenance.pruner import Pruner
from windlass.host.maintenance.roller import Roller
from windlass.host.plugins import load_plugins
from windlass.host.reloading import Reloaded, Reloader, flat
from windlass.store.facts import Note
from windlass.store.port import Store

from tests.waiting import eventually

DAY = 86_400.0
NOTE = Note("ada", "tokens/1", Role.ADMIN, "windlass.v1.Cluster/Reload", "configuration", "new limits")


class Limits(msgspec.Struct, frozen=True):
    most: int = 10
    least: int = 1

    def __post_init__(self) -> None:
        if self.least > self.most:
            raise ValueError(f"least must not be above most ({self.most})")


class Check(Handler[dict[str, int]]):
    kind = "Check"
    pool = "checks"

    async def run(self, ctx: Context, payload: dict[str, int]) -> Outcome:
        return Success(payload)


class Checks:
    """Takes new limits while it runs, and has the world checked again."""

    def __init__(self) -> None:
        self.limits: list[Limits] = []
        self.tasks: list[int] = []

    @hookimpl
    def windlass_register_settings(self) -> Section:
        return Section("checks", Limits)

    @hookimpl
    def windlass_register_handlers(self, settings: Settings) -> Iterable[Handler[Any]]:
        return [Check()]

    @hookimpl
    async def windlass_config_reloaded(self, kernel: Door, settings: Settings) -> None:
        self.limits.append(settings.of(Limits))
        self.tasks.append(await kernel.enqueue("Check", {"most": self.limits[-1].most}))


class Fixed(msgspec.Struct, frozen=True):
    word: str = "hello"


class Stubborn:
    """Reads its section at its start only, and its hook (of another plugin's business) fails."""

    @hookimpl
    def windlass_register_settings(self) -> Section:
        return Section("stubborn", Fixed)


class Fails:
    @hookimpl
    def windlass_config_reloaded(self) -> None:
        raise ValueError("not in the mood")


class Scene:
    """A kernel whose configuration is a file that the test writes."""

    def __init__(self, file: Path, store: Store) -> None:
        self.file = file
        self.file.write_text("")
        self.checks = Checks()
        found = {"checks": self.checks, "stubborn": Stubborn(), "fails": Fails()}
        self.levels: list[str] = []
        config = self.read()
        self.kernel = Kernel(store, load_plugins(config.plugins, found, installed=False), config.node)
        self.reloader: Reloader = self.kernel.rereads(config, self.read, lambda log: self.levels.append(log.level))

    def read(self) -> Config:
        return load_config(self.file, environ={"HOME": str(self.file.parent), "WINDLASS_NODE_LEASE": "30"})

    async def reload(self, text: str, note: Note | None = None) -> Reloaded:
        self.file.write_text(text)
        return await self.reloader.reload(note)

    def keeper(self, type_: type) -> Any:
        return next(service for service in self.kernel.node._keepers if isinstance(service, type_))


@pytest.fixture
async def scene(tmp_path: Path, store: Store) -> Any:
    made = Scene(tmp_path / "windlass.toml", store)
    await made.kernel.start()
    yield made
    await made.kernel.drain()
    await made.kernel.stop()


async def slots_of(store: Store, *names: str) -> list[int]:
    pools = {pool.name: pool.slots for pool in await store.pools.look()}
    return [pools[name] for name in names]


async def test_what_can_change_while_tasks_run_does(scene: Scene, store: Store) -> None:
    done = await scene.reload(
        "[node]\npools = { default = 7, checks = 2 }\ndrain_grace = 3\nleak_limit = 0\n"
        "[retention]\nhistory = 9\nrequests = 2\npartition = 3\nkinds = { Noop = 1 }\n"
        '[log]\nlevel = "debug"\n[plugins.checks]\nmost = 20\n'
    )
    assert done == Reloaded(
        changed=(
            "log.level",
            "node.drain_grace",
            "node.leak_limit",
            "node.pools.checks",
            "node.pools.default",
            "plugins.checks.most",
            "retention.history",
            "retention.kinds.Noop",
            "retention.partition",
            "retention.requests",
        ),
        waiting=(),
    )
    assert await slots_of(store, "default", "checks") == [7, 2]
    slots = {dispatcher.pool: dispatcher for dispatcher in scene.kernel.node.dispatchers}
    await eventually(lambda: (slots["default"].slots, slots["checks"].slots) == (7, 2))
    assert (scene.kernel.node._config.drain_grace, scene.kernel.node._config.leak_limit) == (3.0, 0)
    assert scene.keeper(Roller).period == 3 * DAY
    pruner = scene.keeper(Pruner)
    assert (pruner.requests, pruner.retention.longest, pruner.retention.kinds) == (2 * DAY, 9 * DAY, {"Noop": DAY})
    assert scene.levels == ["debug"]
    assert scene.checks.limits == [Limits(most=20)]


async def test_what_can_not_change_is_named_until_it_does_not_differ_any_more(scene: Scene) -> None:
    text = "[store]\nconnections = 5\n[node]\npools = { default = 40, more = 3 }\nrenew = 1\n"
    text += '[plugins.stubborn]\nword = "a"\n'
    waiting = ("node.pools.more", "node.renew", "plugins.stubborn.word", "store.connections")
    assert await scene.reload(text) == Reloaded((), waiting)
    assert await scene.reload(text + "[log]\njson = true\n") == Reloaded(("log.json",), waiting)
    assert scene.kernel.node._config.renew == 5.0
    assert await scene.reload("[log]\njson = true\n") == Reloaded((), ())


async def test_a_pool_that_a_handler_names_falls_back_to_its_usual_slots(scene: Scene, store: Store) -> None:
    await scene.reload("[node]\npools = { default = 40, checks = 2 }\n")
    assert await scene.reload("") == Reloaded(("node.pools.checks",), ())
    assert await slots_of(store, "default", "checks") == [40, 40]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[node\n", "can't be read"),
        ("[node]\ndrain_grase = 3\n", "did you mean 'drain_grace'?"),
        ("[node]\npools = { default = 0 }\n", "node.pools.default must be from 1 to"),
        ('[log]\nlevel = "loud"\n', "log.level must be debug, info, warning or error, not 'loud'"),
        ("[plugins.nobody]\na = 1\n", "belongs to no installed plugin"),
        ("[plugins.checks]\nmost = true\n", "plugins.checks.most"),
        ("[plugins.checks]\nleast = 11\n", "least must not be above most (10)"),
    ],
)
async def test_an_invalid_file_changes_nothing_and_queues_nothing(
    scene: Scene, store: Store, text: str, words: str
) -> None:
    await scene.reload("[node]\npools = { default = 7 }\n")
    [task] = scene.checks.tasks
    with pytest.raises(ConfigError) as refused:
        await scene.reload("[retention]\nhistory = 1\n" + text, NOTE)
    assert words in refused.value.message
    assert await slots_of(store, "default") == [7]
    assert scene.keeper(Pruner).retention.longest == 30 * DAY
    assert (scene.levels, scene.checks.tasks) == (["info"], [task])
    assert (await store.audit.entries(10)).items == ()
    assert await scene.reload("[node]\npools = { default = 7 }\n") == Reloaded((), ()), "what was refused is forgotten"


async def test_each_valid_reload_queues_what_plugins_want_checked_again(scene: Scene, store: Store) -> None:
    for _ in range(2):
        await scene.reload("")
    assert len(set(scene.checks.tasks)) == 2

    async def ended() -> Any:
        facts = await store.library.task(scene.checks.tasks[1])
        return facts if facts is not None and facts.state.final else None

    facts = await eventually(ended)
    assert (facts.state, facts.kind, facts.trigger) == (State.COMPLETED, "Check", "config_reload")
    assert (facts.initiator, facts.origin, facts.payload) == ("Scheduler", 2, b'{"most": 10}')


async def test_a_plugin_that_fails_is_logged_and_the_others_are_told(scene: Scene) -> None:
    with structlog.testing.capture_logs() as logged:
        await scene.reload("")
    assert [line["plugin"] for line in logged if line["log_level"] == "error"] == ["fails"]
    assert len(scene.checks.tasks) == 1


async def test_a_plugin_that_takes_for_ever_is_given_up(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "HOOK_SECONDS", 0.05)

    class Hangs:
        @hookimpl
        async def windlass_config_reloaded(self) -> None:
            await asyncio.get_running_loop().create_future()

    scene.kernel._plugins._hooks.register(Hangs(), "hangs")
    with structlog.testing.capture_logs() as logged:
        await scene.reload("")
    assert "hangs" in {line.get("plugin") for line in logged if line["log_level"] == "error"}


async def test_a_reload_that_somebody_asked_for_has_its_row(scene: Scene, store: Store) -> None:
    await scene.reload("", NOTE)
    assert [entry.note for entry in (await store.audit.entries(10)).items] == [NOTE]


async def test_without_a_store_nothing_changes(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(scene.kernel._store.pools, "register", away)
    with pytest.raises(StoreUnavailable):
        await scene.reload("[retention]\nhistory = 1\n")
    assert scene.keeper(Pruner).retention.longest == 30 * DAY
    monkeypatch.undo()
    assert (await scene.reload("[retention]\nhistory = 1\n")).changed == ("retention.history",)


async def test_what_is_wrong_at_a_signal_is_logged(scene: Scene) -> None:
    scene.file.write_text("[node\n")
    with structlog.testing.capture_logs() as logged:
        await scene.reloader.reload_by_signal()
    assert [line["event"] for line in logged] == ["the configuration stays as it was"]
    assert "can't be read" in logged[0]["error"]


async def test_an_error_nobody_foresaw_does_not_end_the_hearing_of_signals(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(scene.kernel._store.pools, "register", breaks)
    with structlog.testing.capture_logs() as logged:
        await scene.reloader.reload_by_signal()
    assert [line["event"] for line in logged] == ["the configuration could not be read again"]


async def test_a_reload_goes_on_when_its_caller_goes_away(scene: Scene) -> None:
    asking = asyncio.create_task(scene.reload(""))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await eventually(lambda: scene.checks.tasks)


async def test_reloads_come_one_after_the_other(scene: Scene) -> None:
    scene.file.write_text("[node]\nleak_limit = 3\n")
    done = await asyncio.gather(*(scene.reloader.reload() for _ in range(3)))
    assert sorted(one.changed for one in done) == [(), (), ("node.leak_limit",)]


def test_keys_are_told_with_dots() -> None:
    found = flat(Config(home="/h", plugins={"a": {"b": {"c": 1}}}))
    assert (found["home"], found["node.pools.default"], found["plugins.a.b.c"]) == ("/h", 40, 1)


class Starts:
    def __init__(self, wanted: Callable[[Door], Any]) -> None:
        self.wanted = wanted
        self.tasks: list[int] = []

    @hookimpl
    def windlass_register_handlers(self, settings: Settings) -> Iterable[Handler[Any]]:
        return [Check()]

    @hookimpl
    async def windlass_startup(self, kernel: Door) -> None:
        self.tasks.append(await self.wanted(kernel))


async def test_a_plugin_queues_work_when_the_server_starts(store: Store) -> None:
    starts = Starts(lambda door: door.enqueue("Check", {"n": 1}, priority=9, coalesce_key="startup"))
    config = load_config(environ={"HOME": "/nowhere"}).node
    kernel = Kernel(store, load_plugins({}, {"starts": starts}, installed=False), config)
    await kernel.start()
    try:
        facts = await store.library.task(starts.tasks[0])
        assert facts is not None
        assert (facts.trigger, facts.priority, facts.coalesce_key) == ("startup", 9, "startup")
        assert (facts.initiator, facts.origin) == ("Scheduler", 2)
    finally:
        await kernel.drain()
        await kernel.stop()


async def test_a_plugin_whose_startup_fails_stops_the_boot(store: Store) -> None:
    starts = Starts(lambda door: door.enqueue("Chekc"))
    plugins_ = load_plugins({}, {"starts": starts}, installed=False)
    kernel = Kernel(store, plugins_, load_config(environ={"HOME": "/nowhere"}).node)
    with pytest.raises(Exception, match="did you mean Check"):
        await kernel.start()
    await kernel.drain()
    await kernel.stop()


async def test_a_door_takes_no_name_and_knows_its_wishes(store: Store) -> None:
    starts = Starts(lambda door: door.enqueue("Check"))
    kernel = Kernel(store, load_plugins({}, {"s": starts}, installed=False), load_config(environ={"HOME": "/n"}).node)
    door = kernel._doors("startup")("s")
    with pytest.raises(TypeError, match="only a child has a name"):
        await door.enqueue("Check", name="one")
    with pytest.raises(TypeError, match="can't be asked for colour"):
        await door.enqueue("Check", colour="red")  # type: ignore[call-arg]
    assert (await store.library.active(10, None)).items == ()


async def test_a_door_waits_while_the_store_is_away(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = Starts(lambda door: door.enqueue("Check"))
    kernel = Kernel(store, load_plugins({}, {"s": starts}, installed=False), load_config(environ={"HOME": "/n"}).node)
    real, lost = store.queue.enqueue_each, [True]

    async def forgets(tasks: Any) -> Any:
        answer = await real(tasks)
        if lost.pop() if lost else False:
            raise StoreUnavailable("the answer got lost")
        return answer

    monkeypatch.setattr(store.queue, "enqueue_each", forgets)
    task = await kernel._doors("startup")("s").enqueue("Check")
    assert [facts.id for facts in (await store.library.active(10, None)).items] == [task], "once"

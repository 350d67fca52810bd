"""Finding plugins by their entry points: what is taken, what is put aside, what stops the boot."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from windlass.errors import BadHandler, BootError, ConfigError
from windlass.host.documents import Archive
from windlass.host.plugins import OURS, PluginFacts, Plugins, load_plugins
from windlass.host.schedules import SCHEDULER
from windlass.store.memory import MemoryStore, World
from windlass.testing.made import Makes

GREETER = """
    import msgspec
    from windlass import Handler, Section, Success, hookimpl

    class Greeting(msgspec.Struct, frozen=True):
        word: str = "hello"

    class Greet(Handler[dict]):
        kind = "Greet"

        def __init__(self, word):
            self.word = word

        async def run(self, ctx, payload):
            return Success(self.word)

    @hookimpl
    def windlass_register_settings():
        return Section("greeter", Greeting)

    @hookimpl
    def windlass_register_handlers(settings):
        return [Greet(settings.of(Greeting).word)]
"""


class Site:
    """A folder of installed distributions, which is all that the interpreter finds entry points in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def install(self, name: str, source: str) -> None:
        module = f"strange_{name}"
        (self._folder / f"{module}.py").write_text(textwrap.dedent(source))
        facts = self._folder / f"{module}-1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (facts / "entry_points.txt").write_text(f"[windlass.plugins]\n{name} = {module}\n")
        importlib.invalidate_caches()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Where only what the test installs is installed; what it imports is forgotten."""
    standard = [entry for entry in sys.path if "site-packages" not in entry]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *standard])
    yield Site(tmp_path)
    for name in [name for name in sys.modules if name.startswith("strange_")]:
        del sys.modules[name]


def theirs(plugins: Plugins) -> list[str]:
    """The kinds that are not the kernel's own."""
    return [name for name, kind in plugins.kinds.items() if kind.plugin != OURS]


def test_without_plugins_there_are_no_kinds_but_the_kernels_own(site: Site) -> None:
    plugins = load_plugins({})
    assert (theirs(plugins), dict(plugins.quarantined)) == ([], {})


def test_an_installed_plugin_is_found_and_configured(site: Site) -> None:
    site.install("greeter", GREETER)
    assert load_plugins({}).kinds["Greet"].handler.word == "hello"  # type: ignore[attr-defined]
    configured = load_plugins({"greeter": {"word": "ahoy"}})
    assert configured.kinds["Greet"].handler.word == "ahoy"  # type: ignore[attr-defined]


def test_payloads_are_decoded_into_the_handlers_type(site: Site) -> None:
    site.install("greeter", GREETER)
    assert load_plugins({}).kinds["Greet"].decode(b'{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("raise ValueError('no')", "ValueError: no"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import not_installed_anywhere", "ModuleNotFoundError: No module named 'not_installed_anywhere'"),
        ("this is no Python", "SyntaxError: "),
    ],
)
def test_a_plugin_that_can_not_be_imported_is_put_aside_and_the_others_work(
    site: Site, source: str, words: str
) -> None:
    site.install("broken", source)
    site.install("greeter", GREETER)
    plugins = load_plugins({})
    assert theirs(plugins) == ["Greet"]
    assert list(plugins.quarantined) == ["broken"]
    [broken, greeter] = plugins.found
    assert (broken.name, broken.version, broken.error.startswith(words)) == ("broken", "1.0", True)
    assert greeter == PluginFacts("greeter", "1.0", "", ("Greet",))
    assert plugins.quarantined["broken"].startswith(words)


def test_ctrl_c_during_an_import_is_not_the_plugins_fault(site: Site) -> None:
    site.install("slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_plugins({})


def test_a_hook_that_does_not_exist_stops_the_boot(site: Site) -> None:
    site.install(
        "hopeful",
        """
        from windlass import hookimpl

        @hookimpl
        def windlass_registre_handlers(settings):
            return []
        """,
    )
    with pytest.raises(BootError, match=r"windlass_registre_handlers(.|\n)*hookspecs\.py"):
        load_plugins({})


def test_a_hook_that_asks_for_something_unknown_stops_the_boot(site: Site) -> None:
    site.install(
        "curious",
        """
        from windlass import hookimpl

        @hookimpl
        def windlass_register_handlers(settings, database):
            return []
        """,
    )
    with pytest.raises(BootError, match="database"):
        load_plugins({})


def test_two_handlers_for_one_kind_stop_the_boot_and_both_are_named(site: Site) -> None:
    site.install("greeter", GREETER)
    other = (
        GREETER.replace('"greeter"', '"other"')
        .replace("class Greet(", "class Welcome(")
        .replace("[Greet(", "[Welcome(")
    )
    site.install("other", other)
    with pytest.raises(BadHandler) as refused:
        load_plugins({})
    assert "two handlers for kind Greet" in refused.value.message
    assert "Greet" in refused.value.message
    assert "Welcome" in refused.value.message


def test_a_handler_that_breaks_the_contract_stops_the_boot(site: Site) -> None:
    site.install("lazy", GREETER.replace('kind = "Greet"', 'kind = ""'))
    with pytest.raises(BadHandler, match="Greet has no kind"):
        load_plugins({})


def test_a_payload_type_that_can_not_be_decoded_stops_the_boot(site: Site) -> None:
    site.install("odd", GREETER.replace("Handler[dict]", "Handler[dict | msgspec.Struct | list[int] | list[str]]"))
    with pytest.raises(BadHandler, match="payload type of kind Greet can't be decoded"):
        load_plugins({})


def test_a_section_that_belongs_to_no_plugin_stops_the_boot(site: Site) -> None:
    site.install("greeter", GREETER)
    with pytest.raises(BootError) as refused:
        load_plugins({"greater": {}})
    assert refused.value.message == "[plugins.greater] belongs to no installed plugin (known sections: greeter)"


def test_a_key_that_no_plugin_knows_stops_the_boot(site: Site) -> None:
    site.install("greeter", GREETER)
    with pytest.raises(ConfigError, match=r"unknown key 'plugins\.greeter\.wrod'; did you mean 'word'\?"):
        load_plugins({"greeter": {"wrod": "x"}})


async def test_a_failing_start_up_stops_the_boot_and_a_failing_shutdown_does_not_matter(site: Site) -> None:
    site.install(
        "moody",
        """
        from windlass import hookimpl

        @hookimpl
        def windlass_startup():
            raise ValueError("not today")

        @hookimpl
        def windlass_shutdown():
            raise ValueError("not yet")
        """,
    )
    plugins = load_plugins({})
    makes = Makes({}, Archive(MemoryStore(World(lambda: datetime.now(UTC))).documents))
    with pytest.raises(ValueError, match="not today"):
        await plugins.startup(makes.doors("startup", SCHEDULER))
    plugins.shutdown()


PLANNER = """
    from windlass import Resident, Schedule, hookimpl

    @hookimpl
    def windlass_register_schedules(settings):
        return [Schedule("nightly", "Greet", cron="30 2 * * *")]

    @hookimpl
    def windlass_register_residents():
        return [Resident("Greet", "door")]
"""


def test_schedules_and_residents_are_taken_with_whose_they_are(site: Site) -> None:
    site.install("planner", PLANNER)
    site.install("greeter", GREETER)
    plugins = load_plugins({})
    names = {owner: [schedule.name for schedule in found] for owner, found in plugins.schedules.items()}
    assert names == {"planner": ["nightly"], "greeter": []}
    assert [(resident.kind, resident.key) for resident in plugins.residents] == [("Greet", "door")]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('Schedule("nightly", "Greet", cron="30 2 * * *")', '"nightly"', "schedules returned 'nightly', no Schedule"),
        ('[Resident("Greet", "door")]', "[Resident('Greet', 'door')] * 2", "key 'door' is registered twice"),
        ('"door"', r'"do\nor"', "the key of a resident Greet must be at most 200 printable characters"),
    ],
)
def test_a_plugin_that_registers_nonsense_stops_the_boot(site: Site, old: str, new: str, words: str) -> None:
    site.install("planner", PLANNER.replace(old, new))
    with pytest.raises(BootError, match=words):
        load_plugins({})


def test_two_schedules_of_one_name_stop_the_boot_and_both_plugins_are_named(site: Site) -> None:
    site.install("planner", PLANNER)
    site.install("other", PLANNER.replace('"door"', '"window"'))
    with pytest.raises(BootError, match=r"two schedules with the name 'nightly': by the plugins (\w+) and (\w+)"):
        load_plugins({})


def test_a_plugin_whose_health_could_hold_up_the_node_stops_the_boot(site: Site) -> None:
    site.install(
        "blocking",
        """
        from windlass import hookimpl

        @hookimpl
        def windlass_health():
            return None
        """,
    )
    with pytest.raises(BootError, match="plugin blocking: windlass_health must be `async def`"):
        load_plugins({})


def test_the_health_of_each_plugin_is_known_by_its_name(site: Site) -> None:
    source = """
        from windlass import HealthSection, hookimpl

        @hookimpl
        async def windlass_health():
            return HealthSection("Fine")
    """
    for name in ("one", "two"):
        site.install(name, source)
    assert sorted(load_plugins({}).health) == ["one", "two"]

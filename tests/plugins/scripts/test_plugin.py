"""The plugin at the kernel's door: its hooks, its settings, its graces."""

import subprocess
import sys

import msgspec
import pytest
import windlass_scripts
from windlass import Settings
from windlass_scripts import ExecuteScript, ExecuteScriptPayload, ScriptsSettings


def test_it_registers_one_section_and_one_kind():
    section = windlass_scripts.windlass_register_settings()
    assert (section.name, section.type) == ("scripts", ScriptsSettings)
    settings = Settings({ScriptsSettings: ScriptsSettings(kill_grace=2)})
    (handler,) = windlass_scripts.windlass_register_handlers(settings)
    assert isinstance(handler, ExecuteScript)
    assert (handler.kind, handler.payload_type) == ("ExecuteScript", ExecuteScriptPayload)


def test_the_ladder_waits_for_the_kill_grace_before_its_next_rung():
    assert ExecuteScript(ScriptsSettings(kill_grace=30)).graces.ask > 30 + 3


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"timeout": 0}, "timeout must be above 0"),
        ({"timeout": 10, "timeout_max": 5}, "at most timeout_max"),
        ({"kill_grace": 0}, "kill_grace must be above 0"),
        ({"kill_grace": 61}, "at most 60 s"),
        ({"interpreters": {"sh": []}}, "interpreters.sh must name a program"),
        ({"interpreters": {"sh": [""]}}, "interpreters.sh must name a program"),
        ({"inherit_environment": ["LD_PRELOAD"]}, "inherit_environment: LD_PRELOAD is among forbidden_environment"),
        ({"secrets_directory": "secrets"}, "secrets_directory must be an absolute path"),
        ({"library_versions": 0}, "library_versions must be from 1 to 100"),
        ({"output_cap": 10}, "output_cap must be from 1024"),
        ({"interpreter": {}}, "unknown field `interpreter`"),
    ],
)
def test_a_mistake_in_the_configuration_is_told(section, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(section, ScriptsSettings)


def test_the_runner_loads_nothing_that_every_start_would_pay_for():
    """`enum` alone, which `signal` loads, costs a quarter of a start."""
    code = "import sys; sys.path.append(sys.argv[1]); import runner.supervise; print(*sys.modules)"
    package = windlass_scripts.__path__[0]
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, package], capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert "runner.spawn" in loaded, done.stderr
    assert not loaded & {
        "enum",
        "functools",
        "re",
        "typing",
        "collections",
        "contextlib",
        "subprocess",
        "shutil",
        "msgspec",
    }

"""Configuration: file, environment, command line; and what is said about mistakes."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Any

import msgspec
import pytest
from windlass.config import Config, decode_section, default_home, load_config
from windlass.core.signals import Thresholds
from windlass.errors import ConfigError


def _load(folder: Path, text: str, *, overrides: dict[str, Any] | None = None, **environ: str) -> Config:
    file = folder / "windlass.toml"
    file.write_text(text)
    return load_config(file, environ={"HOME": str(folder), **environ}, overrides=overrides)


def _refusal(folder: Path, text: str, **given: Any) -> str:
    with pytest.raises(ConfigError) as refused:
        _load(folder, text, **given)
    return refused.value.message


def test_nothing_configured_is_a_loopback_server_with_an_embedded_database(tmp_path: Path) -> None:
    config = load_config(environ={"HOME": str(tmp_path)})
    assert config.home == str(tmp_path / ".local/state/windlass")
    assert (config.store.dsn, config.server.listen) == ("", "127.0.0.1:7654")
    assert config.node.pools == {"default": 40}
    assert (config.node.lease_times.lease, config.node.lease_times.renew) == (30.0, 5.0)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    text = '[store]\ndsn = "file"\nconnections = 3\n[server]\nlisten = "file"\n[log]\nlevel = "debug"'
    config = _load(
        tmp_path,
        text,
        WINDLASS_STORE_DSN="environment",
        WINDLASS_SERVER_LISTEN="environment",
        overrides={"server": {"listen": "command line"}, "store": {"dsn": None}},
    )
    assert config.server.listen == "command line"
    assert config.store.dsn == "environment"
    assert config.store.connections == 3
    assert config.log.level == "debug"


def test_the_environment_is_read_into_the_type_of_each_key(tmp_path: Path) -> None:
    config = _load(
        tmp_path, "", WINDLASS_STORE_CONNECTIONS="7", WINDLASS_LOG_JSON="true", WINDLASS_NODE_DRAIN_GRACE="1.5"
    )
    assert (config.store.connections, config.log.json, config.node.drain_grace) == (7, True, 1.5)


def test_what_is_kept_for_ever_and_the_pooler_can_be_said_in_the_file(tmp_path: Path) -> None:
    config = _load(tmp_path, "[retention]\nhistory = inf\nkinds = { Noop = 0.5 }\n[store]\npooler = true")
    assert (config.retention.history, config.retention.kinds) == (inf, {"Noop": 0.5})
    assert config.store.pooler is True
    assert _load(tmp_path, "").store.pooler is None


def test_other_variables_of_ours_are_not_configuration(tmp_path: Path) -> None:
    assert _load(tmp_path, "", WINDLASS_TOKEN="t", WINDLASS_ADDRESS="a", WINDLASS_SERVER="b").home


def test_the_file_in_the_home_directory_is_found(tmp_path: Path) -> None:
    (tmp_path / "windlass.toml").write_text('[store]\ndsn = "found"')
    assert load_config(environ={"WINDLASS_HOME": str(tmp_path)}).store.dsn == "found"


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no file"):
        load_config(tmp_path / "absent.toml", environ={"HOME": str(tmp_path)})


def test_home_is_the_variable_then_the_file_then_the_state_directory(tmp_path: Path) -> None:
    assert _load(tmp_path, 'home = "/file"', WINDLASS_HOME="/variable").home == "/variable"
    assert _load(tmp_path, 'home = "/file"', XDG_STATE_HOME="/state").home == "/file"
    assert _load(tmp_path, "", XDG_STATE_HOME="/state").home == "/state/windlass"
    assert default_home({"WINDLASS_HOME": "relative"}).is_absolute()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[node]\nleese = 3", "unknown key 'node.leese'; did you mean 'lease'?"),
        ("[sotre]\ndsn = ''", "unknown key 'sotre'; did you mean 'store'?"),
        (
            "[store]\nzzzzzz = 1",
            "unknown key 'store.zzzzzz'; known keys: connections, dsn",
        ),
        ("[node]\nlease = 'x'", "Expected `float`, got `str` - at `node.lease`"),
        ("[node]\nlease = 4", "node: renew (5.0 s) must be at most a quarter of the lease (4.0 s)"),
        ("[node]\nlease = nan", "node: renew (5.0 s) must be at most a quarter of the lease (nan s)"),
        ("[node.pools]\ndefault = 0", "node.pools.default must be from 1 to 100000, not 0"),
        ("[node.pools]\ndefault = 'many'", "Expected `int`, got `str` - at `node.pools[...]`"),
        ("[store]\nconnections = 1", "store.connections must be at least 2, not 1"),
        ("store = 5", "store"),
        ("[store]\npooler = 'perhaps'", "Expected `bool | null`, got `str` - at `store.pooler`"),
        ("[retention]\nhistory = 0", "retention.history must be more than 0 days, not 0.0"),
        ("[retention]\ncompleted = nan", "retention.completed must be more than 0 days, not nan"),
        ("[retention.kinds]\nNoop = -1", "retention.kinds.Noop must be more than 0 days, not -1.0"),
        ("[retention]\nhistroy = 3", "unknown key 'retention.histroy'; did you mean 'history'?"),
        ("[health]\nidle = 0", "health.idle must be more than 0, not 0.0"),
        ("[health]\nfailed_share = nan", "health.failed_share must be more than 0, not nan"),
        ("[health]\nidel = 3", "unknown key 'health.idel'; did you mean 'idle'?"),
        ("[plugins]\nscripts = 3", "Expected `object`, got `int` - at `plugins[...]`"),
        ("nonsense", "can't be read"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    assert words in _refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("WINDLASS_STORE_DSNN", "x", "unknown key 'store.dsnn'; did you mean 'dsn'?"),
        ("WINDLASS_STORE_CONNECTIONS", "many", "Expected `int`, got `str` - at `store.connections`"),
    ],
)
def test_a_mistake_in_the_environment_is_named(tmp_path: Path, variable: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(environ={"HOME": str(tmp_path), variable: value})
    assert words in refused.value.message


def test_a_section_that_is_no_table_is_named_whatever_the_command_line_says(tmp_path: Path) -> None:
    assert "store must be a table" in _refusal(tmp_path, "store = 5", overrides={"store": {"dsn": None}})


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "windlass.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="can't be read"):
        load_config(file, environ={"HOME": str(tmp_path)})


class Nested(msgspec.Struct, frozen=True):
    depth: int = 1


class PluginSection(msgspec.Struct, frozen=True):
    """A plugin's section whose author did not forbid unknown fields."""

    grace: float = 5.0
    nested: Nested = Nested()


def test_a_plugins_section_is_decoded_into_its_type() -> None:
    decoded = decode_section({"grace": 2, "nested": {"depth": 3}}, PluginSection, "plugins.mine")
    assert decoded == PluginSection(2.0, Nested(3))
    assert decode_section({}, PluginSection, "plugins.mine") == PluginSection()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"grase": 1}, "unknown key 'plugins.mine.grase'; did you mean 'grace'?"),
        ({"nested": {"dept": 1}}, "unknown key 'plugins.mine.nested.dept'; did you mean 'depth'?"),
        ({"grace": "long"}, "Expected `float`, got `str` - at `plugins.mine.grace`"),
    ],
)
def test_a_mistake_in_a_plugins_section_is_named_with_its_whole_path(raw: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        decode_section(raw, PluginSection, "plugins.mine")
    assert words in refused.value.message


def test_tls_and_the_roles_of_certificates_are_read(tmp_path: Path) -> None:
    text = '[server]\ntls_cert = "a"\ntls_key = "b"\ntls_client_ca = "c"\n'
    text += '[server.certificates]\n"ops.example" = "operator"'
    server = _load(tmp_path, text).server
    assert (server.tls_cert, server.tls_key, server.tls_client_ca) == ("a", "b", "c")
    assert server.certificates == {"ops.example": "operator"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('tls_cert = "a"', "server.tls_key is missing"),
        ('tls_key = "a"', "server.tls_cert is missing"),
        ('tls_client_ca = "a"', "needs server.tls_cert"),
        ('tls_cert = "a"\ntls_key = "b"\ncertificates = { x = "admin" }', "needs server.tls_client_ca"),
        (
            'tls_cert = "a"\ntls_key = "b"\ntls_client_ca = "c"\ncertificates = { x = "boss" }',
            "server.certificates.x must be one of viewer, submitter, operator, admin, agent, not 'boss'",
        ),
    ],
)
def test_half_of_tls_is_refused_with_what_is_missing(tmp_path: Path, text: str, said: str) -> None:
    assert said in _refusal(tmp_path, f"[server]\n{text}")


def test_thresholds_of_health_come_from_the_file_and_the_environment(tmp_path: Path) -> None:
    (tmp_path / "windlass.toml").write_text("[health]\nsilent = 60\nin_a_row = 9\n")
    environ = {"WINDLASS_HOME": str(tmp_path), "WINDLASS_HEALTH_IN_A_ROW": "7"}
    assert load_config(environ=environ).health == Thresholds(silent=60.0, in_a_row=7)

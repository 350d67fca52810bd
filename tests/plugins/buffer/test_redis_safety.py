"""How a Redis must be set to keep what it is given."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from windlass_buffer.redis_safety import dangers, judge

from tests.valkeys import Valkey

SAFE = {"redis_version": "7.2.4", "role": "master", "aof_enabled": 1, "aof_last_write_status": "ok"}
KEEPS = {"save": "", "appendfsync": "everysec"}


@pytest.fixture
def server() -> Iterator[Callable[..., redis.Redis]]:
    with ExitStack() as open_ones:

        def start(*options: str) -> redis.Redis:
            folder = open_ones.enter_context(tempfile.TemporaryDirectory(prefix="windlass-valkey-"))
            valkey = Valkey(Path(folder), *options)
            open_ones.callback(valkey.kill)
            connection = valkey.connect()
            open_ones.callback(connection.close)
            return connection

        yield start


def test_a_server_that_writes_everything_down_and_throws_nothing_away_is_safe(server):
    assert dangers(server("--appendonly", "yes", "--maxmemory", "100mb")) == []


def test_a_server_without_a_file_is_a_danger_and_one_with_snapshots_a_smaller_one(server):
    nothing = server()
    (danger,) = dangers(nothing)
    assert "writes nothing to disk" in danger
    assert "appendonly yes" in danger
    nothing.config_set("save", "3600 1")
    (danger,) = dangers(nothing)
    assert "snapshots only" in danger


def test_a_server_that_evicts_when_memory_is_short_is_a_danger(server):
    evicting = server("--appendonly", "yes", "--maxmemory-policy", "allkeys-lru")
    assert dangers(evicting) == []  # memory is never short
    evicting.config_set("maxmemory", "100mb")
    (danger,) = dangers(evicting)
    assert "allkeys-lru" in danger
    assert "maxmemory-policy noeviction" in danger


def test_a_server_that_may_not_be_asked_says_what_to_allow(server):
    owner = server("--appendonly", "yes")
    path = owner.connection_pool.connection_kwargs["path"]
    owner.execute_command("ACL", "SETUSER", "shop", "on", ">secret", "~*", "+@all", "-info", "-config")
    with redis.Redis(unix_socket_path=path, username="shop", password="secret") as user:
        (danger,) = dangers(user)
        assert "CONFIG GET" in danger
        owner.execute_command("ACL", "SETUSER", "shop", "+info")
        assert dangers(user) == []
        owner.config_set("appendonly", "no")
        (danger,) = dangers(user)
        assert "snapshots only" in danger


@pytest.mark.parametrize(
    ("info", "settings", "words"),
    [
        ({}, {"appendfsync": "no"}, "appendfsync everysec"),
        ({"aof_last_write_status": "err"}, {}, "room on its disk"),
        ({"role": "slave"}, {}, "name the primary"),
        ({"redis_version": "6.2.14"}, {}, "needs Redis 7.0"),
    ],
)
def test_each_danger_says_what_to_do(info, settings, words):
    assert judge(SAFE, KEEPS) == []
    (danger,) = judge(SAFE | info, KEEPS | settings)
    assert words in danger

"""Whether a Redis keeps what it is given: that it writes it down, and throws nothing away when memory is short.

`judge` decides from the server's own words; nothing here changes a setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import redis

OLDEST = (7, 0)  # EXPIRE … GT; every Valkey calls itself 7.2


def dangers(connection: redis.Redis) -> list[str]:
    """What may make it lose transactions, each with what to do about it; empty when all is well.  Raises RedisError."""
    try:
        info: Mapping[str, Any] = connection.info()
    except redis.ResponseError as error:
        return [f"it may not be asked how it keeps its data ({error}): allow its user the commands INFO and CONFIG GET"]
    return judge(info, _settings(connection))


def judge(info: Mapping[str, Any], settings: Mapping[str, str]) -> list[str]:
    """`info` is its INFO; `settings` what CONFIG GET says, empty where a provider forbids it."""
    return [*_server(info), *_persistence(info, settings), *_eviction(info)]


def _server(info: Mapping[str, Any]) -> list[str]:
    found = []
    version = str(info.get("redis_version", ""))
    if version and tuple(map(int, version.split(".")[:2])) < OLDEST:
        found.append(f"it is version {version}: the buffer needs Redis {OLDEST[0]}.{OLDEST[1]} or any Valkey")
    if info.get("role") == "slave":
        found.append("it is a replica of another server, which takes no writes: name the primary in `redis`")
    return found


def _persistence(info: Mapping[str, Any], settings: Mapping[str, str]) -> list[str]:
    if not int(info.get("aof_enabled", 0)):
        if settings and not settings.get("save"):
            return ["it writes nothing to disk, so its end is the end of all that waits: set `appendonly yes`"]
        return ["it writes snapshots only, so its end loses what came since the last one: set `appendonly yes`"]
    found = []
    if info.get("aof_last_write_status", "ok") != "ok":
        found.append("its last write to the append-only file failed: look at its log, and at the room on its disk")
    if settings.get("appendfsync") == "no":
        found.append("the system may take half a minute to write what it was given: set `appendfsync everysec`")
    return found


def _eviction(info: Mapping[str, Any]) -> list[str]:
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if int(info.get("maxmemory", 0)) and policy != "noeviction":
        return [f"when memory is short it throws data away ({policy}): set `maxmemory-policy noeviction`"]
    return []


def _settings(connection: redis.Redis) -> dict[str, str]:
    try:
        found: dict[Any, Any] = connection.config_get("save", "appendfsync")
    except redis.ResponseError:
        return {}
    return {_text(name): _text(value) for name, value in found.items()}


def _text(word: str | bytes) -> str:
    return word.decode() if isinstance(word, bytes) else word

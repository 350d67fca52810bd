"""A request as the audit log may keep it: without secrets, and not without end.

Left out are fields that the protos mark (`debug_redact`), and in payloads what is marked as secret by the schema of any
kind (host/secret_names.py), what is named like a secret, and payloads that are large or no JSON.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import msgspec
from google.protobuf import json_format
from google.protobuf.message import Message
from windlass_proto.v1 import task_pb2

LARGEST_PAYLOAD = 4_096
LARGEST_REQUEST = 32_768
LEFT_OUT = "(left out)"
NAMED_LIKE_SECRETS = re.compile(
    r"passw(or)?d|passphrase|secret|token|credential|authorization|cookie|(api|access|private|signing|encryption)[_-]?key"
    r"|^auth$|dsn$",
    re.IGNORECASE,
)


def described(request: Message, secret: Collection[str] = ()) -> str:
    """The request as JSON text.  `secret`: names of payload properties to leave out, at any depth."""
    clean = type(request)()
    clean.CopyFrom(request)
    payloads: list[tuple[dict[str, Any], task_pb2.Payload]] = []
    as_dict = json_format.MessageToDict(_without_marked(clean), preserving_proto_field_name=True)
    _gather(clean, as_dict, payloads)
    for place, payload in payloads:
        place["data"] = _shown(payload.data, secret)
    text = msgspec.json.encode(as_dict).decode()
    return text if len(text) <= LARGEST_REQUEST else msgspec.json.encode({LEFT_OUT: f"{len(text)} characters"}).decode()


def _without_marked(message: Message) -> Message:
    for field, value in message.ListFields():
        if field.GetOptions().debug_redact:
            message.ClearField(field.name)
        elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for one in value if field.is_repeated else (value,):
                _without_marked(one)
    return message


def _gather(message: Message, shown: Any, payloads: list[tuple[dict[str, Any], task_pb2.Payload]]) -> None:
    """Each payload in the message, with its place in the JSON."""
    if isinstance(message, task_pb2.Payload):
        payloads.append((shown, message))
        return
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        inside = shown[field.name]
        if field.message_type.full_name.startswith("google.protobuf."):
            continue
        for one, place in zip(value, inside, strict=True) if field.is_repeated else ((value, inside),):
            _gather(one, place, payloads)


def _shown(data: bytes, secret: Collection[str]) -> Any:
    if len(data) > LARGEST_PAYLOAD:
        return f"({len(data)} bytes left out)"
    try:
        return _cleaned(msgspec.json.decode(data or b"null"), secret)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return f"({len(data)} bytes that are no JSON left out)"


def _cleaned(value: Any, secret: Collection[str]) -> Any:
    if isinstance(value, dict):
        return {
            name: LEFT_OUT if name in secret or NAMED_LIKE_SECRETS.search(name) else _cleaned(inner, secret)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_cleaned(inner, secret) for inner in value]
    return value

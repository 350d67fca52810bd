"""Buffers a site's transactions in Redis while its main database is slow or away.

from windlass_buffer_client import BufferClient, Record, Statement

async with BufferClient("redis://localhost", "shop") as buffer:
    await buffer.submit("POST /orders", [Statement("add_order", {"item": 7})])
"""

from windlass_buffer_client.client import BufferClient
from windlass_buffer_client.conversation import Receipt
from windlass_buffer_client.envelope import Record, Statement, new_id
from windlass_buffer_client.errors import (
    BadEntry,
    BadName,
    BufferClientError,
    BufferFull,
    BufferUnavailable,
    EntryTooLarge,
    TransactionDead,
    UnknownTransaction,
    WaitTimeout,
    WrongReplica,
)
from windlass_buffer_client.merging import Found
from windlass_buffer_client.reports import Status
from windlass_buffer_client.sync import SyncBufferClient

__all__ = [
    "BadEntry",
    "BadName",
    "BufferClient",
    "BufferClientError",
    "BufferFull",
    "BufferUnavailable",
    "EntryTooLarge",
    "Found",
    "Receipt",
    "Record",
    "Statement",
    "Status",
    "SyncBufferClient",
    "TransactionDead",
    "UnknownTransaction",
    "WaitTimeout",
    "WrongReplica",
    "new_id",
]

"""The kind CheckEntities: reads and hashes the whole tree, keeps what it finds, and has it mended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from windlass import BlockingContext, Outcome, Retry, Success

from windlass_entities import integrity
from windlass_entities.handlers.kinds import EntityHandler
from windlass_entities.handlers.feeds import RecheckFeed, ReprocessFeed
from windlass_entities.handlers.rebuild import RebuildEntities
from windlass_entities.handlers.repair import RepairEntities
from windlass_entities.integrity import Finding
from windlass_entities.payloads import Check, Nothing, OneFeed
from windlass_entities.records import CHECKED, Checked, Found, kept


class CheckEntities(EntityHandler[Check]):
    """What it finds stands in a document: nobody scans the tree because somebody looks."""

    kind = "CheckEntities"

    def title(self, payload: Check) -> str:
        return "check all pages, and repair" if payload.repair else "check all pages"

    def merge(self, payload: Check, other: Check) -> Check:
        return payload.merged(other)

"""Decides what is to be done about findings.  No I/O."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from windlass_entities.integrity import Finding

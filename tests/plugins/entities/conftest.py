"""The inputs that the tests read: the whole of WINDLASS_DATA, or the sample that comes with the plugin."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import pytest

SAMPLE = Path(str(files("windlass_entities"))) / "sample"


@pytest.fixture(scope="session")
def sample() -> Path:
    """The small one, always."""
    return SAMPLE


@pytest.fixture(scope="session")
def data() -> Path:
    """Both have feeds/wave1 … wave3/*.netset, feeds/catalog.json, geo/country-ipv4.csv.gz and geo/asn-ipv4.csv.gz."""
    return Path(os.environ.get("WINDLASS_DATA") or SAMPLE)

"""Computes the next generation of the artifacts from feeds and tables: plan, pages, draft."""

from windlass_entities.engine.draft import Draft, Report
from windlass_entities.engine.engine import Engine
from windlass_entities.engine.say import Cancelled, Say
from windlass_entities.engine.sources import Sources, Unusable

__all__ = ["Cancelled", "Draft", "Engine", "Report", "Say", "Sources", "Unusable"]

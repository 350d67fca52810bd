"""Computes the next generation of the artifacts from feeds and tables: plan, pages, draft."""

from windlass_entities.engine.draft import Draft, Summary
from windlass_entities.engine.say import Cancelled, Say

__all__ = ["Cancelled", "Draft", "Say", "Summary"]

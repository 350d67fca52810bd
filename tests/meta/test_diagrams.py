"""Diagrams are drawn from the code."""

from __future__ import annotations

from windlass.core.lifecycle import diagram

from tests.meta.house import ROOT


def test_the_state_diagram_is_drawn_from_the_transition_table() -> None:
    readme = (ROOT / "kernel" / "README.md").read_text("utf-8")
    drawn = readme.partition("<!-- diagram -->")[2].partition("<!-- /diagram -->")[0].strip()
    assert drawn == f"```mermaid\n{diagram()}\n```", "print windlass.core.lifecycle.diagram() into kernel/README.md"

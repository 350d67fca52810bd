"""`windlass agent`."""

from __future__ import annotations

import typer


def agent() -> None:
    """Run tasks on this host for a kernel elsewhere."""
    raise typer.Exit(1)

"""A progress bar, on stderr, while something long goes on."""

from __future__ import annotations

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from windlass_cli.screen import console


class Bar:
    """Shown from its first move to its close, then gone."""

    def __init__(self, title: str) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task(title, total=None)
        self._progress.start()

    def move(self, current: int, total: int) -> None:
        """`total` 0: the end is not known."""
        self._progress.update(self._task, completed=current, total=total or None)

    def close(self) -> None:
        self._progress.stop()

"""Progress that suits where it goes: a bar on a terminal, a line now and then else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

_LINES = 10

Show = Callable[[int, str], None]
"""Called with how many are done, and a word or two on where that is."""


@contextmanager
def progress(console: Console, what: str, total: int) -> Iterator[Show]:
    """Show progress towards `total` while the block runs."""
    if not console.is_terminal:
        yield _Lines(console, what, total)
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[where]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    with bar:
        task = bar.add_task(what, total=total, where="")
        yield lambda done, where: bar.update(task, completed=done, where=where)


class _Lines:
    """Prints one line for each tenth."""

    def __init__(self, console: Console, what: str, total: int) -> None:
        self._console = console
        self._what = what
        self._total = total
        self._shown = 0

    def __call__(self, done: int, where: str) -> None:
        tenth = done * _LINES // max(1, self._total)
        if tenth > self._shown:
            self._shown = tenth
            self._console.print(
                f"  {self._what} {done:,} of {self._total:,} {where}".rstrip(),
                highlight=False,
            )

"""The clients' own notes: what was sent, and what was acknowledged.

One JSON object a line. No card stands in them, only its place in the world's list.
A request is noted before it is sent, an answer when it is complete.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


class NoteWriter:
    """Appends notes; they reach the disk when `flush` is called."""

    def __init__(self, path: Path) -> None:
        """Open the file."""
        self._file = path.open("a", encoding="utf-8")

    def __call__(self, what: str, /, **values: Any) -> None:
        """Write one note."""
        self._file.write(json.dumps({"t": what, **values}, separators=(",", ":")))
        self._file.write("\n")

    def flush(self) -> None:
        """Hand them to the system."""
        self._file.flush()

    def close(self) -> None:
        """Write the rest."""
        self._file.close()


Note = Callable[..., None]


def read_notes(folder: Path) -> Iterator[dict[str, Any]]:
    """Every note of a run, process by process, each in its order.

    Raises `ValueError` for a torn line: a run whose notes are damaged proves nothing.
    """
    for path in sorted(folder.glob("notes-*.jsonl")):
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, start=1):
                try:
                    yield json.loads(text)
                except ValueError as error:
                    raise ValueError(f"{path.name}:{number} is torn") from error

"""The clients' own notes: what was sent, and what was acknowledged.

One JSON object a line. No card stands in them, only its place in the world's list.
A request is noted before it is sent, an answer when it is complete.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol


class Sink(Protocol):
    """Where lines go, in the order in which they are given."""

    def write(self, lines: bytes) -> None:
        """Append whole lines."""

    def close(self) -> None:
        """Return when all are with the system; raises `OSError` if any is not."""


class FileSink:
    """A file that is written at once, by whoever writes."""

    def __init__(self, path: Path) -> None:
        """Open it to append."""
        self._file = path.open("ab")

    def write(self, lines: bytes) -> None:
        """Append whole lines."""
        self._file.write(lines)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class NoteWriter:
    """Gathers notes; they reach the disk when `flush` is called."""

    def __init__(self, sink: Sink) -> None:
        """Write to it, and close it at the end."""
        self._sink = sink
        self._lines: list[str] = []

    def __call__(self, what: str, /, **values: Any) -> None:
        """Take one note."""
        self._lines.append(json.dumps({"t": what, **values}, separators=(",", ":")))

    def flush(self) -> None:
        """Hand them on."""
        if self._lines:
            self._lines.append("")
            lines, self._lines = "\n".join(self._lines), []
            self._sink.write(lines.encode())

    def close(self) -> None:
        """Write the rest; raises `OSError` if anything could not be written."""
        self.flush()
        self._sink.close()


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

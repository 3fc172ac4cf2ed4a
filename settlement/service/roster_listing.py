"""Refused rows as CSV, for the bureau to correct: where, what kind, why; never a value.

UTF-8 with a byte-order mark, so that a spreadsheet shows the Chinese.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from settlement.domain.reasons import reason
from settlement.domain.roster import RefusedRow

COLUMNS = ("line", "column", "value_class", "reason", "taken", "zh", "en")
#: A file with more faults than this is made anew, not corrected line by line.
LISTED_MOST = 20_000
#: Codes from here on are remarks on rows that were taken.
_FIRST_REMARK = "MA-6231"


@contextmanager
def refused_csv(path: Path) -> Iterator[RefusedCsv]:
    """A CSV that stands at the path when the block ends, whole, however it ends.

    Before that it lies beside it as `PATH.part`. Raises `OSError`.
    """
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8-sig", newline="") as file:
        listing = RefusedCsv(file)
        try:
            yield listing
        finally:
            file.flush()
            part.replace(path)


class RefusedCsv:
    """Writes rows as they come; made by `refused_csv`."""

    def __init__(self, file: TextIO) -> None:
        """Write the header."""
        self._file = file
        self._writer = csv.writer(file, lineterminator="\r\n")
        self._writer.writerow(COLUMNS)

    def __call__(self, rows: Sequence[RefusedRow]) -> None:
        """List these; they are with the system when this returns."""
        for row in rows:
            self._writer.writerow(_cells(row))
        self._file.flush()


def _cells(row: RefusedRow) -> tuple[str, ...]:
    text = reason(row.reason).text
    is_taken = "yes" if row.reason >= _FIRST_REMARK else "no"
    return (
        str(row.line), row.column, row.value_class, row.reason, is_taken, text.zh,
        text.en,
    )  # fmt: skip


class LimitedListing:
    """The same in memory, up to `LISTED_MOST` lines: for whoever fetches it later."""

    def __init__(self, text: TextIO) -> None:
        """Write the header to the text."""
        self._csv = RefusedCsv(text)
        self.lines = 0
        """Lines listed so far."""

    def __call__(self, rows: Sequence[RefusedRow]) -> None:
        """List these, as far as there is room."""
        room = rows[: LISTED_MOST - self.lines]
        self.lines += len(room)
        self._csv(room)

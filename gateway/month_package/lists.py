"""The lists of a package, compared line by line with what the records say."""

from __future__ import annotations

import contextlib
import csv
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice, zip_longest
from operator import itemgetter
from typing import IO, BinaryIO, cast

from gateway.month_package import layout
from gateway.month_package.checked import Checked
from gateway.month_package.container import BLOCK_BYTES
from gateway.month_package.opened import Package
from gateway.month_package.tables import csv_file, csv_head, read_csv, write_workbook
from settlement.domain.month_entry import Hospital, MonthTally
from settlement.domain.month_lines import (
    CLEAR_COLUMNS,
    PAYMENT_COLUMNS,
    STAFF_COLUMNS,
    payment_lines,
    summary_lines,
)

_NO_SPREADSHEET = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    EOFError,
    OSError,
    RuntimeError,
)
#: How much longer another compression may make a spreadsheet; a bomb is more.
_LONGER_MAX = 20
_clear_of = itemgetter(*CLEAR_COLUMNS)
_UNREADABLE = (csv.Error, UnicodeDecodeError, IndexError)


class StaffList:
    """Follows `statement.csv` beside the records; finds the first line that differs."""

    def __init__(self, package: Package, *, with_contents: bool) -> None:
        """Nothing is read yet; lines come in the order of the records."""
        self._with_contents = with_contents
        self._package = package
        self._file = package.part(layout.STAFF_CSV)
        self._line = 1
        #: Whether it can still be followed.
        self.goes_on = True
        head = csv_head(STAFF_COLUMNS)
        self._head_is_ours = self._file.read(len(head)) == head
        self._again = package.part(layout.STAFF_CSV)
        self._rows = read_csv(self._again)

    def close(self) -> None:
        """Close the list."""
        self._rows.close()
        for file in (self._file, self._again):
            file.close()

    def follow(self, checked: Checked) -> Iterator[str]:
        """Compare the lines of the next records."""
        if not self._head_is_ours:
            self._head_is_ours, self.goes_on = True, False
            yield "its first line has not the columns that it should have"
        if not checked.is_whole:
            self.goes_on = False
        if self.goes_on:
            yield from (
                self._follow_bytes(checked.lines)
                if self._with_contents
                else self._follow_cells(checked.clear)
            )

    def finish(self) -> Iterator[str]:
        """Whether it ends with the last record."""
        if not self.goes_on:
            return
        if self._with_contents:
            is_over = not self._file.read(1)
        else:
            is_over = next(self._rows, None) is None
        if not is_over:
            self.goes_on = False
            yield f"line {self._line + 1} and what follows are of no record"

    def _follow_bytes(self, expected: bytes) -> Iterator[str]:
        found = self._file.read(len(expected))
        if found == expected:
            self._line += expected.count(b"\r\n")
            return
        self.goes_on = False
        pairs = zip_longest(expected.split(b"\r\n"), found.split(b"\r\n"))
        for number, (ours, theirs) in enumerate(pairs, start=self._line + 1):
            if ours != theirs:
                yield f"line {number} is not what the records say"
                return

    def _follow_cells(self, expected: Sequence[tuple[str, ...]]) -> Iterator[str]:
        found: list[tuple[str, ...]] = []
        with contextlib.suppress(*_UNREADABLE):
            # One by one, so that what was read before a broken line is kept.
            found.extend(map(_clear_of, islice(self._rows, len(expected))))
        if found == expected:
            self._line += len(expected)
            return
        self.goes_on = False
        pairs = zip_longest(expected, found)
        for number, (ours, theirs) in enumerate(pairs, start=self._line + 1):
            if ours != theirs:
                yield f"line {number} is not what the clear claims say"
                return


def payment_findings(
    package: Package, hospitals: Sequence[Hospital], tally: MonthTally, month: str
) -> Iterator[str]:
    """Whether the payment list is that of the records."""
    expected = csv_file(PAYMENT_COLUMNS, payment_lines(hospitals, tally, month))
    found = package.read(layout.PAYMENTS)
    pairs = zip_longest(expected.split(b"\r\n"), found.split(b"\r\n"))
    for number, (ours, theirs) in enumerate(pairs, start=1):
        if ours != theirs:
            yield f"line {number} is not what the records add up to"


def workbook_findings(
    package: Package, hospitals: Sequence[Hospital], tally: MonthTally, month: str
) -> Iterator[str]:
    """Whether the spreadsheet has the lines of the CSV, and the sums of the records.

    Compared is what is inside: how tightly it is compressed does not matter.
    """
    with (
        tempfile.TemporaryFile() as ours,
        package.part(layout.STAFF_CSV) as lines,
        package.part(layout.STAFF_XLSX) as theirs,
    ):
        write_workbook(
            cast("BinaryIO", ours),
            partial(_from_the_start, lines),
            summary_lines(hospitals, tally, month),
        )
        if theirs.seek(0, 2) > _LONGER_MAX * ours.seek(0, 2):
            yield "it is far longer than the list and the sums need"
            return
        try:
            with zipfile.ZipFile(ours) as expected, zipfile.ZipFile(theirs) as found:
                yield from _compare(expected, found)
        except _NO_SPREADSHEET:
            yield "it is no spreadsheet that can be read"


def _from_the_start(lines: BinaryIO) -> Iterator[list[str]]:
    lines.seek(0)
    return read_csv(lines)


def _compare(expected: zipfile.ZipFile, found: zipfile.ZipFile) -> Iterator[str]:
    names = expected.namelist()
    if names != found.namelist():
        yield "it has not the sheets that it should have"
        return
    for name in names:
        with expected.open(name) as ours, found.open(name) as theirs:
            if not _is_same(ours, theirs):
                yield f"{name} in it is not what the list and the sums say"


def _is_same(ours: IO[bytes], theirs: IO[bytes]) -> bool:
    while True:
        expected, found = ours.read(BLOCK_BYTES), theirs.read(BLOCK_BYTES)
        if expected != found:
            return False
        if not expected:
            return True

"""The month's lists as CSV and as a spreadsheet, the same bytes for the same lines.

A cell that a spreadsheet program would take for a formula is given a leading
apostrophe; amounts and numbers of our own making are left alone.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import BinaryIO

from xlsxwriter import Workbook  # type: ignore[import-untyped]
from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

from settlement.domain.month_lines import (
    ELSEWHERE_SHEET,
    LOCAL_SHEET,
    STAFF_COLUMNS,
    SUMMARY_COLUMNS,
    SUMMARY_SHEET,
    is_elsewhere,
)

BOM = b"\xef\xbb\xbf"
#: Lines of a sheet under its header; more than Excel opens are put on a further one.
SHEET_LINES_MAX = 1_048_575

_AMOUNT = re.compile(r"-?[0-9]{1,15}\.[0-9]{2}")
_NUMBER = re.compile(r"-?[0-9]{1,18}")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_WIDTH = 14
#: The same in every package, so that the same lines give the same bytes.
_MADE = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def neutral(text: str) -> str:
    """The text as no spreadsheet program takes it for a formula."""
    if text.startswith(_FORMULA_STARTS) and not (
        _AMOUNT.fullmatch(text) or _NUMBER.fullmatch(text)
    ):
        return f"'{text}"
    return text


def csv_lines(lines: Iterable[Sequence[str]]) -> bytes:
    """Lines as CSV, without the mark at the beginning of a file."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(
        [neutral(cell) for cell in line] for line in lines
    )
    return text.getvalue().encode("utf-8")


def csv_head(columns: Sequence[str]) -> bytes:
    """What a CSV file begins with: the mark of UTF-8, and the columns."""
    return BOM + csv_lines([columns])


def csv_file(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> bytes:
    """A short list, whole."""
    return csv_head(columns) + csv_lines(lines)


def read_csv(file: BinaryIO) -> Iterator[list[str]]:
    """The lines of our own CSV behind its head."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        reader = csv.reader(text)
        next(reader, None)
        yield from reader
    finally:
        text.detach()


def sheet_name(line: Sequence[str]) -> str:
    """On which sheet of the staff's list a line stands."""
    return ELSEWHERE_SHEET if is_elsewhere(line) else LOCAL_SHEET


def write_workbook(
    target: BinaryIO,
    lines: Iterable[Sequence[str]],
    summary: Iterable[Sequence[str]],
) -> None:
    """Write the staff's list: within the district, across districts, and summary."""
    with Workbook(target, {"constant_memory": True}) as book:
        book.set_properties({"created": _MADE})
        local = _Sheet(book, LOCAL_SHEET, STAFF_COLUMNS)
        elsewhere = _Sheet(book, ELSEWHERE_SHEET, STAFF_COLUMNS)
        for line in lines:
            (elsewhere if is_elsewhere(line) else local).add(line)
        together = _Sheet(book, SUMMARY_SHEET, SUMMARY_COLUMNS)
        for line in summary:
            together.add(line)


class _Sheet:
    """Lines under one header, on further sheets where they are too many."""

    def __init__(self, book: Workbook, name: str, columns: Sequence[str]) -> None:
        self._book, self._name, self._columns = book, name, columns
        self._heading = book.add_format({"bold": True})
        self._amount = book.add_format({"num_format": "0.00"})
        self._count = 0
        self._sheet = self._begin(name)

    def add(self, line: Sequence[str]) -> None:
        """Write one line."""
        if self._count and self._count % SHEET_LINES_MAX == 0:
            number = self._count // SHEET_LINES_MAX + 1
            self._sheet = self._begin(f"{self._name}{number}")
        row = self._count % SHEET_LINES_MAX + 1
        for column, cell in enumerate(line):
            if _AMOUNT.fullmatch(cell):
                # What Excel adds up; it has fifteen digits, and so have all amounts.
                self._sheet.write_number(row, column, float(cell), self._amount)
            elif cell:
                self._sheet.write_string(row, column, neutral(cell))
        self._count += 1

    def _begin(self, name: str) -> Worksheet:
        sheet: Worksheet = self._book.add_worksheet(name)
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(self._columns) - 1, _WIDTH)
        sheet.write_row(0, 0, self._columns, self._heading)
        return sheet

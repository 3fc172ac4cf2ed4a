"""The month's lists as CSV and as a spreadsheet, the same bytes for the same lines.

A text that a spreadsheet program would take for a formula is shielded; amounts and
numbers of our own making are left alone.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import BinaryIO

from gateway.hospital_lists.spreadsheets import Cell, Sheet, Yuan, neutral, write_xlsx
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

_AMOUNT = re.compile(r"-?[0-9]{1,13}\.[0-9]{2}")
_NUMBER = re.compile(r"-?[0-9]{1,15}")
Lines = Callable[[], Iterator[list[str]]]
"""Gives the lines of a list from the start, each time it is called."""


def csv_lines(lines: Iterable[Sequence[str]]) -> bytes:
    """Lines as CSV, without the mark at the beginning of a file."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(
        [_shielded(cell) for cell in line] for line in lines
    )
    return text.getvalue().encode("utf-8")


def csv_head(columns: Sequence[str]) -> bytes:
    """What a CSV file begins with: the mark of UTF-8, and the columns."""
    return BOM + csv_lines([columns])


def csv_file(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> bytes:
    """A short list, whole."""
    return csv_head(columns) + csv_lines(lines)


def read_csv(file: BinaryIO) -> Generator[list[str]]:
    """The lines of our own CSV behind its head."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        reader = csv.reader(text)
        next(reader, None)
        yield from reader
    finally:
        text.detach()


def write_workbook(
    target: BinaryIO, lines: Lines, summary: Iterable[Sequence[str]]
) -> None:
    """Write the staff's list: within the district, across districts, and summary."""
    local = _chosen(lines, is_wanted_elsewhere=False)
    elsewhere = _chosen(lines, is_wanted_elsewhere=True)
    write_xlsx(
        target,
        chain(
            _sheets(LOCAL_SHEET, STAFF_COLUMNS, local),
            _sheets(ELSEWHERE_SHEET, STAFF_COLUMNS, elsewhere),
            _sheets(SUMMARY_SHEET, SUMMARY_COLUMNS, iter(summary)),
        ),
    )


def _chosen(lines: Lines, *, is_wanted_elsewhere: bool) -> Iterator[list[str]]:
    # Asked for when its sheet is written: both may be read from one file.
    for line in lines():
        if is_elsewhere(line) == is_wanted_elsewhere:
            yield line


def _sheets(
    name: str, columns: Sequence[str], lines: Iterator[Sequence[str]]
) -> Iterator[Sheet]:
    """The lines on one sheet, and on further ones where they are too many."""
    cells = (list(map(_cell, line)) for line in lines)
    yield Sheet(name, columns, islice(cells, SHEET_LINES_MAX))
    number = 2
    while (first := next(cells, None)) is not None:
        rest = islice(cells, SHEET_LINES_MAX - 1)
        yield Sheet(f"{name}{number}", columns, chain([first], rest))
        number += 1


def _shielded(text: str) -> str:
    is_ours = _AMOUNT.fullmatch(text) or _NUMBER.fullmatch(text)
    return text if is_ours else neutral(text)


def _cell(text: str) -> Cell:
    if not text:
        return None
    if _AMOUNT.fullmatch(text):
        whole, _point, rest = text.partition(".")
        return Yuan(int(whole + rest))
    return text

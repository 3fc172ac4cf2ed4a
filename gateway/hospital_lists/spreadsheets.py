"""Tables for people: CSV and XLSX, without a cell that a spreadsheet would run.

The same rows give the same bytes. Amounts are given as `Yuan` and become numbers;
whatever is a text stays one, also when somebody saves the table anew.
"""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import xlsxwriter  # type: ignore[import-untyped]  # it ships no types

#: What makes a spreadsheet take a cell for a formula, full-width forms included.
_FORMULA_STARTS = tuple("=+-@\t\r\n")
#: Programs read it as text, and show it or hide it.
_SHIELD = "'"
_FEN_PER_YUAN = 100
#: A moment of no meaning: XLSX must hold one, and bytes must repeat.
_CREATED = datetime(2000, 1, 1)  # noqa: DTZ001  # XLSX knows no zones
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_YUAN_FORMAT = "#,##0.00"
_WIDTH = 18


class Yuan(NamedTuple):
    """An amount in fen that is written in yuan, as a number."""

    fen: int


Cell: TypeAlias = str | int | Yuan | date | None


class Sheet(NamedTuple):
    """One sheet of a workbook; rows are taken as they come."""

    name: str
    """At most 31 characters, none of `[]:*?/\\`."""
    headers: Sequence[str]
    rows: Iterable[Sequence[Cell]]


def neutral(text: str) -> str:
    """The text, shielded where a spreadsheet would take it for a formula."""
    folded = unicodedata.normalize("NFKC", text[:16]).lstrip(" ")
    return _SHIELD + text if folded.startswith(_FORMULA_STARTS) else text


def write_csv(
    file: BinaryIO, headers: Sequence[str], rows: Iterable[Sequence[Cell]]
) -> None:
    """A table in UTF-8 with its mark, as Excel wants it; CRLF ends a line."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="", write_through=True)
    writer = csv.writer(text)
    try:
        writer.writerow([neutral(header) for header in headers])
        writer.writerows([_csv_cell(cell) for cell in row] for row in rows)
    finally:
        # The file is the caller's to close.
        text.detach()


def write_xlsx(file: BinaryIO, sheets: Iterable[Sheet]) -> None:
    """A workbook whose texts are texts; memory holds one row alone.

    Raises `ValueError` for a text or a row for which a sheet has no room; then nothing
    is written.
    """
    with tempfile.TemporaryFile() as draft:
        book = xlsxwriter.Workbook(draft, _OPTIONS)
        try:
            book.set_properties({"created": _CREATED})
            for sheet in sheets:
                _write_sheet(book, sheet)
        finally:
            book.close()
        draft.seek(0)
        shutil.copyfileobj(draft, file)


def _write_sheet(book: Any, sheet: Sheet) -> None:
    head = book.add_format({"bold": True})
    yuan = book.add_format({"num_format": _YUAN_FORMAT})
    page = book.add_worksheet(sheet.name)
    page.freeze_panes(1, 0)
    page.set_column(0, max(0, len(sheet.headers) - 1), _WIDTH)
    for column, header in enumerate(sheet.headers):
        page.write_string(0, column, neutral(header), head)
    for number, row in enumerate(sheet.rows, start=1):
        for column, cell in enumerate(row):
            if cell is not None:
                _write_cell(page, (number, column), cell, yuan)


def _csv_cell(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case str():
            return neutral(cell)
        case Yuan(fen):
            sign, (whole, rest) = "-" * (fen < 0), divmod(abs(fen), _FEN_PER_YUAN)
            return f"{sign}{whole}.{rest:02d}"
        case int():
            return str(cell)
        case date():
            return cell.isoformat()


def _write_cell(
    page: Any, place: tuple[int, int], cell: str | int | Yuan | date, yuan: Any
) -> None:
    match cell:
        case str():
            told = page.write_string(*place, neutral(cell))
        case Yuan(fen):
            # A spreadsheet has no other numbers; 15 digits of it are exact.
            told = page.write_number(*place, fen / _FEN_PER_YUAN, yuan)
        case int():
            told = page.write_number(*place, cell)
        case _:
            told = page.write_string(*place, cell.isoformat())
    # XlsxWriter leaves out what does not fit, and only tells.
    if told != 0:
        raise ValueError(f"row {place[0] + 1} of the sheet does not fit")

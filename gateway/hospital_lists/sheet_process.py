"""Reads one spreadsheet from its standard input, in a process of its own: a program.

What a stranger has put together can make its reader take all memory, crash or never
end; then this process ends, and the list is refused. It imports nothing of ours, so
that it starts at once. Each line of its output is JSON: a row's number and cells,
`{"refused": [CODE, DETAIL]}`, or `"end"`.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import BinaryIO

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    SheetTypeEnum,
    SheetVisibleEnum,
)

#: A spreadsheet keeps no further digits of a number.
_EXACT_BELOW = 10**15
#: Stands for a number that has lost digits; `gateway.hospital_lists.cells.LOST`.
LOST = "\ufffd"
#: No number, date or flag of a list: fails wherever it is read as one.
_NO_TEXT = "?"

_Cell = str | int | float | bool | date | datetime | time | timedelta


def main() -> None:
    """Arguments: bytes of memory, seconds of processor time."""
    memory, seconds = map(int, sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = sys.stdout
    try:
        for number, cells in _rows(sys.stdin.buffer):
            out.write(json.dumps([number, cells]) + "\n")
    except _RefusedError as refused:
        out.write(json.dumps({"refused": refused.args}) + "\n")
    out.write('"end"\n')


class _RefusedError(Exception):
    """Code and detail."""


def _rows(file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank; column A comes first."""
    sheet = _only_sheet(file)
    margin = [""] * (sheet.start[1] if sheet.start else 0)
    for number, row in enumerate(sheet.iter_rows(), start=1):
        cells = margin + [_text(cell) for cell in row]
        if any(cells):
            yield number, cells


def _only_sheet(file: BinaryIO) -> CalamineSheet:
    """The one visible sheet that has content."""
    try:
        with CalamineWorkbook.from_filelike(file) as book:
            filled = [
                sheet
                for place, told in enumerate(book.sheets_metadata)
                if told.typ == SheetTypeEnum.WorkSheet
                and told.visible == SheetVisibleEnum.Visible
                and (sheet := book.get_sheet_by_index(place)).height
            ]
    except CalamineError:
        raise _RefusedError("MA-6313", "it has no readable sheet") from None
    if not filled:
        raise _RefusedError("MA-6301", "no visible sheet has content")
    if len(filled) > 1:
        raise _RefusedError("MA-6315", f"{len(filled)} sheets have content")
    return filled[0]


def _text(cell: _Cell) -> str:
    """The cell as a text would have it; a number by its shortest form."""
    match cell:
        case str():
            return cell
        case bool():
            return "true" if cell else "false"
        case int() | float() if abs(cell) >= _EXACT_BELOW:
            return LOST
        case int() | float():
            return repr(cell).removesuffix(".0")
        case _:
            return _NO_TEXT


if __name__ == "__main__":
    main()

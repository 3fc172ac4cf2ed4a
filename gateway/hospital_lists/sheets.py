"""A list as XLSX: checked part by part, then read by calamine, which evaluates nothing.

calamine lays out the whole rectangle that a sheet's cells span, so two cells in far
corners would take all memory. Each part is therefore read by a plain XML parser
before, and what calamine gets is a copy of the parts that passed, and nothing else.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import IO

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from gateway.hospital_lists.cells import LOST
from gateway.hospital_lists.limits import Limits
from gateway.hospital_lists.packed import Packed
from gateway.hospital_lists.sheet_parts import Measured, Part
from settlement.domain.hospital_list import ListRefusedError

#: Parts that are copied; pictures, macros and the like are left behind.
_COPIED = (".xml", ".rels")
_SHARED_STRINGS = "xl/sharedstrings.xml"
#: A spreadsheet keeps no further digits of a number.
_EXACT_BELOW = 10**15
#: No number, date or flag of a list: fails wherever it is read as one.
_NO_TEXT = "?"

_Cell = str | int | float | bool | date | datetime | time | timedelta


def sheet_lines(packed: Packed, limits: Limits) -> Iterator[tuple[int, Sequence[str]]]:
    """Row number and cells of the rows that are not blank; column A comes first.

    Raises `ListRefusedError` (MA-6301, MA-6303, MA-6304, MA-6310, MA-6313 to MA-6315).
    """
    with tempfile.TemporaryFile() as copy:
        _copy_parts(packed, copy, limits)
        sheet = _only_sheet(copy)
    margin = [""] * (sheet.start[1] if sheet.start else 0)
    for number, row in enumerate(sheet.iter_rows(), start=1):
        if number > limits.lines:
            raise ListRefusedError("MA-6310", f"more than {limits.lines} lines")
        cells = margin + [_text(cell) for cell in row]
        if any(cells):
            yield number, cells


def _copy_parts(packed: Packed, copy: IO[bytes], limits: Limits) -> None:
    """Check each part on its way into the copy."""
    parts = {_plain_name(member): member for member in packed.members}
    if len(parts) != len(packed.members):
        raise ListRefusedError("MA-6304", "two members have the same name")
    measured = Measured(limits)
    left = limits.sheet_bytes
    with zipfile.ZipFile(copy, "w") as copied:
        # Others refer to the shared strings, so these come first.
        for name in sorted(parts, key=lambda name: (name != _SHARED_STRINGS, name)):
            if not name.endswith(_COPIED):
                continue
            part = Part(measured)
            with copied.open(zipfile.ZipInfo(parts[name].filename), "w") as target:
                for block in packed.blocks(parts[name], left):
                    left -= len(block)
                    part.feed(block)
                    target.write(block)
            part.feed(b"", is_last=True)


def _plain_name(member: zipfile.ZipInfo) -> str:
    """As calamine compares names: without regard to case."""
    return member.filename.replace("\\", "/").lstrip("/").lower()


def _only_sheet(copy: IO[bytes]) -> CalamineSheet:
    """The one visible sheet that has content."""
    copy.seek(0)
    try:
        with CalamineWorkbook.from_filelike(copy) as book:
            filled = [
                sheet
                for place, told in enumerate(book.sheets_metadata)
                if told.typ == SheetTypeEnum.WorkSheet
                and told.visible == SheetVisibleEnum.Visible
                and (sheet := book.get_sheet_by_index(place)).height
            ]
    except CalamineError as error:
        raise ListRefusedError("MA-6313", "it has no readable sheet") from error
    except BaseException as error:
        # What panics in Rust arrives as an exception that is no `Exception`.
        if type(error).__name__ != "PanicException":
            raise
        raise ListRefusedError("MA-6313", "it breaks its reader") from error
    if not filled:
        raise ListRefusedError("MA-6301", "no visible sheet has content")
    if len(filled) > 1:
        raise ListRefusedError("MA-6315", f"{len(filled)} sheets have content")
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

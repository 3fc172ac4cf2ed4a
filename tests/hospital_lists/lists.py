"""Lists as hospitals make them, and what is read from them."""

import io
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import pytest
import xlsxwriter  # type: ignore[import-untyped]  # it ships no types

from gateway.hospital_lists import HospitalList, Limits, ListFacts
from settlement.domain.hospital_list import ListedRow, ListRefusedError, RefusedLine

TODAY = date(2026, 2, 1)
ID = "0123456789abcdef" * 2
#: A number with a valid check digit, of nobody.
IDENTITY_NUMBER = "11010519491231002X"
PERSON_NAME = "张某某"
#: The row that `NATIONAL_LINE` and its variants mean.
ROW = ListedRow(1, ID, "MZ1", "", 25_000, 1_550, is_refund=False)
NATIONAL_LINE = f"{ID}\tMZ1\t{IDENTITY_NUMBER}\t250.00\t15.50\tnull\t0"


def read(
    content: bytes, **limits: int
) -> tuple[list[ListedRow], list[RefusedLine], ListFacts]:
    """Rows, refused lines and what was found out."""
    listed = HospitalList(io.BytesIO(content), today=TODAY, limits=Limits(**limits))
    rows = [*listed.rows()]
    return rows, listed.refused, listed.facts


def rows_of(content: bytes | str, **limits: int) -> list[ListedRow]:
    """The rows of a list of which nothing is refused."""
    rows, refused, _ = read(
        content.encode() if isinstance(content, str) else content, **limits
    )
    assert refused == []
    return rows


def refusal(content: bytes | str, **limits: int) -> ListRefusedError:
    """The refusal of a whole list."""
    with pytest.raises(ListRefusedError) as raised:
        read(content.encode() if isinstance(content, str) else content, **limits)
    return raised.value


def refused_lines(content: str, **limits: int) -> list[tuple[int, str, str]]:
    """Line, column and code of the lines that were left out."""
    _, refused, _ = read(content.encode(), **limits)
    return [(each.line, each.column, each.reason) for each in refused]


def zip_of(*contents: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip with these members."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as file:
        for number, content in enumerate(contents, start=1):
            file.writestr(f"{number}.txt", content)
    return packed.getvalue()


def xlsx_of(rows: Iterable[Sequence[Any]], *, first_row: int = 0) -> bytes:
    """A real spreadsheet with one sheet."""
    packed = io.BytesIO()
    book = xlsxwriter.Workbook(packed, {"in_memory": True})
    sheet = book.add_worksheet()
    for number, row in enumerate(rows, start=first_row):
        for column, cell in enumerate(row):
            if cell is not None:
                sheet.write(number, column, cell)
    book.close()
    return packed.getvalue()


def parts_of(spreadsheet: bytes) -> dict[str, bytes]:
    """The parts of a spreadsheet by their names."""
    with zipfile.ZipFile(io.BytesIO(spreadsheet)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def spreadsheet_of(parts: dict[str, bytes]) -> bytes:
    """A spreadsheet of these parts."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return packed.getvalue()

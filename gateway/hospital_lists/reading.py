"""One list, from a file to rows: told by its first bytes, read in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import chain
from typing import BinaryIO

from gateway.hospital_lists.cells import CellFault
from gateway.hospital_lists.layouts import (
    NATIONAL,
    Layout,
    RowReader,
    columns_of,
    is_header,
)
from gateway.hospital_lists.limits import Limits
from gateway.hospital_lists.packed import EMPTY_ZIP, ZIP, Packed
from gateway.hospital_lists.sheets import sheet_lines
from gateway.hospital_lists.texts import Blocks, Cut, cut_like, learn_encoding, lines_of
from settlement.domain.hospital_list import ListedRow, ListRefusedError, RefusedLine

_BLOCK = 1 << 16

#: Line number, and its cells or why it has none.
_Line = tuple[int, Sequence[str] | RefusedLine]


class ListForm(StrEnum):
    """What the file is."""

    ZIP = "zip"
    TEXT = "text"
    SPREADSHEET = "xlsx"


@dataclass(slots=True)
class ListFacts:
    """What was found out about a list; complete when its last row was read."""

    form: ListForm = ListForm.TEXT
    layout: Layout = Layout.NATIONAL
    encoding: str = ""
    """`utf-8`, `utf-16` or `gb18030`; empty for a spreadsheet."""
    file_bytes: int = 0
    rows: int = 0
    """Lines that were read; refused ones are not among them."""
    total_fen: int = 0
    aid_fen: int = 0


class HospitalList:
    """A list, for one reading. What its rows are worth shows at the end of them."""

    def __init__(
        self, file: BinaryIO, *, today: date, limits: Limits | None = None
    ) -> None:
        """Take an open file that can seek; nothing is read yet."""
        self._file = file
        self._today = today
        self._limits = limits or Limits()
        self.facts = ListFacts()
        self.refused: list[RefusedLine] = []
        """Lines that were left out, in order."""

    def rows(self) -> Iterator[ListedRow]:
        """The rows in order. Raises `ListRefusedError` (MA-63xx), perhaps late.

        Whoever stores rows stores none of them when it raises.
        """
        facts = self.facts
        for item in self._items():
            if isinstance(item, RefusedLine):
                self._refuse(item)
                continue
            facts.rows += 1
            facts.total_fen += _counted(item.total_fen, item)
            facts.aid_fen += _counted(item.aid_fen, item)
            yield item

    def _refuse(self, line: RefusedLine) -> None:
        self.refused.append(line)
        if len(self.refused) > self._limits.refused_lines:
            raise ListRefusedError(
                "MA-6312",
                f"more than {self._limits.refused_lines} lines",
                tuple(self.refused),
            )

    def _items(self) -> Iterator[ListedRow | RefusedLine]:
        lines = self._lines()
        first = next(lines, None)
        if first is None:
            raise ListRefusedError("MA-6301", "it has blank lines alone")
        columns = NATIONAL
        if not isinstance(first[1], RefusedLine) and is_header(first[1]):
            columns = columns_of(first[1], first[0])
        else:
            lines = chain((first,), lines)
        self.facts.layout = columns.layout
        reader = RowReader(columns, self._today)
        for number, cells in lines:
            if isinstance(cells, RefusedLine):
                yield cells
                continue
            item = reader.read(number, cells)
            if columns is NATIONAL and isinstance(item, RefusedLine):
                _refuse_late_header(number, cells)
            yield item

    def _lines(self) -> Iterator[_Line]:
        facts, limits = self.facts, self._limits
        facts.file_bytes = self._file.seek(0, os.SEEK_END)
        if facts.file_bytes > limits.file_bytes:
            raise ListRefusedError("MA-6302", f"more than {limits.file_bytes} bytes")
        self._file.seek(0)
        start = self._file.read(len(ZIP))
        if start == EMPTY_ZIP:
            raise ListRefusedError("MA-6305", "the zip is empty")
        if start != ZIP:
            return self._text(self._bare)
        packed = Packed(self._file, facts.file_bytes, limits)
        if packed.is_spreadsheet:
            facts.form = ListForm.SPREADSHEET
            return sheet_lines(packed, limits)
        facts.form = ListForm.ZIP
        if len(packed.members) != 1:
            raise ListRefusedError("MA-6305", f"{len(packed.members)} members")
        member = packed.members[0]
        return self._text(lambda: packed.blocks(member, limits.unpacked_bytes))

    def _bare(self) -> Iterator[bytes]:
        self._file.seek(0)
        while block := self._file.read(_BLOCK):
            yield block

    def _text(self, blocks: Blocks) -> Iterator[_Line]:
        encoding = learn_encoding(blocks)
        self.facts.encoding = encoding.removesuffix("-sig")
        cut: Cut | None = None
        for number, line in lines_of(blocks, encoding, self._limits):
            cut = cut or cut_like(line)
            try:
                yield number, cut(line)
            except CellFault as fault:
                yield number, RefusedLine(number, "", fault.reason)


def _refuse_late_header(number: int, cells: Sequence[str]) -> None:
    """Read by place, what stands under a title and a header may mean anything."""
    if is_header(cells):
        raise ListRefusedError(
            "MA-6309",
            f"the header is line {number}",
            (RefusedLine(number, "", "MA-6309"),),
        )


def _counted(amount_fen: int, row: ListedRow) -> int:
    return -abs(amount_fen) if row.is_refund else amount_fen

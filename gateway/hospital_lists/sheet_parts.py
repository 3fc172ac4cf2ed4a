"""The XML parts of a spreadsheet, measured before anybody lays them out in memory.

A part must be well-formed UTF-8 and declare no entities. Of a sheet, the rectangle
that its cells span is measured; of shared strings, how much text all cells together
refer to: a few kilobytes can name a long text a million times.
"""

from __future__ import annotations

import re
from xml.parsers import expat

from gateway.hospital_lists.limits import Limits
from settlement.domain.hospital_list import ListRefusedError

_PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_ROW = re.compile(r"[0-9]{1,7}")
_LETTERS = 26
_ENCODING = "utf-8"
_CONTENT = frozenset({"v", "is", "f"})
#: The parser keeps every element that is open, and a tag until its end has come: a
#: megabyte of zip could make it take gigabytes. Real parts are a dozen elements deep.
_DEEPEST = 100
_LONGEST_TAG = 1 << 20


class Measured:
    """What the parts of one spreadsheet come to; shared strings are fed first."""

    def __init__(self, limits: Limits) -> None:
        """Nothing is measured yet."""
        self.limits = limits
        self.strings: list[int] = []
        """Lengths of the shared strings."""
        self.text_left = limits.sheet_bytes
        self.cells_left = limits.sheet_cells


class Part:
    """One part, fed block by block. Raises `ListRefusedError`."""

    def __init__(self, measured: Measured) -> None:
        """Begin a part."""
        self._measured = measured
        self._row = self._column = 0
        self._depth = self._unread_bytes = 0
        self._first: tuple[int, int] | None = None
        self._last = (0, 0)
        self._is_shared_string = False
        self._is_in_cell = False
        self._string_length = -1
        self._index: str | None = None
        # Told, and not asked: two readers of one part must see the same characters.
        parser = expat.ParserCreate(_ENCODING)
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.XmlDeclHandler = _refuse_other_encoding
        self._parser = parser

    def feed(self, block: bytes, *, is_last: bool = False) -> None:
        """Parse the next bytes; the last block may be empty."""
        self._unread_bytes += len(block)
        try:
            self._parser.Parse(block, is_last)
        except expat.ExpatError as error:
            raise ListRefusedError("MA-6313", "a part is no proper XML") from error
        if self._unread_bytes > _LONGEST_TAG:
            raise ListRefusedError("MA-6313", "a tag without end")
        if is_last and self._first is not None:
            height = self._last[0] - self._first[0] + 1
            width = self._last[1] - self._first[1] + 1
            self._measured.cells_left -= height * width
            if self._measured.cells_left < 0:
                raise ListRefusedError("MA-6314", "the cells span too wide a range")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._unread_bytes = 0
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ListRefusedError("MA-6313", "elements within elements without end")
        name = name.rpartition(":")[2]
        if name == "c":
            self._begin_cell(attributes)
        elif name in _CONTENT:
            self._fill_cell(name)
        elif name == "row":
            self._begin_row(attributes)
        elif name == "si":
            self._string_length = 0

    def _end(self, name: str) -> None:
        self._unread_bytes = 0
        self._depth -= 1
        name = name.rpartition(":")[2]
        if name == "v" and self._index is not None:
            self._refer(self._index)
            self._index = None
        elif name == "si":
            self._measured.strings.append(self._string_length)
            self._string_length = -1

    def _characters(self, text: str) -> None:
        self._unread_bytes = 0
        if self._index is not None:
            self._index += text
        elif self._string_length >= 0:
            self._string_length += len(text)

    def _begin_row(self, attributes: dict[str, str]) -> None:
        row = attributes.get("r")
        if row is None:
            self._row += 1
        elif _ROW.fullmatch(row):
            self._go_to_row(int(row))
        else:
            raise _misplaced()
        self._column = 0

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        place = attributes.get("r")
        if place is None:
            self._column += 1
        else:
            match = _PLACE.fullmatch(place.upper())
            if match is None:
                raise _misplaced()
            self._go_to_row(int(match[2]))
            self._column = 0
            for letter in match[1]:
                self._column = self._column * _LETTERS + ord(letter) - ord("A") + 1
        self._is_in_cell = True
        self._is_shared_string = attributes.get("t") == "s"

    def _go_to_row(self, row: int) -> None:
        # calamine takes the first and the last row for the ends of the range.
        if row < self._row:
            raise _misplaced()
        self._row = row

    def _fill_cell(self, name: str) -> None:
        if not self._is_in_cell:
            return
        row, column = self._row, self._column
        if self._first is None:
            self._first = self._last = (row, column)
        else:
            self._first = (self._first[0], min(self._first[1], column))
            self._last = (row, max(self._last[1], column))
        if name == "v" and self._is_shared_string:
            self._index = ""

    def _refer(self, index: str) -> None:
        measured = self._measured
        if not _ROW.fullmatch(index) or int(index) >= len(measured.strings):
            raise ListRefusedError("MA-6313", "a cell names a text that is not there")
        measured.text_left -= measured.strings[int(index)]
        if measured.text_left < 0:
            raise ListRefusedError("MA-6314", "the cells repeat too much text")


def _misplaced() -> ListRefusedError:
    return ListRefusedError("MA-6313", "rows and cells are not where they say")


def _refuse_doctype(*_: object) -> None:
    raise ListRefusedError("MA-6313", "a part declares a document type")


def _refuse_other_encoding(_version: str, encoding: str | None, _: int) -> None:
    if encoding is not None and encoding.lower() != _ENCODING:
        raise ListRefusedError("MA-6313", "a part is not in UTF-8")

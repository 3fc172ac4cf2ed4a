"""A list as text: bytes in blocks, one encoding, lines of bounded length.

The bytes are read twice: once to learn the encoding, so that the second reading meets
no surprise in the middle and no line is given from a zip that is cut off.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from itertools import chain

from gateway.hospital_lists.cells import CellFault
from gateway.hospital_lists.layouts import NATIONAL, is_header
from gateway.hospital_lists.limits import Limits
from settlement.domain.hospital_list import ListRefusedError, RefusedLine

#: Gives the bytes from the start, each time it is called.
Blocks = Callable[[], Iterator[bytes]]

#: What files are that have no place here, by their first bytes.
_FOREIGN = {
    b"\xd0\xcf\x11\xe0": "an old or encrypted Office file",
    b"PK\x03\x04": "a zip within the zip",
    b"PK\x05\x06": "a zip within the zip",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"7z\xbc\xaf": "7z",
    b"Rar!": "RAR",
    b"%PDF": "PDF",
}
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

#: Cuts a line into cells; raises `CellFault` (MA-6410) over broken quotes.
Cut = Callable[[str], list[str]]


def learn_encoding(blocks: Blocks) -> str:
    """The encoding's name. Raises `ListRefusedError` (MA-6301, MA-6307, MA-6308).

    UTF-8 with or without its mark, UTF-16 with its mark, else GB18030, of which GBK
    and GB2312 are parts.
    """
    first = next(blocks(), b"")
    if not first:
        raise ListRefusedError("MA-6301")
    for start, what in _FOREIGN.items():
        if first.startswith(start):
            raise ListRefusedError("MA-6307", what)
    names = ("utf-16",) if first.startswith(_UTF_16) else ("utf-8-sig", "gb18030")
    for name in names:
        if _decodes(blocks(), name):
            return name
    raise ListRefusedError("MA-6308")


def _decodes(blocks: Iterator[bytes], encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for block in blocks:
            if "\0" in decoder.decode(block):
                raise ListRefusedError("MA-6307", "no text: it holds zero bytes")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def lines_of(
    blocks: Blocks, encoding: str, limits: Limits
) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers; LF, CRLF or CR ends one.

    Raises `ListRefusedError` (MA-6310, MA-6311).
    """
    number = 0
    for number, line in enumerate(_split(blocks, encoding, limits), start=1):
        if number > limits.lines:
            raise ListRefusedError("MA-6310", f"more than {limits.lines} lines")
        if len(line) > limits.line_characters:
            raise ListRefusedError(
                "MA-6311",
                f"line {number} has more than {limits.line_characters} characters",
                (RefusedLine(number, "", "MA-6311"),),
            )
        if not line.isspace() and line:
            yield number, line


def _split(blocks: Blocks, encoding: str, limits: Limits) -> Iterator[str]:
    characters = codecs.getincrementaldecoder(encoding)()
    decoder = io.IncrementalNewlineDecoder(characters, translate=True)
    rest = ""
    for block in chain(blocks(), (b"",)):
        pieces = (rest + decoder.decode(block, final=not block)).split("\n")
        rest = pieces.pop()
        yield from pieces
        if len(rest) > limits.line_characters:
            break
    if rest:
        yield rest


def cut_like(first: str) -> Cut:
    """How the lines are cut, as the first one shows: by TAB, commas or spaces."""
    for cut in (by_commas, by_tabs, str.split):
        if is_header(_cells(cut, first)):
            return cut
    if "\t" not in first and len(_cells(by_commas, first)) >= NATIONAL.cells_min:
        return by_commas
    return by_tabs_or_spaces


def by_tabs(line: str) -> list[str]:
    """Cells between TABs; empty ones are cells."""
    return line.split("\t")


def by_tabs_or_spaces(line: str) -> list[str]:
    """By TAB where there are enough of them, else by any run of spaces and TABs."""
    if line.count("\t") >= NATIONAL.cells_min - 1:
        return line.split("\t")
    return line.split()


def by_commas(line: str) -> list[str]:
    """RFC 4180, but a cell ends with its line."""
    if '"' not in line:
        return line.split(",")
    try:
        return next(csv.reader([line], strict=True, skipinitialspace=True))
    except csv.Error:
        raise CellFault("MA-6410") from None


def _cells(cut: Cut, line: str) -> list[str]:
    try:
        return cut(line)
    except CellFault:
        return []

"""How much of a list is read before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The defaults hold a month of a million settlements as text, zipped or bare."""

    file_bytes: int = 200 * _MIB
    """Of the file as it was sent."""
    unpacked_bytes: int = 400 * _MIB
    """Of a zip's text, counted while it is unpacked."""
    sheet_bytes: int = 128 * _MIB
    """Of all parts of a spreadsheet together, unpacked."""
    ratio: int = 200
    """Unpacked bytes for each packed one, once a mebibyte is unpacked."""
    members: int = 1_000
    """Parts of a zip, a spreadsheet's own ones included."""
    lines: int = 2_000_000
    line_characters: int = 8_192
    sheet_cells: int = 1_000_000
    """Of the rectangle that holds a sheet's content: 125,000 lines of 8."""
    sheet_memory: int = 512 * _MIB
    """Address space of the process that reads a spreadsheet."""
    sheet_seconds: int = 60
    """Processor time of that process."""
    refused_lines: int = 100
    """With one more the list is refused as a whole."""

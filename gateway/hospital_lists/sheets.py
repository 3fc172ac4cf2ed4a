"""A list as XLSX: checked part by part, then read by calamine in a process apart.

calamine lays out the whole rectangle that a sheet's cells span, so two cells in far
corners would take all memory. Each part is therefore read by a plain XML parser
before, and what calamine gets is a copy of the parts that passed, and nothing else.
It evaluates nothing. What it does not survive ends its own process alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from gateway.hospital_lists.limits import Limits
from gateway.hospital_lists.packed import Packed
from gateway.hospital_lists.sheet_parts import Measured, Part
from settlement.domain.hospital_list import ListRefusedError, RefusedLine

#: Parts that are copied; pictures, macros and the like are left behind.
_COPIED = (".xml", ".rels")
_SHARED_STRINGS = "xl/sharedstrings.xml"
_READER = Path(__file__).with_name("sheet_process.py")


def sheet_lines(packed: Packed, limits: Limits) -> Iterator[tuple[int, Sequence[str]]]:
    """Row number and cells of the rows that are not blank; column A comes first.

    Raises `ListRefusedError` (MA-6301, MA-6303, MA-6304, MA-6310, MA-6311, MA-6313 to
    MA-6315).
    """
    with tempfile.TemporaryFile() as copy:
        _copy_parts(packed, copy, limits)
        copy.seek(0)
        for number, cells in _read(copy, limits):
            if number > limits.lines:
                raise ListRefusedError("MA-6310", f"more than {limits.lines} lines")
            if sum(map(len, cells)) > limits.line_characters:
                raise ListRefusedError(
                    "MA-6311",
                    f"row {number} has more than {limits.line_characters} characters",
                    (RefusedLine(number, "", "MA-6311"),),
                )
            yield number, cells


def _read(copy: IO[bytes], limits: Limits) -> Iterator[tuple[int, list[str]]]:
    """What the reader's process says; its complaints, which may quote, go nowhere."""
    command = [
        *(sys.executable, "-I", str(_READER)),
        *(str(limits.sheet_memory), str(limits.sheet_seconds)),
    ]
    with subprocess.Popen(
        command,
        stdin=copy,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        encoding="ascii",
    ) as reader:
        try:
            for line in reader.stdout or ():
                match json.loads(line):
                    case [int(number), list(cells)]:
                        yield number, cells
                    case {"refused": [code, detail]}:
                        raise ListRefusedError(code, detail)
                    case _:
                        return
        finally:
            reader.kill()
    raise ListRefusedError("MA-6313", "its reader did not come to the end")


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

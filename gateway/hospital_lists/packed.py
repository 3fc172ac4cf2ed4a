"""Zip files from outside: opened warily, unpacked a block at a time, and counted.

What a zip says of its sizes is believed nowhere: bytes are counted as they come, and
set against the size of the file itself.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from gateway.hospital_lists.limits import Limits
from settlement.domain.hospital_list import ListRefusedError

#: First bytes of a zip with members, and of one without.
ZIP = b"PK\x03\x04"
EMPTY_ZIP = b"PK\x05\x06"
_BLOCK = 1 << 16
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_RATIO_COUNTS_FROM = 1 << 20
_AT_ONCE = 1 << 20

#: What `zipfile` and `zlib` raise over bytes that are no proper zip. Its name for what
#: it cannot read, `NotImplementedError`, is a `RuntimeError`; one for a member's name
#: in no encoding is a `ValueError`, and is not kept as a cause: it holds that name.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


class _Wary:
    """A file that gives no more at once than a small directory needs.

    `zipfile` reads a directory in one piece, of whatever size the file claims.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.tell = file.tell
        self.seek = file.seek
        self.seekable = file.seekable

    def read(self, size: int = -1, /) -> bytes:
        if size > _AT_ONCE:
            raise zipfile.BadZipFile("the directory is too large")
        return self._file.read(size)


class Packed:
    """A zip whose directory has been looked at."""

    def __init__(self, file: BinaryIO, file_bytes: int, limits: Limits) -> None:
        """Read the directory. Raises `ListRefusedError` (MA-6304, 6306, 6307)."""
        self._proportionate = _RATIO_COUNTS_FROM + limits.ratio * file_bytes
        try:
            self._zip = zipfile.ZipFile(_Wary(file))
        except _BROKEN as error:
            raise ListRefusedError(
                "MA-6304", "no directory that can be read"
            ) from error
        self.members = [
            member for member in self._zip.infolist() if not member.is_dir()
        ]
        if len(self.members) > limits.members:
            raise ListRefusedError("MA-6305", f"more than {limits.members} members")
        for member in self.members:
            _refuse_what_is_not_read(member)

    @property
    def is_spreadsheet(self) -> bool:
        """Whether the members are the parts of an XLSX."""
        names = {member.filename for member in self.members}
        return "[Content_Types].xml" in names and any(
            each.startswith("xl/") for each in names
        )

    def blocks(self, member: zipfile.ZipInfo, at_most: int) -> Iterator[bytes]:
        """The member's bytes, once more each time. Raises `ListRefusedError`.

        MA-6303 for more than `at_most`, or out of all proportion to the file;
        MA-6304 for a member that is damaged.
        """
        left = min(at_most, self._proportionate)
        try:
            with self._zip.open(member) as opened:
                while block := opened.read(_BLOCK):
                    left -= len(block)
                    if left < 0:
                        raise ListRefusedError("MA-6303", "stopped while unpacking")
                    yield block
        except _BROKEN:
            raise ListRefusedError("MA-6304", "a member is damaged") from None


def _refuse_what_is_not_read(member: zipfile.ZipInfo) -> None:
    if member.flag_bits & _ENCRYPTED:
        raise ListRefusedError("MA-6306", "a member of the zip is encrypted")
    if member.compress_type not in _METHODS:
        raise ListRefusedError("MA-6307", f"compression method {member.compress_type}")

"""The zip around a month package: one way to write it, so that every byte is known.

Members are stored, never compressed. All sizes and offsets stand in ZIP64 fields,
times and attributes are fixed, so the container is a function of names and contents.
A reader therefore need not be lenient: it computes what must stand there and compares.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO

BLOCK_BYTES = 1 << 20
#: What a zip begins with; an empty one, which is none of ours, does not.
MAGIC = b"PK\x03\x04"

_VERSION, _MADE_BY = 45, 3 << 8 | 45  # ZIP64; attributes as on Unix
_DAY_ONE = 0x21  # 1980-01-01, the first day that the format knows
_IN_EXTRA, _MANY = 0xFFFFFFFF, 0xFFFF
_ATTRIBUTES = 0o100644 << 16
_NAME_BYTES_MAX = 255
#: Two for each hospital and a few more; what lists millions only fills memory.
MEMBERS_MAX = 100_000
_LOCAL = struct.Struct("<4s5H3I2HHHQQ")
_NAME_LENGTH = slice(26, 28)
_CENTRAL = struct.Struct("<4s6H3I5H2IHHQQQ")
_END64 = struct.Struct("<4sQ2H2I4Q4sIQI")
_END = struct.Struct("<4s4H2IH")


class ContainerFault(Exception):
    """The file is not the container that we write; one sentence says where."""


class NoPackageFault(ContainerFault):
    """The file is something else altogether, or a part of a package."""


@dataclass(frozen=True, slots=True)
class Member:
    """One part: its place in the file, and what its header says."""

    name: str
    size: int
    crc: int
    header_offset: int

    @property
    def offset(self) -> int:
        """Where its bytes begin."""
        return self.header_offset + _LOCAL.size + len(self.name.encode("ascii"))

    @property
    def end(self) -> int:
        """Where the next header begins."""
        return self.offset + self.size

    def header(self) -> bytes:
        """The bytes before its content."""
        name = self.name.encode("ascii")
        fixed = _LOCAL.pack(
            MAGIC, _VERSION, 0, 0, 0, _DAY_ONE, self.crc, _IN_EXTRA, _IN_EXTRA,
            len(name), 20, 1, 16, self.size, self.size,
        )  # fmt: skip
        return fixed[:30] + name + fixed[30:]


@dataclass(frozen=True, slots=True)
class Written:
    """What a member turned out to be."""

    name: str
    size: int
    sha256: str


class ContainerWriter:
    """Writes members one after the other; a header is filled in at its end."""

    def __init__(self, file: BinaryIO) -> None:
        """The file is empty and can be written anywhere."""
        self._file = file
        self._members: list[Member] = []
        self._open: Member | None = None
        self._hash = sha256()

    def begin(self, name: str) -> None:
        """Begin a member."""
        at = self._members[-1].end if self._members else 0
        self._open, self._hash = Member(name, 0, 0, at), sha256()
        self._file.write(self._open.header())

    def write(self, content: bytes) -> None:
        """Append to the member that is open."""
        member = self._require_open()
        self._hash.update(content)
        self._open = Member(
            member.name,
            member.size + len(content),
            zlib.crc32(content, member.crc),
            member.header_offset,
        )
        self._file.write(content)

    def end(self) -> Written:
        """Fill in the header of the member that is open."""
        member = self._require_open()
        self._file.seek(member.header_offset)
        self._file.write(member.header())
        self._file.seek(member.end)
        self._members.append(member)
        self._open = None
        return Written(member.name, member.size, self._hash.hexdigest())

    def add(self, name: str, content: bytes) -> Written:
        """Write a short member whole."""
        self.begin(name)
        self.write(content)
        return self.end()

    def add_file(self, name: str, content: BinaryIO) -> Written:
        """Write a member from a file, from where that stands."""
        self.begin(name)
        while block := content.read(BLOCK_BYTES):
            self.write(block)
        return self.end()

    def finish(self) -> None:
        """Write the directory at the end."""
        self._file.write(_directory(self._members))

    def _require_open(self) -> Member:
        if self._open is None:
            raise RuntimeError("no member is open")
        return self._open


def read_members(file: BinaryIO) -> list[Member]:
    """Every member, from a file whose container is byte for byte ours.

    The contents are not looked at. Raises `ContainerFault`.
    """
    file_size = file.seek(0, 2)
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        raise NoPackageFault("it is no month package: it does not begin like a zip")
    members: list[Member] = []
    at = 0
    while (member := _member_at(file, at, file_size)) is not None:
        members.append(member)
        at = member.end
        if len(members) > MEMBERS_MAX:
            raise ContainerFault(f"it has more than {MEMBERS_MAX} parts")
    expected = _directory(members)
    file.seek(at)
    found = file.read(len(expected) + 1)
    if found != expected:
        if expected.startswith(found):
            raise NoPackageFault(
                "the file ends before its directory does: it is half a package;"
                " fetch it again"
            )
        raise ContainerFault(
            "the directory at the end differs from byte"
            f" {at + _common(found, expected)}"
        )
    return members


def blocks(file: BinaryIO, member: Member) -> Iterator[bytes]:
    """The member's content, piece by piece."""
    file.seek(member.offset)
    left = member.size
    while left and (block := file.read(min(left, BLOCK_BYTES))):
        left -= len(block)
        yield block


def _member_at(file: BinaryIO, at: int, file_size: int) -> Member | None:
    file.seek(at)
    found = file.read(_LOCAL.size + _NAME_BYTES_MAX)
    if found[: len(MAGIC)] != MAGIC:
        if at == file_size:
            raise NoPackageFault(
                "the file has no directory at its end: it is half a package;"
                " fetch it again"
            )
        return None
    if len(found) < _LOCAL.size:
        raise NoPackageFault("the file ends inside a header; fetch it again")
    if found[8:10] != b"\0\0":
        raise NoPackageFault("it is no month package: its parts are compressed")
    length = int.from_bytes(found[_NAME_LENGTH], "little")
    name = found[30 : 30 + length]
    fixed = found[:30] + found[30 + length : length + _LOCAL.size]
    if length > _NAME_BYTES_MAX or len(fixed) < _LOCAL.size or not name.isascii():
        raise ContainerFault(f"the header at byte {at} is not one that we write")
    *_rest, size, _again = _LOCAL.unpack(fixed)
    crc = int.from_bytes(fixed[14:18], "little")
    member = Member(name.decode("ascii"), size, crc, at)
    if found[: member.offset - at] != member.header():
        raise ContainerFault(
            f"the header of member {_shown(name)} at byte {at} is not one that we write"
        )
    if member.end > file_size:
        raise NoPackageFault(
            f"the file ends inside member {_shown(name)}: it is half a package;"
            " fetch it again"
        )
    return member


def _directory(members: Sequence[Member]) -> bytes:
    begin = members[-1].end if members else 0
    entries = b"".join(_central(member) for member in members)
    size, count = len(entries), len(members)
    end64 = _END64.pack(
        b"PK\x06\x06", 44, _MADE_BY, _VERSION, 0, 0, count, count, size, begin,
        b"PK\x06\x07", 0, begin + size, 1,
    )  # fmt: skip
    end = _END.pack(b"PK\x05\x06", 0, 0, _MANY, _MANY, _IN_EXTRA, _IN_EXTRA, 0)
    return entries + end64 + end


def _central(member: Member) -> bytes:
    name = member.name.encode("ascii")
    fixed = _CENTRAL.pack(
        b"PK\x01\x02", _MADE_BY, _VERSION, 0, 0, 0, _DAY_ONE, member.crc, _IN_EXTRA,
        _IN_EXTRA, len(name), 28, 0, 0, 0, _ATTRIBUTES, _IN_EXTRA,
        1, 24, member.size, member.size, member.header_offset,
    )  # fmt: skip
    return fixed[:46] + name + fixed[46:]


def _common(one: bytes, other: bytes) -> int:
    """How many bytes from the beginning are the same."""
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)


def _shown(name: bytes) -> str:
    return ascii(name.decode("ascii"))[1:-1]

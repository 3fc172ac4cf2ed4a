"""What is too much, cut off or packed to do harm is refused early, in little memory."""

import io
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.hospital_lists import HospitalList
from gateway.hospital_lists.limits import Limits
from gateway.hospital_lists.packed import Packed
from settlement.domain.hospital_list import ListRefusedError
from tests.hospital_lists.lists import (
    ID,
    NATIONAL_LINE,
    TODAY,
    read,
    refusal,
    rows_of,
    zip_of,
)

LINE = NATIONAL_LINE.encode() + b"\n"
LIST = zip_of(LINE * 50)


class CountingFile(io.FileIO):
    """A file that knows how much was read from it."""

    bytes_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, and count."""
        block = super().read(size)
        self.bytes_read += len(block or b"")
        return block or b""


@contextmanager
def at_most(peak: int) -> Iterator[None]:
    """Hold the memory that is taken meanwhile below a number of bytes."""
    tracemalloc.start()
    try:
        yield
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken < peak


def test_file_of_half_a_gigabyte_is_refused_unread(tmp_path: Path) -> None:
    """Its size alone says enough; not a byte of it is read."""
    path = tmp_path / "list.txt"
    path.touch()
    os.truncate(path, 500 << 20)
    with CountingFile(path) as file, pytest.raises(ListRefusedError) as raised:
        next(HospitalList(file, today=TODAY).rows())
    assert raised.value.reason == "MA-6302"
    assert file.bytes_read == 0


def test_file_at_the_limit_is_read() -> None:
    """The limit is the last size that is taken."""
    assert len(rows_of(LINE, file_bytes=len(LINE))) == 1
    assert refusal(LINE, file_bytes=len(LINE) - 1).reason == "MA-6302"


@pytest.mark.parametrize("content", [LINE, zip_of(LINE)])
def test_lines_are_counted(content: bytes) -> None:
    """Blank lines are lines."""
    assert refusal(LINE * 3, lines=2).reason == "MA-6310"
    assert refusal(LINE + b"\n" * 5 + LINE, lines=5).reason == "MA-6310"
    assert len(rows_of(LINE * 3, lines=3)) == 3


def test_line_that_does_not_end_is_refused_in_little_memory() -> None:
    """A file without line ends is not gathered into one line."""
    content = zip_of(LINE + b"x" * 8_000_000)
    with at_most(2_000_000):
        refused = refusal(content, ratio=10_000)
    assert refused.reason == "MA-6311"
    assert "line 2" in refused.detail


def test_long_line_among_others_is_refused() -> None:
    """Also when it ends within the same block."""
    assert refusal(LINE + b"x" * 9_000 + b"\n" + LINE).reason == "MA-6311"
    assert refusal(LINE * 2, line_characters=20).reason == "MA-6311"


def test_refused_lines_up_to_a_number_do_not_cost_the_list() -> None:
    """With one more, the whole list is refused, and says which lines."""
    content = LINE + b"bad\n" * 3

    _, refused, _ = read(content, refused_lines=3)
    assert [each.line for each in refused] == [2, 3, 4]
    whole = refusal(content, refused_lines=2)
    assert whole.reason == "MA-6312"
    assert [each.line for each in whole.refused] == [2, 3, 4]


# Zips ----------------------------------------------------------------------------


def test_bomb_is_stopped_while_it_unpacks() -> None:
    """A gigabyte of nothing in a megabyte: refused after a few blocks."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file,
        file.open("1.txt", "w") as member,
    ):
        for _ in range(64):
            member.write(b"0" * (1 << 20))
    with at_most(3_000_000):
        assert refusal(packed.getvalue()).reason == "MA-6303"


def test_unpacked_bytes_are_limited_whatever_the_ratio() -> None:
    """Honest compression of too much is refused too."""
    content = zip_of(LINE * 50, method=zipfile.ZIP_STORED)

    assert refusal(content, unpacked_bytes=len(LINE) * 50 - 1).reason == "MA-6303"
    assert len(rows_of(content, unpacked_bytes=len(LINE) * 50)) == 50


@pytest.mark.parametrize("told", [10, 1 << 31])
def test_size_that_the_zip_tells_is_not_believed(told: int) -> None:
    """A false size neither opens the gate nor cuts the list short unnoticed."""
    at = LIST.index(b"PK\x01\x02") + 24
    content = bytearray(LIST)
    content[at : at + 4] = struct.pack("<I", told)

    if told > len(LINE) * 50:
        assert len(rows_of(bytes(content))) == 50
    else:
        assert refusal(bytes(content)).reason == "MA-6304"


@pytest.mark.parametrize("length", [*range(4, len(LIST), 7)])
def test_half_a_file_gives_no_rows(length: int) -> None:
    """A zip that is cut off anywhere is refused before its first row."""
    listed = HospitalList(io.BytesIO(LIST[:length]), today=TODAY)

    with pytest.raises(ListRefusedError) as raised:
        next(listed.rows())
    assert raised.value.reason == "MA-6304"


def test_damaged_content_is_refused_before_its_first_row() -> None:
    """The check sum is looked at before anything is given."""
    content = zip_of(LINE * 2_000, method=zipfile.ZIP_STORED)
    broken = bytearray(content)
    broken[90_000] ^= 1
    listed = HospitalList(io.BytesIO(bytes(broken)), today=TODAY)

    with pytest.raises(ListRefusedError) as raised:
        next(listed.rows())
    assert raised.value.reason == "MA-6304"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zip_of(), "MA-6305"),
        (zip_of(LINE, LINE), "MA-6305"),
        (zip_of(zip_of(LINE)), "MA-6307"),
        (zip_of(zip_of()), "MA-6307"),
        (zip_of(b""), "MA-6301"),
        (zip_of(LINE, method=zipfile.ZIP_BZIP2), "MA-6307"),
        (zip_of(LINE, method=zipfile.ZIP_LZMA), "MA-6307"),
        (b"PK\x03\x04", "MA-6304"),
        (b"PK\x05\x06", "MA-6305"),
    ],
)
def test_zip_holds_exactly_one_text(content: bytes, reason: str) -> None:
    """Which of several is meant, nobody guesses; and nothing is unpacked twice."""
    assert refusal(content).reason == reason


STORED = zip_of(LINE * 50, method=zipfile.ZIP_STORED)


def patched(content: bytes, *changes: tuple[bytes, int, bytes]) -> bytes:
    """The zip with other bytes at places within its headers."""
    altered = bytearray(content)
    for header, place, value in changes:
        at = content.index(header) + place
        altered[at : at + len(value)] = value
    return bytes(altered)


def far_away() -> bytes:
    """A zip whose member begins beyond everything that a file can have."""
    start, end = LIST.index(DIRECTORY), LIST.index(END)
    more = struct.pack("<HHQ", 1, 8, (1 << 64) - 1)
    entry = bytearray(LIST[start:end])
    entry[42:46], entry[30:32] = b"\xff" * 4, struct.pack("<H", len(more))
    told = patched(LIST[end:], (END, 12, struct.pack("<L", len(entry) + len(more))))
    return LIST[:start] + entry + more + told


DIRECTORY, END = b"PK\x01\x02", b"PK\x05\x06"
BROKEN = {
    "newer than its reader": patched(LIST, (DIRECTORY, 6, b"\xff\x00")),
    "patched data": patched(LIST, (DIRECTORY, 8, b"\x20\x00")),
    "name in no encoding": patched(
        LIST, (DIRECTORY, 8, b"\x00\x08"), (DIRECTORY, 46, b"\xff\xfe")
    ),
    "directory before the start": patched(LIST, (END, 16, b"\xff\xff\xff\x00")),
    "longer than the file": patched(
        STORED, (DIRECTORY, 20, b"\xff\xff\x00\x00\xff\xff\x00\x00")
    ),
    "no deflated data": patched(
        STORED, (DIRECTORY, 10, b"\x08\x00"), (b"PK\x03\x04", 8, b"\x08\x00")
    ),
    "member far away": far_away(),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_zip_that_is_put_together_wrongly_is_refused(
    content: bytes, tmp_path: Path
) -> None:
    """In a file and in memory, which fail in different ways."""
    path = tmp_path / "list.zip"
    path.write_bytes(content)

    with path.open("rb") as file, pytest.raises(ListRefusedError) as raised:
        next(HospitalList(file, today=TODAY).rows())
    assert raised.value.reason == "MA-6304"
    assert raised.value.__suppress_context__
    assert refusal(content).reason == "MA-6304"


def test_folder_in_the_zip_is_no_member() -> None:
    """Some programs pack the folder too."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("202601/", b"")
        file.writestr("202601/1.txt", LINE)

    assert len(rows_of(packed.getvalue())) == 1


def test_encrypted_zip_is_told_as_such() -> None:
    """A password is of no use to us."""
    content = bytearray(LIST)
    for start, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(start) + flags] |= 1

    assert refusal(bytes(content)).reason == "MA-6306"


def test_crowd_of_members_is_refused_in_little_memory() -> None:
    """A directory of a hundred thousand members is not even read."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for number in range(1_100):
            file.writestr(str(number), b"")
    assert refusal(packed.getvalue()).reason == "MA-6305"
    entry = packed.getvalue()[packed.getvalue().index(b"PK\x01\x02") :][:47]
    size = len(entry) * 100_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, size, 4, 0)
    huge = b"PK\x03\x04" + entry * 100_000 + end

    with at_most(8_000_000 + len(huge)):
        assert refusal(huge).reason == "MA-6304"


def test_zip_is_read_in_blocks() -> None:
    """Memory does not grow with the list."""
    content = zip_of(b"".join(LINE.replace(b"MZ1", b"%d" % n) for n in range(40_000)))
    listed = HospitalList(io.BytesIO(content), today=TODAY)
    count = 0

    with at_most(1_500_000):
        for _ in listed.rows():
            count += 1
    assert count == 40_000


def test_member_is_given_no_more_than_asked() -> None:
    """Each reading of a member has the same limit."""
    packed = Packed(io.BytesIO(LIST), len(LIST), Limits())
    (member,) = packed.members

    for _ in range(2):
        with pytest.raises(ListRefusedError, match="MA-6303"):
            list(packed.blocks(member, 100))
    assert b"".join(packed.blocks(member, 1 << 20)) == LINE * 50
    assert ID.encode() in LINE

"""Any bytes end in rows or in a code, and nobody's number or name comes out."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from settlement.domain.hospital_list import ListRefusedError, RefusedLine
from settlement.domain.reasons import REASONS
from tests.hospital_lists.lists import (
    ID,
    IDENTITY_NUMBER,
    NATIONAL_LINE,
    PERSON_NAME,
    parts_of,
    read,
    spreadsheet_of,
    xlsx_of,
    zip_of,
)

#: A spreadsheet is read by a process of its own, which takes a moment to start.
PATIENT = settings(deadline=None, max_examples=50)
#: Numbers and names that must not come out again, wherever they stood.
PERSONAL = (IDENTITY_NUMBER, PERSON_NAME, "李四")
CELLS = (
    ID, "MZ1", IDENTITY_NUMBER, PERSON_NAME, "250.00", "-1", "1e9", "null", "", "0",
    "1", "setl_id", "medfee_sumamt", "基金支付总额", "total_fen", '"', '"x', "=1+1",
    "１２", "1,250.00", "a b", "\u3000", "x" * 70, f"MZ{IDENTITY_NUMBER}", "李四",
)  # fmt: skip
NATIONAL_ROW = [ID, "MZ1", IDENTITY_NUMBER, 250.0, 15.5, PERSON_NAME, 0]
SHEET = xlsx_of([NATIONAL_ROW] * 3)
VALID = [
    f"{NATIONAL_LINE}\t{PERSON_NAME}\r\n".encode("gbk") * 3,
    zip_of(f"{NATIONAL_LINE}\n".encode() * 20),
    f"\ufeffsetl_id,name,total_fen,aid_fen\n{ID},{PERSON_NAME},1,1\n".encode(),
    SHEET,
]


COLUMNS = {
    "", "settlement_id", "visit_no", "idempotency_key", "total", "aid", "refund"
}  # fmt: skip


def told_of(content: bytes) -> str:
    """All that comes of a list: rows, refused lines, and the fault with its causes."""
    try:
        rows, refused, facts = read(content, refused_lines=5, lines=1_000)
    except ListRefusedError as error:
        return _told_of_fault(error)
    _check(refused)
    assert facts.rows == len(rows)
    return f"{rows} {refused} {facts}"


def _told_of_fault(error: ListRefusedError) -> str:
    assert error.reason in REASONS
    assert error.reason.startswith("MA-63")
    lines = [each for each in error.refused if each.reason != error.reason]
    _check(lines)
    assert {each.column for each in error.refused} <= COLUMNS
    told = ""
    cause: BaseException | None = error
    while cause is not None:
        told += f"{cause!r} {cause} {vars(cause)}"
        cause = cause.__cause__ or cause.__context__
    return told


def _check(refused: list[RefusedLine]) -> None:
    for line in refused:
        assert line.reason in REASONS
        assert line.reason.startswith("MA-64")
        assert line.column in COLUMNS


def assert_nothing_personal(content: bytes) -> None:
    """Nobody's number or name comes out."""
    told = told_of(content)
    assert [one for one in PERSONAL if one in told] == []


@given(st.binary(max_size=300))
@example(b"PK\x03\x04")
@example(b"\xff\xfe\x00")
@example(b"\xef\xbb\xbf")
def test_any_bytes_end_in_rows_or_in_a_code(content: bytes) -> None:
    """Nothing that a hospital may send is a crash."""
    told_of(content)
    told_of(b"PK\x03\x04" + content)
    told_of(zip_of(content))


@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(CELLS), max_size=9), st.sampled_from("\t ,")
        ),
        max_size=8,
    ),
    st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_nothing_personal_comes_out_of_a_text(
    lines: list[tuple[list[str], str]], encoding: str, end: str
) -> None:
    """Wherever in the list a number or a name stands."""
    text = end.join(separator.join(cells) for cells, separator in lines)

    assert_nothing_personal(text.encode(encoding))


@PATIENT
@given(
    st.lists(
        st.lists(
            st.sampled_from(CELLS) | st.floats(allow_nan=False, allow_infinity=False),
            max_size=8,
        ),
        max_size=5,
    )
)
def test_nothing_personal_comes_out_of_a_sheet(rows: list[list[str | float]]) -> None:
    """Wherever in the sheet a number or a name stands."""
    cells = [[str(c) if c == "=1+1" else c for c in row] for row in rows]

    assert_nothing_personal(xlsx_of(cells))


@pytest.mark.parametrize("valid", VALID, ids=["gbk", "zip", "csv", "xlsx"])
@PATIENT
@given(seed=st.integers(), count=st.integers(1, 8), cut=st.integers(0, 100))
def test_damaged_list_ends_in_rows_or_in_a_code(
    valid: bytes, seed: int, count: int, cut: int
) -> None:
    """Bytes changed anywhere, the end cut off."""
    chance = random.Random(seed)
    content = bytearray(valid)
    for _ in range(count):
        content[chance.randrange(len(content))] = chance.randrange(256)

    assert_nothing_personal(bytes(content[: len(content) * (100 - cut // 2) // 100]))


@PATIENT
@given(seed=st.integers(), count=st.integers(1, 5))
def test_damaged_part_of_a_sheet_ends_in_rows_or_in_a_code(
    seed: int, count: int
) -> None:
    """Bytes changed within the XML, where no check sum tells."""
    chance = random.Random(seed)
    parts = parts_of(SHEET)
    for _ in range(count):
        name = chance.choice(sorted(parts))
        part = bytearray(parts[name])
        part[chance.randrange(len(part))] = chance.choice(b'<>/"&09AZaz ')
        parts[name] = bytes(part)

    assert_nothing_personal(spreadsheet_of(parts))

"""Reading a roster file: what is taken, what is refused, where, and never the value."""

import csv
import gzip
import io
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from eligibility_cache.roster_file import DataRow, RosterFile, count_rows, sha256_of
from eligibility_cache.roster_rows import REQUIRED_COLUMNS
from settlement.domain.roster import RefusedRow, RosterRefusedError, RosterRow
from tests.roster.bureau import (
    CATEGORIES,
    TOKENIZER,
    card_number,
    id_number,
    person_token,
    row,
)


def text_of(
    *rows: Mapping[str, str], columns: tuple[str, ...] = REQUIRED_COLUMNS
) -> str:
    """Return the file's text."""
    written = io.StringIO()
    writer = csv.DictWriter(written, columns)
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()


def read(path: Path, content: bytes | str) -> list[DataRow]:
    """Write the content to the path and read it as a roster file."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(RosterFile(path).rows(TOKENIZER, CATEGORIES))


def only(rows: list[DataRow]) -> RosterRow:
    """Return the one window that the file names."""
    [[found]] = rows  # type: ignore[misc]  # a refusal fails here, as it should
    assert isinstance(found, RosterRow)
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the place of the file."""
    return tmp_path / "roster.csv"


FAULTS = [
    ({"action": "delete"}, "action", "MA-6204"),
    ({"action": ""}, "action", "MA-6203"),
    ({"id_number": ""}, "id_number", "MA-6203"),
    ({"id_number": "990100500101001"}, "id_number", "MA-6216"),
    ({"id_number": id_number(1)[:-1]}, "id_number", "MA-6205"),
    ({"id_number": id_number(1) + "0"}, "id_number", "MA-6205"),
    ({"id_number": id_number(1)[:16] + "99"}, "id_number", "MA-6206"),
    ({"id_number": "99010019990231001X"}, "id_number", "MA-6217"),
    ({"id_number": id_number(1)[:-2] + "??"}, "id_number", "MA-6218"),
    ({"id_number": id_number(1)[:-2] + "Y1"}, "id_number", "MA-6218"),
    ({"card_number": "T 1"}, "card_number", "MA-6207"),
    ({"card_number": "T" * 33}, "card_number", "MA-6207"),
    ({"category": ""}, "category", "MA-6203"),
    ({"category": "富人"}, "category", "MA-6208"),
    ({"category": "低保,富人"}, "category", "MA-6208"),
    ({"category": ","}, "category", "MA-6208"),
    ({"subdistrict": "99010001"}, "subdistrict", "MA-6211"),
    ({"subdistrict": "99010000A"}, "subdistrict", "MA-6211"),
    ({"valid_from": ""}, "valid_from", "MA-6203"),
    ({"valid_from": "2026-1-1"}, "valid_from", "MA-6209"),
    ({"valid_from": "20260101"}, "valid_from", "MA-6209"),
    ({"valid_from": "2026-W01-1"}, "valid_from", "MA-6209"),
    ({"valid_to": "2026-02-30"}, "valid_to", "MA-6209"),
    ({"valid_to": "2025-12-31"}, "valid_to", "MA-6210"),
]


@pytest.mark.parametrize(("changes", "column", "reason"), FAULTS)
def test_fault_is_named_by_line_and_column(
    path: Path, changes: dict[str, str], column: str, reason: str
) -> None:
    """Each kind of fault refuses its own line, and the lines around it are taken."""
    rows = read(path, text_of(row(1), row(2, **changes), row(3)))

    assert isinstance(rows[0], tuple)
    assert isinstance(rows[2], tuple)
    refused = rows[1]
    assert isinstance(refused, RefusedRow)
    assert (refused.line, refused.column, refused.reason) == (3, column, reason)


@pytest.mark.parametrize(("changes", "column", "reason"), FAULTS)
def test_refusal_does_not_hold_the_value(
    path: Path, changes: dict[str, str], column: str, reason: str
) -> None:
    """Nothing of the line shows in its refusal but keyed tokens."""
    [refused] = read(path, text_of(row(1, **changes)))

    shown = repr(refused)
    values = [*row(1, **changes).values()]
    assert not [value for value in values if len(value) > 2 and value in shown]


@pytest.mark.parametrize(
    ("changes", "column"),
    [({"birth_date": "1950-13-01"}, "birth_date"), ({"death_date": "?"}, "death_date")],
)
def test_optional_dates_are_checked_where_they_stand(
    path: Path, changes: dict[str, str], column: str
) -> None:
    """Birth and death dates may be left out, not be broken."""
    columns = (*REQUIRED_COLUMNS, "birth_date", "death_date")
    good = row(1, birth_date="1950-01-01", death_date="")
    rows = read(path, text_of(good, {**good, **changes}, columns=columns))

    assert isinstance(rows[0], tuple)
    assert isinstance(rows[1], RefusedRow)
    assert (rows[1].column, rows[1].reason) == (column, "MA-6209")


@pytest.mark.parametrize(
    "changes",
    [
        {"id_number": id_number(7).lower()},
        {"id_number": "".join(chr(ord(c) + 0xFEE0) for c in id_number(7))},
        {"id_number": f" {id_number(7)}　"},
        {"card_number": card_number(7).lower()},
        {"card_number": "".join(chr(ord(c) + 0xFEE0) for c in card_number(7))},
        {"category": " 农村低保"},
        {"category": "ｄｉｂａｏ"},
        {"action": "UPSERT"},
        {"valid_from": "２０２６-01-01"},
    ],
)
def test_spellings_of_the_field_mean_the_same(
    path: Path, changes: dict[str, str]
) -> None:
    """Width, case and outer spaces make no other person, card, day or category."""
    plain = only(read(path, text_of(row(7))))
    spelled = only(read(path, text_of(row(7, **changes))))

    assert plain == spelled


def test_identity_number_ending_in_x_is_taken(path: Path) -> None:
    """The check character X is valid, in either case."""
    number = next(n for n in range(100) if id_number(n).endswith("X"))

    small = row(number, id_number=id_number(number).lower())
    assert only(read(path, text_of(small))).person == person_token(number)


def test_row_becomes_tokens_dates_and_codes(path: Path) -> None:
    """What leaves the reader is what the tables hold, and no more."""
    found = only(read(path, text_of(row(1, valid_to="2026-12-31"))))

    assert found == RosterRow(
        line=2,
        removes=False,
        person=person_token(1),
        card=TOKENIZER.card("social_security_card", card_number(1)),
        household=TOKENIZER.household("H00000"),
        category="dibao",
        valid_from=date(2026, 1, 1),
        valid_to=date(2026, 12, 31),
        subdistrict="990100002",
    )


def test_what_the_roster_need_not_say_may_be_empty(path: Path) -> None:
    """Card, household, sub-district, name, note and last day may be missing."""
    empty = dict.fromkeys(
        ("card_number", "household_id", "subdistrict", "name", "note", "valid_to"), ""
    )
    found = only(read(path, text_of(row(1, **empty))))

    assert (found.card, found.household, found.subdistrict) == (None, b"", "")


def test_removal_needs_a_person_only(path: Path) -> None:
    """A removal may leave category and first day out, and then means all."""
    found = only(
        read(path, text_of(row(1, action="remove", category="", valid_from="")))
    )

    assert (found.removes, found.category, found.valid_from) == (True, None, None)


@pytest.mark.parametrize("separator", [",", "，", "、", ";", "；", "/", "|"])
def test_categories_in_one_cell_are_taken_apart(path: Path, separator: str) -> None:
    """Two categories in one cell are two windows of one line; a repeated one is one."""
    cell = separator.join(["低保", "特困", "农村低保"])
    [found] = read(path, text_of(row(1, category=cell)))

    assert isinstance(found, tuple)
    assert [(each.line, each.category) for each in found] == [
        (2, "dibao"),
        (2, "tekun"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_encodings_of_a_good_file_read_the_same(
    path: Path, encoding: str, compressed: bool, line_end: str
) -> None:
    """BOM, gzip and line ends make no difference; the digest is of bytes on disk."""
    content = text_of(row(1), row(2)).replace("\r\n", line_end).encode(encoding)
    content = gzip.compress(content) if compressed else content
    path.write_bytes(content)
    file = RosterFile(path)
    rows = list(file.rows(TOKENIZER, CATEGORIES))

    assert [each[0].person for each in rows if isinstance(each, tuple)] == [
        person_token(1),
        person_token(2),
    ]
    assert file.sha256 == sha256_of(path)
    assert file.bytes_read == len(content)
    assert count_rows(path) == 2


def test_columns_may_stand_in_any_order(path: Path) -> None:
    """The header says which column is which."""
    columns = tuple(reversed(REQUIRED_COLUMNS))

    assert only(read(path, text_of(row(1), columns=columns))).person == person_token(1)


def test_line_numbers_count_physical_lines(path: Path) -> None:
    """A quoted line break moves the numbers of the lines after it."""
    rows = read(path, text_of(row(1, note="a\nb"), row(2, category="?")))

    assert isinstance(rows[1], RefusedRow)
    assert rows[1].line == 4


def test_wrong_number_of_fields_still_tells_whose_line_it_is(path: Path) -> None:
    """A person is protected though an unquoted comma has moved the columns."""
    text = text_of(row(1), row(2)).replace("测试", "测,试")
    rows = read(path, text)

    assert [(each.line, each.column, each.reason, each.person)
            for each in rows if isinstance(each, RefusedRow)] == [
        (2, "", "MA-6202", person_token(1)),
        (3, "", "MA-6202", person_token(2)),
    ]  # fmt: skip


def test_broken_quotes_refuse_their_line(path: Path) -> None:
    """A quote in the wrong place refuses one line and is told whose it is."""
    text = text_of(row(1), row(2, note="x"), row(3)).replace(",x\r", ',"x"y\r')
    rows = read(path, text)

    refused = rows[1]
    assert isinstance(refused, RefusedRow)
    assert (refused.line, refused.reason) == (3, "MA-6201")
    assert refused.person == person_token(2)
    assert isinstance(rows[2], tuple)


def test_damaged_text_is_said(path: Path) -> None:
    """Bytes of another encoding in one line are not read as other characters."""
    good = text_of(row(1), row(2), row(3)).encode()
    damaged = good.replace("低保".encode(), "低保".encode("gbk"), 1)
    rows = read(path, damaged)

    refused = rows[0]
    assert isinstance(refused, RefusedRow)
    assert (refused.column, refused.reason) == ("category", "MA-6201")
    assert refused.value_class == "undecoded"
    assert isinstance(rows[1], tuple)


def test_endless_line_is_refused_in_bounded_memory(path: Path) -> None:
    """A line without end is cut into lines that are refused, not kept in memory."""
    rows = read(path, text_of(row(1)) + "x" * 300_000 + "\n" + ",".join(["y"] * 10))

    assert [each.reason for each in rows if isinstance(each, RefusedRow)] == [
        "MA-6202", "MA-6202", "MA-6202", "MA-6202", "MA-6202", "MA-6204",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "reason", "says"),
    [
        (b"", "MA-6112", "no header"),
        (text_of(row(1)).split("\r\n", 1)[1].encode(), "MA-6112", "column 1 "),
        (b"action,action\r\n", "MA-6112", "column 2 "),
        (b"action,card_number\r\n", "MA-6112", "lacks the columns id_number, name"),
        (gzip.compress(text_of(row(1)).encode())[:-9], "MA-6103", "cut off or damaged"),
        (b"\x1f\x8bno gzip at all", "MA-6103", "damaged"),
    ],
)
def test_file_that_is_none_is_refused_whole(
    path: Path, content: bytes, reason: str, says: str
) -> None:
    """What is wrong with the file is said, without showing what stands in it."""
    with pytest.raises(RosterRefusedError) as refused:
        read(path, content)

    assert refused.value.reason == reason
    assert says in refused.value.detail
    assert id_number(1) not in str(refused.value)


def test_missing_file_is_refused(path: Path) -> None:
    """A manifest without its data file is refused by both readers."""
    with pytest.raises(RosterRefusedError) as refused:
        sha256_of(path)
    assert refused.value.reason == "MA-6103"
    with pytest.raises(RosterRefusedError, match="MA-6103"):
        count_rows(path)

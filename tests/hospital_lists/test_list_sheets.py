"""Real spreadsheets are read, never evaluated, and measured before they unfold."""

import io
import subprocess
import zipfile
from collections.abc import Generator
from datetime import datetime
from typing import Any

import pytest
import xlsxwriter  # type: ignore[import-untyped]  # it ships no types

from gateway.hospital_lists import HospitalList, Limits, ListForm, sheet_process
from gateway.hospital_lists.cells import LOST
from gateway.hospital_lists.layouts import Layout
from gateway.hospital_lists.sheet_parts import Measured, Part
from settlement.domain.hospital_list import ListRefusedError
from tests.hospital_lists.lists import (
    ID,
    IDENTITY_NUMBER,
    PERSON_NAME,
    ROW,
    TODAY,
    parts_of,
    read,
    refusal,
    rows_of,
    spreadsheet_of,
    xlsx_of,
    zip_of,
)

THEIRS = ["setl_id", "mdtrt_id", "psn_no", "medfee_sumamt", "fund_pay_sumamt"]
NATIONAL = [ID, "MZ1", IDENTITY_NUMBER, 250.0, 15.5, None, 0]
SPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SHEET = "xl/worksheets/sheet1.xml"


def test_sheet_in_the_national_layout_is_read() -> None:
    """Amounts come as numbers, and are fen to the last digit."""
    rows, refused, facts = read(xlsx_of([NATIONAL]))

    assert (rows, refused) == ([ROW], [])
    assert facts.form is ListForm.SPREADSHEET
    assert facts.layout is Layout.NATIONAL
    assert facts.encoding == ""


def test_sheet_with_a_header_is_read() -> None:
    """Chinese names, other columns, blank rows: rows keep their numbers."""
    content = xlsx_of(
        [
            ["姓名", "结算ID", "就诊ID", "医疗费总额", "基金支付总额", "退费结算标志"],
            [PERSON_NAME, ID, "MZ1", "250.00", 15.5, ""],
            [],
            [PERSON_NAME, ID, "MZ1", "1,250.00", -15.5, True],
        ],
        first_row=2,
    )

    assert rows_of(content) == [
        ROW._replace(line=4),
        ROW._replace(line=6, total_fen=125_000, aid_fen=-1_550, is_refund=True),
    ]


def test_column_that_is_empty_throughout_keeps_its_place() -> None:
    """The first column of the national layout may hold nothing at all."""
    assert rows_of(xlsx_of([[None, *NATIONAL[1:]]])) == [ROW._replace(settlement_id="")]


@pytest.mark.parametrize("fen", [1, 5, 7, 10, 29, 57, 115, 1_999, 99_999_999, 10**9])
def test_number_of_a_sheet_is_exact(fen: int) -> None:
    """A float is read by its shortest text: 0.29 is 29 fen, never 28."""
    (row,) = rows_of(xlsx_of([[ID, "MZ1", "P", fen / 100, -fen / 100]]))

    assert (row.total_fen, row.aid_fen) == (fen, -fen)


@pytest.mark.parametrize(
    ("cells", "column", "reason"),
    [
        ([ID, "MZ1", "P", 15.505, 1], "total", "MA-6407"),
        ([ID, "MZ1", "P", 1e16, 1], "total", "MA-6408"),
        ([ID, "MZ1", "P", 1e-7, 1], "total", "MA-6406"),
        ([ID, "MZ1", "P", True, 1], "total", "MA-6406"),
        ([ID, "MZ1", "P", None, 1], "total", "MA-6405"),
        ([ID, "MZ1", "P", datetime(2026, 1, 1), 1], "total", "MA-6406"),  # noqa: DTZ001  # XLSX knows no zones
        ([ID, 1.25e18, "P", 1, 1], "visit_no", "MA-6411"),
        ([ID, datetime(2026, 1, 1), "P", 1, 1], "visit_no", "MA-6403"),  # noqa: DTZ001  # XLSX knows no zones
        ([ID, "=cmd|' /C calc'!A0", "P", 1, 1], "visit_no", "MA-6403"),
        ([ID, IDENTITY_NUMBER, "P", 1, 1], "visit_no", "MA-6404"),
    ],
)
def test_cell_at_fault_is_told_to_the_place(
    cells: list[Any], column: str, reason: str
) -> None:
    """A number that lost digits is not taken for the one that was meant."""
    packed = io.BytesIO()
    book = xlsxwriter.Workbook(
        packed, {"default_date_format": "yyyy-mm-dd", "strings_to_formulas": False}
    )
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, cells)
    book.close()
    _, refused, _ = read(packed.getvalue())

    assert [(each.line, each.column, each.reason) for each in refused] == [
        (1, column, reason)
    ]


@pytest.mark.parametrize("value", ["0.30000000000000004", "15.504999999999999"])
def test_number_that_is_no_whole_fen_is_refused(value: str) -> None:
    """Excel stores what a formula came to, to the last bit; nobody rounds it here."""
    cells = f'<c r="B1"><v>1</v></c><c r="D1"><v>{value}</v></c><c r="E1"><v>1</v></c>'
    _, refused, _ = read(altered(sheet1=sheet(f'<row r="1">{cells}</row>')))

    assert [each.reason for each in refused] == ["MA-6407"]


def test_number_of_a_visit_is_read_where_it_is_whole() -> None:
    """Up to fifteen digits a spreadsheet loses nothing."""
    (row,) = rows_of(xlsx_of([[ID, 202601050001, "P", 1, 1]]))

    assert row.visit_no == "202601050001"


def test_formula_is_worth_what_the_file_says() -> None:
    """The value that was stored with it counts; nothing is evaluated."""
    packed = io.BytesIO()
    book = xlsxwriter.Workbook(packed)
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, NATIONAL)
    sheet.write_formula(0, 3, "=1+1", None, 250)
    sheet.write_formula(0, 4, '=HYPERLINK("http://example.org")', None, "15.50")
    book.close()

    assert rows_of(packed.getvalue()) == [ROW]


def _book(*sheets: tuple[str, bool, bool]) -> bytes:
    """A workbook of sheets: whether each has content and is hidden."""
    packed = io.BytesIO()
    book = xlsxwriter.Workbook(packed)
    for name, has_content, is_hidden in sheets:
        sheet = book.add_worksheet(name)
        if has_content:
            sheet.write_row(0, 0, NATIONAL)
        if is_hidden:
            sheet.hide()
    book.close()
    return packed.getvalue()


def test_only_sheet_with_content_is_read() -> None:
    """Excel adds empty sheets, and templates hide their lists of choices."""
    assert rows_of(_book(("a", False, False), ("b", True, False))) == [ROW]
    assert rows_of(_book(("a", True, False), ("b", True, True))) == [ROW]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (_book(("a", True, False), ("b", True, False)), "MA-6315"),
        (_book(("a", False, False)), "MA-6301"),
        (_book(("a", False, False), ("b", True, True)), "MA-6301"),
        (zip_of(xlsx_of([NATIONAL])), "MA-6307"),
    ],
)
def test_spreadsheet_has_one_list(content: bytes, reason: str) -> None:
    """Which of two sheets is meant, nobody guesses."""
    assert refusal(content).reason == reason


# Spreadsheets that are made to do harm -------------------------------------------


def altered(**changes: bytes) -> bytes:
    """A spreadsheet with other content in some of its parts."""
    parts = parts_of(xlsx_of([NATIONAL]))
    for name, content in changes.items():
        (path,) = [each for each in parts if each.endswith(f"{name}.xml")]
        parts[path] = content
    return spreadsheet_of(parts)


def sheet(cells: str) -> bytes:
    """A sheet's XML."""
    start = f'<worksheet xmlns="{SPACE}"><sheetData>'
    return f"{start}{cells}</sheetData></worksheet>".encode()


def strings(*texts: str) -> bytes:
    """The shared strings' XML."""
    items = "".join(f"<si><t>{text}</t></si>" for text in texts)
    return f'<sst xmlns="{SPACE}">{items}</sst>'.encode()


def test_corners_far_apart_are_refused() -> None:
    """Two cells would make their reader lay out seventeen billion."""
    cells = '<row r="1"><c r="A1"><v>1</v></c></row>'
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'

    assert refusal(altered(sheet1=sheet(cells + far))).reason == "MA-6314"


@pytest.mark.parametrize(
    "cells",
    [
        '<row><c r="A1"><v>1</v></c></row><row><c r="ZZ9999"><f>1</f></c></row>',
        '<row><c><v>1</v></c></row><row r="9999"><c r="zz9999"><v>1</v></c></row>',
        '<x:c r="A1"><x:v/></x:c><x:c r="ZZ9999"><x:is/></x:c>',
    ],
)
def test_range_is_measured_however_cells_are_written(cells: str) -> None:
    """Places may be left out, in small letters, or under a prefix."""
    assert refusal(altered(sheet1=sheet(cells))).reason == "MA-6314"


def test_empty_cell_far_away_does_not_count() -> None:
    """A format at the end of a column is no content."""
    rows = "".join(
        f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'
        for place, text in [
            ("A1", ID), ("B1", "MZ1"), ("C1", "P"), ("D1", "250"), ("E1", "15.5"),
        ]
    )  # fmt: skip
    far = '<row r="1048576"><c r="XFD1048576" s="1"/></row>'

    assert rows_of(altered(sheet1=sheet(f'<row r="1">{rows}</row>{far}'))) == [ROW]


def test_range_of_all_sheets_together_is_limited() -> None:
    """Each sheet is laid out to see whether it has content."""
    content = _book(("a", True, False), ("b", True, True))

    assert rows_of(content, sheet_cells=14) == [ROW]
    assert refusal(content, sheet_cells=13).reason == "MA-6314"


def test_text_that_cells_repeat_is_limited() -> None:
    """One long text, named by many cells, would be copied for each."""
    cells = "".join(f'<c r="A{n}" t="s"><v>0</v></c>' for n in range(1, 101))
    content = altered(
        sheet1=sheet(f"<row>{cells}</row>"), sharedStrings=strings("x" * 5_000)
    )

    assert refusal(content, sheet_bytes=100_000).reason == "MA-6314"


def test_parts_together_are_limited() -> None:
    """Also those that no sheet needs: all are unpacked."""
    parts = parts_of(xlsx_of([NATIONAL]))
    size = sum(len(part) for part in parts.values())

    assert rows_of(spreadsheet_of(parts), sheet_bytes=size) == [ROW]
    assert refusal(spreadsheet_of(parts), sheet_bytes=size - 1).reason == "MA-6303"
    bomb = parts | {"xl/media.xml": b"<a>" + b" " * 3_000_000 + b"</a>"}
    assert refusal(spreadsheet_of(bomb)).reason == "MA-6303"


def test_pictures_and_macros_are_left_behind() -> None:
    """What is no XML is neither unpacked nor given to the reader."""
    parts = parts_of(xlsx_of([NATIONAL]))
    parts |= {"xl/vbaProject.bin": b"\x00" * 100, "xl/media/1.png": b"\x89PNG"}

    assert rows_of(spreadsheet_of(parts)) == [ROW]


ENTITIES = (
    b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><worksheet>&c;'
    b"</worksheet>"
)


@pytest.mark.parametrize(
    "changes",
    [
        {"sheet1": ENTITIES},
        {"sharedStrings": ENTITIES},
        {"sheet1": b'<?xml version="1.0" encoding="cp037"?>' + sheet("")},
        {"sheet1": sheet("").decode().encode("utf-16")},
        {"sheet1": b""},
        {"sheet1": b"<worksheet>"},
        {"sheet1": b"no XML"},
        {"sheet1": sheet('<row r="2"/><row r="1"/>')},
        {"sheet1": sheet('<row r="x"/>')},
        {"sheet1": sheet('<row r="1"><c r="A0x"/></row>')},
        {"sheet1": sheet('<row r="9"><c r="A8"/></row>')},
        {"sheet1": sheet('<row r="1"><c r="A1" t="s"><v>99</v></c></row>')},
        {"sheet1": sheet('<row r="1"><c r="A1" t="s"><v>-1</v></c></row>')},
        {"workbook": b"<workbook/>"},
        {"workbook": b"<a/>"},
        {"[Content_Types]": b"<"},
    ],
)
def test_spreadsheet_out_of_shape_is_refused(changes: dict[str, bytes]) -> None:
    """Entities, parts that are no XML, cells that are not where they say."""
    assert refusal(altered(**changes)).reason in ("MA-6313", "MA-6301")


HUGE = b'uniqueCount="4000000000"'


def test_reader_that_is_killed_by_a_list_refuses_it() -> None:
    """Five kilobytes that make it ask for a hundred gigabytes end its process alone."""
    content = altered(
        sharedStrings=strings("a", "b", "c").replace(b"<sst", b"<sst " + HUGE)
    )

    refused = refusal(content)
    assert (refused.reason, refused.detail) == (
        "MA-6313",
        "its reader did not come to the end",
    )


def test_memory_and_time_of_the_reader_are_limited() -> None:
    """With less than it needs, it ends, and the list is refused."""
    content = xlsx_of([NATIONAL] * 20_000)

    assert refusal(content, sheet_memory=1 << 20).reason == "MA-6313"
    assert refusal(content, sheet_seconds=0).reason == "MA-6313"


def test_reader_ends_with_whoever_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who stops in the middle leaves no process behind."""
    started: list[subprocess.Popen[str]] = []

    class Watched(subprocess.Popen):  # type: ignore[type-arg]  # of whatever it is asked
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Watched)
    listed = HospitalList(io.BytesIO(xlsx_of([NATIONAL] * 20_000)), today=TODAY)
    rows = listed.rows()
    next(rows)
    assert isinstance(rows, Generator)
    rows.close()

    (reader,) = started
    assert reader.returncode is not None


def test_row_of_a_sheet_is_no_longer_than_a_line() -> None:
    """Columns that nobody reads count too."""
    content = xlsx_of([[*NATIONAL, "x" * 9_000]])

    assert refusal(content).reason == "MA-6311"


def test_number_that_lost_digits_has_one_sign() -> None:
    """The reader's process imports nothing of ours, so it has its own copy."""
    assert sheet_process.LOST == LOST


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (ENTITIES, "document type"),
        (b'<?xml version="1.0" encoding="cp037"?><a/>', "not in UTF-8"),
        (b"<a>\xff</a>", "no proper XML"),
        (b"<a><row r='2'/><row r='1'/></a>", "not where they say"),
        (b"<a><row r='9'><c r='A8'/></row></a>", "not where they say"),
        (b"<a><row r='x'/></a>", "not where they say"),
        (b"<a><row><c r='A0x'/></row></a>", "not where they say"),
        (b"<a><c t='s'><v>0</v></c></a>", "a text that is not there"),
        (b"<a>" * 101 + b"</a>" * 101, "within elements"),
    ],
)
def test_part_is_refused_before_it_reaches_the_reader(
    content: bytes, detail: str
) -> None:
    """The reader of spreadsheets may crash over it, or be led astray."""
    with pytest.raises(ListRefusedError, match=detail) as raised:
        Part(Measured(Limits())).feed(content, is_last=True)
    assert raised.value.reason == "MA-6313"


def test_tag_without_end_is_refused_on_its_way() -> None:
    """Its parser would keep it all, and read it again with every block."""
    part = Part(Measured(Limits()))
    part.feed(b"<a ")

    def feed_mebibyte() -> None:
        for _ in range(16):
            part.feed(b" " * (1 << 16))

    with pytest.raises(ListRefusedError, match="a tag without end") as raised:
        feed_mebibyte()

    assert raised.value.reason == "MA-6313"


def test_long_part_of_short_tags_is_read() -> None:
    """What counts is the tag, not the part."""
    part = Part(Measured(Limits()))
    part.feed(b"<a>")
    for _ in range(40):
        part.feed(b"<b c='d'>e</b>" * 4_000)
    part.feed(b"</a>", is_last=True)


def test_shared_strings_are_measured_before_the_sheets() -> None:
    """Whatever the sheets are called, and however the zip orders its parts."""
    parts = parts_of(xlsx_of([NATIONAL]))
    parts = {"xl/a.xml": parts.pop(SHEET)} | parts
    links = "xl/_rels/workbook.xml.rels"
    parts[links] = parts[links].replace(b"worksheets/sheet1.xml", b"a.xml")

    assert rows_of(spreadsheet_of(parts)) == [ROW]


def test_crowd_of_parts_is_refused() -> None:
    """A spreadsheet has some ten parts."""
    assert rows_of(xlsx_of([NATIONAL]), members=20) == [ROW]
    refused = refusal(xlsx_of([NATIONAL]), members=5)
    assert (refused.reason, refused.detail) == ("MA-6305", "more than 5 members")


def test_sheet_under_another_name_is_not_read() -> None:
    """Only what was measured reaches the reader."""
    parts = parts_of(xlsx_of([NATIONAL]))
    parts["xl/worksheets/sheet1.bin"] = parts.pop(SHEET)
    links = "xl/_rels/workbook.xml.rels"
    parts[links] = parts[links].replace(b"sheet1.xml", b"sheet1.bin")

    assert refusal(spreadsheet_of(parts)).reason == "MA-6313"


def test_part_that_stands_twice_is_refused() -> None:
    """Two readers could take different ones."""
    parts = parts_of(xlsx_of([NATIONAL]))

    assert (
        refusal(spreadsheet_of(parts | {SHEET.upper(): parts[SHEET]})).reason
        == "MA-6304"
    )


@pytest.mark.parametrize("share", [10, 50, 90, 99])
def test_spreadsheet_that_is_cut_off_is_refused(share: int) -> None:
    """Half a file is none."""
    content = xlsx_of([NATIONAL])

    assert refusal(content[: len(content) * share // 100]).reason == "MA-6304"


def test_rows_of_a_sheet_are_limited() -> None:
    """As lines are."""
    assert refusal(xlsx_of([NATIONAL] * 3), lines=2).reason == "MA-6310"


def test_damaged_part_is_refused() -> None:
    """The check sums of the zip hold for spreadsheets too."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as file:
        for name, content in parts_of(xlsx_of([NATIONAL])).items():
            file.writestr(name, content)
    broken = packed.getvalue().replace(b"<sheetData>", b"<sheetDatb>")

    assert refusal(broken).reason in ("MA-6304", "MA-6313")

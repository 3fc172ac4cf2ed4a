"""Tables on the way out: nothing in them runs, and the same rows give equal bytes."""

import csv
import io
import re
import zipfile
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from gateway.hospital_lists.spreadsheets import (
    Cell,
    Sheet,
    Yuan,
    neutral,
    write_csv,
    write_xlsx,
)
from tests.hospital_lists.lists import parts_of

HEADERS = ["结算号", "金额（元）", "笔数", "日期"]
ROWS: list[list[Cell]] = [
    ["MZ1", Yuan(-1_250), -3, date(2026, 1, 31)],
    ["=1+1", Yuan(5), 0, None],
]
DANGEROUS = [
    "=1+1", "+1", "-1+cmd", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1+1", "＋1",
    "－1", "＠A", "=cmd|' /C calc'!A0", "=", "-", "-12.50", "\u3000=1", "\xa0=1",
]  # fmt: skip


def csv_of(rows: list[list[Cell]], headers: list[str] | None = None) -> bytes:
    """The table as CSV."""
    file = io.BytesIO()
    write_csv(file, headers or HEADERS, rows)
    return file.getvalue()


def xlsx_table(rows: list[list[Cell]], headers: list[str] | None = None) -> bytes:
    """The table as XLSX."""
    file = io.BytesIO()
    write_xlsx(file, [Sheet("结算", headers or HEADERS, rows)])
    return file.getvalue()


def cells_of(spreadsheet: bytes) -> list[list[object]]:
    """The first sheet, as an independent reader sees it."""
    with CalamineWorkbook.from_filelike(io.BytesIO(spreadsheet)) as book:
        return [[*row] for row in book.get_sheet_by_index(0).to_python()]


def test_table_is_written_as_excel_reads_it() -> None:
    """UTF-8 with its mark, CRLF, amounts as numbers and days as people write them."""
    assert csv_of(ROWS).decode("utf-8") == (
        "\ufeff结算号,金额（元）,笔数,日期\r\nMZ1,-12.50,-3,2026-01-31\r\n'=1+1,0.05,0,\r\n"
    )


def test_sheet_holds_numbers_and_texts() -> None:
    """A negative amount stays a number that can be added up."""
    assert cells_of(xlsx_table(ROWS)) == [
        HEADERS,
        ["MZ1", -12.5, -3.0, "2026-01-31"],
        ["'=1+1", 0.05, 0.0, ""],
    ]


@pytest.mark.parametrize("text", DANGEROUS)
def test_text_that_would_run_is_shielded(text: str) -> None:
    """In both forms, in headers and cells alike, by an apostrophe in front."""
    assert neutral(text) == f"'{text}"
    written = csv_of([[text]], [text]).decode("utf-8-sig")
    assert [*csv.reader(io.StringIO(written, newline=""))] == [[f"'{text}"]] * 2
    parts = parts_of(xlsx_table([[text]], [text]))
    assert b"<f>" not in parts["xl/worksheets/sheet1.xml"]
    for (cell,) in cells_of(xlsx_table([[text]], [text])):
        assert str(cell).startswith("'")


@pytest.mark.parametrize("text", ["", "MZ-1", "1=1", "a@b", "'=1", "12", "http://a.b"])
def test_text_that_is_harmless_stays_as_it_is(text: str) -> None:
    """No link is made of an address, and no number of digits."""
    assert neutral(text) == text
    assert cells_of(xlsx_table([["x", text]]))[1][1:2] == [text]
    assert "hyperlink" not in str(parts_of(xlsx_table([[text]])))


@given(st.text(max_size=20))
def test_no_text_begins_like_a_formula(text: str) -> None:
    """Whatever the text is; and it can be had again."""
    shielded = neutral(text)

    assert not re.match(r"[ \u3000\xa0]*[=+\-@\t\r\n＝＋－＠]", shielded)
    assert shielded in (text, f"'{text}")


@given(st.integers(-(10**13), 10**13))
def test_amount_is_exact_in_both_forms(fen: int) -> None:
    """To the last fen, up to a hundred billion yuan."""
    yuan = csv_of([[Yuan(fen)]], ["x"]).decode().splitlines()[1]

    assert re.fullmatch(r"-?\d+\.\d\d", yuan)
    assert int(yuan.replace(".", "")) == fen
    ((cell,),) = cells_of(xlsx_table([[Yuan(fen)]], ["x"]))[1:]
    assert isinstance(cell, float)
    assert round(cell * 100) == fen


def test_same_rows_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also at another time, and in another time zone."""
    first = xlsx_table(ROWS)
    monkeypatch.setattr("xlsxwriter.workbook.datetime", None, raising=False)
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    monkeypatch.setenv("TZ", "Asia/Shanghai")

    assert xlsx_table(ROWS) == first
    assert csv_of(ROWS) == csv_of(ROWS)


def test_dates_within_the_workbook_are_fixed() -> None:
    """Neither the zip nor the properties tell when it was made."""
    content = xlsx_table(ROWS)
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        assert {member.date_time for member in packed.infolist()} == {
            (1980, 1, 31, 0, 0, 0)
        }
    core = parts_of(content)["docProps/core.xml"].decode()
    assert set(re.findall(r"\d{4}-\d\d-\d\dT[\d:]+Z", core)) == {"2000-01-01T00:00:00Z"}


def test_several_sheets_are_written() -> None:
    """The statement has its parts side by side."""
    file = io.BytesIO()
    write_xlsx(file, [Sheet("一", ["a"], [[1]]), Sheet("二", [], [])])

    with CalamineWorkbook.from_filelike(io.BytesIO(file.getvalue())) as book:
        assert book.sheet_names == ["一", "二"]


def test_row_that_does_not_fit_is_not_lost_in_silence() -> None:
    """A cell has 32,767 characters at most; longer texts are not dropped unseen."""
    file = io.BytesIO()

    with pytest.raises(ValueError, match="row 2"):
        write_xlsx(file, [Sheet("a", ["a"], [["x" * 32_768]])])
    assert file.getvalue() == b""


def test_file_stays_open_for_its_owner() -> None:
    """Whoever opened the file goes on with it."""
    file = io.BytesIO()
    write_csv(file, ["a"], [])
    write_csv(file, ["a"], [])

    assert file.getvalue().decode("utf-8").count("a\r\n") == 2

"""`medaid stats`: table, CSV, page and JSON, and what it refuses."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import stats as command
from gateway.cli.main import main
from gateway.render import JsonRenderer
from settlement.domain.month_range import MonthRange
from settlement.service.aid_statistics import (
    Bounds,
    Dimension,
    StatisticsQuery,
    read_statistics,
)
from settlement.store.database import Database
from tests.statistics.ledger import Posted, post

#: Names that a spreadsheet, a browser or a terminal would act on.
NAMES = {
    1: '=HYPERLINK("http://evil.example","医院")',
    2: "<script>alert(1)</script>",
    3: "[red]第三\x1b[31m医院",
    4: "＝1+1",
}
JANUARY = [
    Posted(facility=1, aid_fen=123_456, tilt_fen=456),
    Posted(facility=2, person=2, aid_fen=1_000, care_type="inpatient"),
    Posted(facility=3, person=3, aid_fen=500),
    Posted(facility=4, person=4, aid_fen=1),
]
FEBRUARY = replace(
    JANUARY[0],
    visit_no="V-2",
    service_end=date(2026, 2, 3),
    settled_at=datetime(2026, 2, 3, 2, tzinfo=UTC),
    aid_fen=61_728,
    tilt_fen=0,
)
UNDONE = replace(
    JANUARY[1], visit_no="V-3", reversed_at=datetime(2026, 2, 9, 2, tzinfo=UTC)
)


@dataclass(frozen=True, slots=True)
class Operator:
    """Runs the command on one database."""

    dsn: str
    folder: Path

    def run(self, *words: str) -> Result:
        """The outcome, whatever it was."""
        place = ["--dsn", self.dsn, "--data-dir", str(self.folder)]
        return CliRunner().invoke(
            main, ["stats", *words, *place], catch_exceptions=False
        )

    def ok(self, *words: str) -> str:
        """What a command that has to succeed printed."""
        result = self.run(*words)
        assert result.exit_code == 0, result.output
        return result.stdout

    def csv(self, *words: str) -> tuple[bytes, list[list[str]]]:
        """The file that it wrote, and its rows."""
        path = self.folder / "figures.csv"
        self.ok(*words, "--csv", str(path))
        raw = path.read_bytes()
        return raw, list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))

    def page(self, *words: str) -> str:
        """The page that it wrote."""
        path = self.folder / "figures.html"
        self.ok(*words, "--html", str(path))
        return path.read_text("utf-8")


@pytest.fixture
async def operator(database: Database, database_dsn: str, tmp_path: Path) -> Operator:
    """Two months at four hospitals with dangerous names."""
    for number, name in NAMES.items():
        await database.pool.execute(
            "INSERT INTO party (id, code, role, name, level, created_at)"
            " OVERRIDING SYSTEM VALUE VALUES ($1, $2, 'facility', $3, 1, now())",
            number,
            f"H00{number}",
            name,
        )
    await post(database, [*JANUARY, FEBRUARY, UNDONE])
    return Operator(database_dsn, tmp_path)


def test_table_has_months_and_their_growth(operator: Operator) -> None:
    """Chinese first, amounts in yuan, what was saved and what that rests on."""
    text = operator.ok("--months", "2026-01..2026-02")

    rows = [line.split() for line in text.splitlines()]
    assert ["2026-01", "4", "—", "4", "—", "1,249.57", "—", "312.39", "5.00",
            "2:40"] in rows  # fmt: skip
    assert ["2026-02", "1", "-75.0%", "1", "-75.0%", "617.28", "-50.6%", "617.28",
            "5.00", "0:40"] in rows  # fmt: skip
    assert ["合计", "total", "4", "—", "5", "—", "1,866.85", "—", "373.37", "5.00",
            "3:20"] in rows  # fmt: skip
    assert "医疗救助统计" in text
    assert "减少群众往返 10 趟" in text
    assert "节省工作人员 40 分钟" in text
    assert "one refund that was not needed" in text


def test_one_month_grows_on_the_one_before(operator: Operator) -> None:
    """No row of totals, which would say the same again."""
    text = operator.ok("--months", "2026-02")

    assert "-50.6%" in text
    assert "合计" not in text
    assert "2026-01" not in text


def test_groups_have_all_the_months_and_each(operator: Operator) -> None:
    """Most aid first; names are text on a terminal, and nothing moves its cursor."""
    text = operator.ok("--months", "2026-01..2026-02", "--dimension", "hospital")

    assert text.index("H001") < text.index("H002") < text.index("H003")
    assert "[red]第三?[31m医院" in text
    assert "\x1b" not in text
    care = operator.ok("--months", "2026-01", "--dimension", "care-type")
    assert "门诊 outpatient" in care
    assert "住院 inpatient" in care


def test_one_facility_is_counted_alone(operator: Operator) -> None:
    """By its code, as everybody knows it."""
    text = operator.ok("--months", "2026-01", "--facility", "H002", "--json")

    document = json.loads(text)
    assert (document["facility"], document["total"]["aid_fen"]) == ("H002", 1_000)


def test_csv_is_read_by_spreadsheets_and_run_by_none(operator: Operator) -> None:
    """A mark for Chinese, texts shielded, amounts as numbers, a dash for nothing."""
    raw, rows = operator.csv("--months", "2026-01..2026-02", "--dimension", "hospital")

    assert raw.startswith(b"\xef\xbb\xbf")
    assert rows[0][:4] == [
        "医疗机构 hospital", "名称 name", "月份 month", "救助人数 citizens",
    ]  # fmt: skip
    by_code = {row[0]: row for row in rows[1:] if row[2] == "2026-01"}
    assert {code: row[1] for code, row in by_code.items()} == {
        "H001": "'" + NAMES[1],
        "H002": NAMES[2],
        "H003": "[red]第三?[31m医院",
        "H004": "'" + NAMES[4],
    }
    assert by_code["H001"][3:] == [
        "1", "", "1", "", "1", "1234.56", "", "4.56", "1279.56", "40.00", "5.00",
        "1234.56", "1279.56", "5.00", "40", "2",
    ]  # fmt: skip
    assert len({len(row) for row in rows}) == 1
    assert [row[2] for row in rows[1:4]] == ["2026-01", "2026-02", "合计 total"]


def test_amounts_below_nothing_stay_numbers(operator: Operator) -> None:
    """A minus before an amount is no formula."""
    _, rows = operator.csv(
        "--months", "2026-02", "--by", "settled", "--facility", "H002"
    )

    [row] = rows[1:]
    named = dict(zip(rows[0], row, strict=True))
    assert named["救助金额（元） aid"] == "-10.00"
    assert named["救助人次 visits"] == "-1"
    assert named["次均救助（元） mean aid"] == ""


class _Loaded(HTMLParser):
    """What a page would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.bars = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "iframe", "object", "base", "form"}
        self.bars += tag == "rect"
        for name, value in attrs:
            assert not name.startswith("on")
            if name in {"src", "href", "srcset", "data", "action"}:
                self.loaded.append(value or "")


def test_page_has_charts_and_needs_nothing(operator: Operator) -> None:
    """Bars for months and groups; names are text; nothing is loaded or run."""
    text = operator.page("--months", "2026-01..2026-02", "--dimension", "hospital")

    page = _Loaded()
    page.feed(text)
    assert page.loaded == ["data:,"]
    assert "default-src 'none'" in text
    assert not re.search(r"url\(|@import|http:", text.replace("http://evil", ""))
    assert "&lt;script&gt;alert(1)" in text
    # Two months of aid, visits and citizens, and four hospitals.
    assert page.bars == 3 * 2 + 4
    assert "1,866.85" in text


async def test_json_is_what_the_call_answers(
    operator: Operator, database: Database
) -> None:
    """One document, whoever asks and however."""
    query = StatisticsQuery(
        months=MonthRange(202_601, 202_602), dimension=Dimension.CATEGORY
    )
    bounds = Bounds(within_ms=None, most_rows=100)
    found = await read_statistics(database, query, facility_id=None, bounds=bounds)

    answered = json.loads(JsonRenderer().statistics(found))

    assert answered["groups"][0]["key"] == "dibao"
    assert answered == await _printed(operator)


async def _printed(operator: Operator) -> object:
    """What the command prints, in a thread: it has an event loop of its own."""
    words = ("--months", "2026-01..2026-02", "--dimension", "category", "--json")
    return json.loads(await asyncio.to_thread(operator.ok, *words))


def test_nothing_at_all_is_zeros(database_dsn: str, tmp_path: Path) -> None:
    """An empty ledger is no fault."""
    operator = Operator(database_dsn, tmp_path)

    text = operator.ok("--months", "2026-01", "--dimension", "category")
    page = operator.page("--months", "2026-01", "--dimension", "category")

    assert "0.00" in text
    assert "0.00" in page


BAD_MONTHS = {
    "2026-13": "MA-1132",
    "2026-1": "MA-1132",
    "2026-01..": "MA-1132",
    "..2026-01": "MA-1132",
    "2026-01...2026-02": "MA-1132",
    "2026-01-2026-02": "MA-1132",
    "": "MA-1132",
    "1899-12": "MA-1132",
    "2026-02..2026-01": "MA-1133",
    "2016-01..2026-01": "MA-1134",
}


@pytest.mark.parametrize("months", BAD_MONTHS)
def test_bad_months_are_one_sentence(
    months: str, database_dsn: str, tmp_path: Path
) -> None:
    """What is wrong with them, in both languages, and how they are written."""
    result = Operator(database_dsn, tmp_path).run("--months", months)

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"Error: --months {months}: {BAD_MONTHS[months]} ")
    assert "2026-01..2026-03" in result.stderr
    assert "月" in result.stderr


def test_unknown_facility_is_one_sentence(operator: Operator) -> None:
    """And where the known ones are listed."""
    result = operator.run("--months", "2026-01", "--facility", "H999")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "H999" in result.stderr
    assert "medaid party list" in result.stderr


@pytest.mark.parametrize("option", ["--csv", "--html"])
def test_file_that_cannot_be_written(operator: Operator, option: str) -> None:
    """One sentence, with the file's name."""
    path = operator.folder / "none" / "file"

    result = operator.run("--months", "2026-01", option, str(path))

    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{path} cannot be written" in result.stderr


def test_too_many_groups_are_refused(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command's memory is bounded too."""
    monkeypatch.setattr(command, "_BOUNDS", Bounds(within_ms=None, most_rows=3))

    result = operator.run("--months", "2026-01", "--dimension", "hospital")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "MA-1135" in result.stderr
    assert "Ask for fewer months" in result.stderr


async def test_database_that_cannot_be_read_is_one_sentence(
    operator: Operator, database: Database
) -> None:
    """A code and both languages, nothing of the database's own words."""
    await database.pool.execute("ALTER TABLE settlement RENAME tilt_fen TO gone")

    result = await asyncio.to_thread(operator.run, "--months", "2026-01")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: MA-5105 数据库")
    assert "tilt_fen" not in result.stderr

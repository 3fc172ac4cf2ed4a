"""The audit finds what each person was put on the roster for, and names nobody."""

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from crypto.tokens import Tokenizer
from gateway.cli import roster_audit
from gateway.cli.main import main
from settlement.store.database import Database
from tests.roster.bureau import card_number, id_number, row
from tests.roster.house_bureau import OwnBureau
from tests.settlement.house import House, bill, open_house

#: Three persons to a household, as `row` has it: 3 and 4 contradict each other.
DIED_EARLY, WELL, DIBAO, DISHOURU = 1, 2, 3, 4
ENDING, FOLLOWED, LATER = 6, 7, 8
TWO_HOUSEHOLDS, REENTERED, PROLONGED, LEFT_DEAD, DIED = 9, 12, 13, 15, 16

_ROWS = (
    row(DIED_EARLY),
    row(WELL),
    row(DIBAO),
    row(DISHOURU, category="低收入"),
    row(ENDING, valid_to="2026-07-31"),
    row(FOLLOWED, valid_to="2026-07-31"),
    row(FOLLOWED, category="低收入", valid_from="2026-08-01"),
    row(LATER, valid_to="2026-09-30"),
    row(TWO_HOUSEHOLDS),
    row(TWO_HOUSEHOLDS, category="特困", household_id="H99999"),
    row(REENTERED, valid_from="2025-01-01", valid_to="2025-12-31"),
    row(REENTERED, valid_from="2026-03-01"),
    row(PROLONGED, valid_from="2025-01-01", valid_to="2025-12-31"),
    row(PROLONGED),
    row(LEFT_DEAD, valid_to="2026-06-30"),
    row(DIED),
)
_DEATHS = f"""id_number,name,death_date
{id_number(DIED_EARLY)},测试,2026-01-03
{id_number(LEFT_DEAD)},测试,2026-06-30
{id_number(DIED)},测试,2026-06-30
{id_number(WELL)},测试,
{id_number(99)},测试,2026-06-30
"""


class Desk:
    """A gateway with such a roster, one visit settled, and the command."""

    def __init__(self, house: House, dsn: str, folder: Path) -> None:
        self.house = house
        self.dsn = dsn
        self.folder = folder

    async def run(self, *options: str | Path) -> Result:
        """Run the audit of 10 July."""
        arguments = ["roster", "audit", "--day", "2026-07-10", "--dsn", self.dsn]
        return await asyncio.to_thread(
            CliRunner().invoke, main, [*arguments, *map(str, options)]
        )

    async def document(self, *options: str | Path) -> Any:
        """The same as JSON."""
        result = await self.run("--json", *options)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def token(self, number: int) -> str:
        """A person as the audit shows them."""
        return self.house.tokenizer.person(id_number(number)).hex()

    def deaths(self, text: str = _DEATHS, *, compress: bool = False) -> Path:
        """Write a file of deaths."""
        path = self.folder / "deaths.csv"
        path.write_bytes(gzip.compress(text.encode()) if compress else text.encode())
        return path


@pytest.fixture
async def desk(
    database: Database,
    database_dsn: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Desk]:
    """Give the roster above; on 5 January a visit of who had died was settled."""
    async with open_house(database, tmp_path / "var") as house:
        bureau = OwnBureau(tmp_path, database)
        bureau.house = house
        taken = await bureau.full(*_ROWS, as_of="2026-01-01T00:00:00Z")
        assert taken.refused == ()
        await house.follow(1)
        await house.settle(bill(card_number(DIED_EARLY)))

        async def tokenizer(*_: object) -> Tokenizer:
            return house.tokenizer

        monkeypatch.setattr(roster_audit, "tokenizer_of", tokenizer)
        yield Desk(house, database_dsn, tmp_path)


async def test_audit_finds_each_once(desk: Desk) -> None:
    """Everybody for what they are there for, and nobody else."""
    found = await desk.document("--deaths", desk.deaths(compress=True))

    persons = {
        code: {item["person"] for item in check["items"]}
        for code, check in found["checks"].items()
    }
    assert persons == {
        "settled_after_death": {desk.token(DIED_EARLY)},
        "dead": {desk.token(DIED_EARLY), desk.token(DIED)},
        "twice": {desk.token(TWO_HOUSEHOLDS)},
        "contradicting": {None},
        "ending": {desk.token(ENDING)},
        "reentered": {desk.token(REENTERED)},
    }
    contradicting = found["checks"]["contradicting"]["items"][0]
    household = desk.house.tokenizer.household("H00001").hex()
    assert contradicting["household"] == household
    assert contradicting["categories"] == ["dibao", "dishouru"]
    back = found["checks"]["reentered"]["items"][0]
    assert (back["first_day"], back["last_day"]) == ("2025-12-31", "2026-03-01")
    late = found["checks"]["settled_after_death"]["items"][0]
    assert (late["first_day"], late["last_day"]) == ("2026-01-03", "2026-01-05")


async def test_audit_looks_as_far_as_it_is_told(desk: Desk) -> None:
    """Days and categories are the officer's to choose; all are counted."""
    found = await desk.document(
        "--ending-within", "90", "--reentered-within", "30",
        "--contradicting", "dibao,tekun", "--most", "1",
    )  # fmt: skip

    checks = found["checks"]
    # Without a file nothing is said of deaths.
    assert set(checks) == {"twice", "contradicting", "ending", "reentered"}
    assert (checks["ending"]["total"], len(checks["ending"]["items"])) == (2, 1)
    assert checks["reentered"]["total"] == 0
    # The one with two households has a window in each category, but no household both.
    assert checks["contradicting"]["total"] == 0


async def test_audit_counts_by_place_and_category(desk: Desk) -> None:
    """Of the day: who has left, or comes later, does not count."""
    found = await desk.document()

    sums: dict[str, int] = {}
    for count in found["counts"]:
        sums[count["category"]] = sums.get(count["category"], 0) + count["persons"]
    assert sums == {"dibao": 10, "dishouru": 1, "tekun": 1}
    assert all(len(count["subdistrict"]) == 9 for count in found["counts"])


async def test_page_shows_a_picture_and_names_nobody(desk: Desk) -> None:
    """One file, Chinese first; neither it nor the summary has a name or a number."""
    page = desk.folder / "audit.html"
    result = await desk.run("--deaths", desk.deaths(), "--html", page)
    assert result.exit_code == 0, result.output
    html = page.read_text(encoding="utf-8")

    assert html.count("<svg") == 2
    labels = re.findall(r'text-anchor="end">([^<]+)<', html)
    assert "最低生活保障对象" in labels
    # 260 units lie left of the bars, and a Chinese character takes ten.
    assert max(map(len, labels)) < 26, "a label of the picture is cut off"
    assert "最低生活保障对象" in html
    assert html.index("资格即将到期") < html.index("windows about to end")
    assert desk.token(ENDING) in html
    assert not any(
        each in html for each in ("http://", "https://", "<script", "@import")
    )
    for text in (html, result.output):
        assert "测试" not in text
        assert not any(
            id_number(n) in text or card_number(n) in text for n in range(20)
        )
        assert "资格即将到期" in text


async def test_bad_file_of_deaths_is_named_not_quoted(desk: Desk) -> None:
    """Line and column; whoever reads the terminal learns no number."""
    for text, sentence in (
        ("id_number,name\n1,2\n", "has no column death_date"),
        (f"id_number,death_date\n{id_number(1)},gestern\n", "line 2: death_date is no"),
    ):
        result = await desk.run("--deaths", desk.deaths(text))
        assert result.exit_code == 1
        assert sentence in result.output
        assert id_number(1) not in result.output
        assert "gestern" not in result.output

    path = desk.deaths()
    path.write_bytes("低保".encode("gb18030"))
    result = await desk.run("--deaths", path)
    assert "cannot be read as UTF-8" in result.output

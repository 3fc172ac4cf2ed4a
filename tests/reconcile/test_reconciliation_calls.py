"""Totals, months, differences and statements by HTTP: what is told, and to whom."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from crypto.approval import Purpose, verify_approval
from gateway.wire import parse_totals
from gateway.wire_reconciliation import parse_past_month, parse_period
from settlement.domain.errors import RequestRefused
from settlement.store.database import Database
from tests.reconcile.months import LAST, Settled, lines_of
from tests.reconcile.town import HOSPITALS, OVERSEERS, Town, open_town

DAY = "2026-01-05"
TODAY = date(2026, 3, 1)
ZERO = {"count": 0, "total_fen": 0, "aid_fen": 0}


@pytest.fixture
async def town(database: Database, data_dir: Path) -> AsyncIterator[Town]:
    """Give a gateway with two hospitals."""
    async with open_town(database, data_dir) as made:
        yield made


def sums(*settled: Settled) -> dict[str, int]:
    """What they come to."""
    return {
        "count": len(settled),
        "total_fen": sum(each.total_fen for each in settled),
        "aid_fen": sum(each.aid_fen for each in settled),
    }


def stated(*settled: Settled, day: str = DAY, **other: Any) -> dict[str, Any]:
    """A hospital's total of a day."""
    return {"day": day, "care_type": "outpatient", **sums(*settled), **other}


async def totals(
    town: Town, *rows: dict[str, Any], who: str = "H001", **span: str
) -> Any:
    """Ask, and succeed."""
    body = {"from": DAY, "to": DAY, "totals": rows} | {
        name.rstrip("_"): value for name, value in span.items()
    }
    status, document = await town.ask(who, "POST", "totals", body)
    assert status == 200, document
    return document


async def test_totals_agree(town: Town) -> None:
    """A settlement and its reversal of one day leave nothing behind."""
    kept = [await town.months.settle() for _ in range(2)]
    undone = await town.months.settle()
    await town.months.reverse(undone)

    found = await totals(town, stated(*kept))

    assert (found["flat"], found["stmt_rslt"]) == (True, "000000")
    [item] = found["items"]
    assert (item["day"], item["care_type"], item["flat"]) == (DAY, "outpatient", True)
    assert item["gateway"] == {
        "settled": sums(*kept, undone),
        "reversed": sums(undone),
        "net": sums(*kept),
    }
    assert found["gateway_total"] == found["hospital_total"] == sums(*kept)


@pytest.mark.parametrize(
    "change",
    [{"count": 2}, {"total_fen": 25_001}, {"aid_fen": 0}, {"care_type": "inpatient"}],
)
async def test_totals_that_differ_are_shown(town: Town, change: dict[str, Any]) -> None:
    """In count, in either amount, and in the kind of care."""
    settled = await town.months.settle()

    found = await totals(town, stated(settled, **change))

    assert (found["flat"], found["stmt_rslt"]) == (False, "000103")
    ours = next(each for each in found["items"] if each["care_type"] == "outpatient")
    assert ours["flat"] is False
    assert ours["gateway"]["net"] == sums(settled)
    assert len(found["items"]) == 1 + ("care_type" in change)


async def test_totals_that_are_left_out_count_as_nothing(town: Town) -> None:
    """A day that the hospital does not name agrees only with nothing."""
    undone = await town.months.settle()
    await town.months.reverse(undone)
    assert (await totals(town))["flat"] is True

    await town.months.settle()
    found = await totals(town)

    assert (found["flat"], found["items"][0]["hospital"]) == (False, None)
    assert found["hospital_total"] == ZERO


async def test_totals_of_a_reversal_stand_on_its_own_day(town: Town) -> None:
    """Count -1 and negative amounts, also where nothing was settled on that day."""
    settled = await town.months.settle()
    await town.months.reverse(settled, datetime(2026, 1, 6, 16, 0, tzinfo=UTC))
    minus = {name: -value for name, value in sums(settled).items()}
    later = {"day": "2026-01-07", "care_type": "outpatient", **minus}

    found = await totals(town, stated(settled), later, to="2026-01-07")

    assert found["flat"] is True
    assert [each["day"] for each in found["items"]] == [DAY, "2026-01-07"]
    assert found["items"][1]["gateway"]["net"] == minus
    assert found["gateway_total"] == ZERO


async def test_totals_are_of_shanghai_days(town: Town) -> None:
    """The last instant of January there, which is still the 31st."""
    settled = await town.months.settle(LAST)
    row = stated(settled, day="2026-01-31")

    assert (await totals(town, row, from_="2026-01-31", to="2026-02-01"))["flat"]


async def test_totals_hold_ones_own_settlements(town: Town) -> None:
    """Another hospital's day shows nowhere."""
    await town.months.settle(facility=2)

    found = await totals(town)

    assert (found["flat"], found["items"]) == (True, [])


@pytest.mark.parametrize("role", OVERSEERS)
async def test_totals_and_lists_are_for_hospitals(town: Town, role: str) -> None:
    """Nobody else has any of their own."""
    body = {"from": DAY, "to": DAY, "totals": []}
    asked = await town.ask(role, "POST", "totals", body)
    sent = await town.upload(b"x", who=role)

    assert (asked[0], asked[1]["code"]) == (403, "MA-3104")
    assert (sent[0], sent[1]["code"]) == (403, "MA-3104")


ROW = {"day": DAY, "care_type": "outpatient", **ZERO}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"from": "2026-01-06"}, ("to", "MA-1136")),
        ({"to": "2026-02-05"}, ("to", "MA-1137")),
        ({"from": "2026-03-01", "to": "2026-03-02"}, ("to", "MA-1138")),
        ({"totals": [ROW | {"day": "2026-01-06"}]}, ("totals[0].day", "MA-1139")),
        ({"totals": [ROW, ROW]}, ("totals[1]", "MA-1127")),
        ({"totals": [ROW | {"day": "2026-02-30"}]}, ("totals[0].day", "MA-1124")),
        ({"totals": [ROW | {"day": "x"}]}, ("totals[0].day", "MA-1124")),
        ({"totals": [ROW | {"care_type": "x"}]}, ("totals[0].care_type", "MA-1123")),
        ({"totals": [ROW | {"aid_fen": 1.5}]}, ("totals[0].aid_fen", "MA-1122")),
        ({"totals": [ROW | {"aid_fen": 10**16}]}, ("totals[0].aid_fen", "MA-1130")),
        ({"totals": [ROW | {"count": 10**7}]}, ("totals[0].count", "MA-1130")),
        ({"totals": [ROW | {"name": "x"}]}, ("totals[0].name", "MA-1121")),
        ({"totals": [ROW] * 125}, ("totals", "MA-1126")),
        ({"from": "05/01/2026"}, ("from", "MA-1124")),
        ({"to": None}, ("to", "MA-1128")),
    ],
)  # fmt: skip
def test_malformed_totals_are_named(
    change: dict[str, Any], fault: tuple[str, str]
) -> None:
    """Each fault has its path."""
    body = {"from": DAY, "to": DAY, "totals": [ROW]} | change

    with pytest.raises(RequestRefused) as caught:
        parse_totals(orjson.dumps(body), today=TODAY)

    assert caught.value.reason == "MA-1102"
    assert [(each.path, each.reason) for each in caught.value.faults] == [fault]


def test_totals_of_31_days_up_to_today_are_taken() -> None:
    """The bounds themselves are inside."""
    body = {"from": "2026-01-30", "to": "2026-03-01", "totals": []}

    assert parse_totals(orjson.dumps(body), today=TODAY).last == TODAY


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2026-13", "MA-1132"), ("x", "MA-1132"), ("2026-1", "MA-1132"),
        ("2026-02-30", "MA-1124"), ("1899-01-01", "MA-1124"), ("2026-04", "MA-1138"),
        ("2026-03-02", "MA-1138"), ("２０２６-01", "MA-1132"),
        ("2026-01-05x", "MA-1132"), ("2026-W02-1", "MA-1132"),
    ],
)  # fmt: skip
def test_period_that_is_none_is_named(text: str, why: str) -> None:
    """A day or month in its one form, and not one that lies ahead."""
    with pytest.raises(RequestRefused) as caught:
        parse_period(text, today=TODAY)

    assert [(each.path, each.reason) for each in caught.value.faults] == [
        ("period", why)
    ]


def test_period_that_has_begun_is_taken() -> None:
    """Today and this month are there."""
    assert parse_period("2026-03-01", today=TODAY).month is None
    assert parse_period("2026-03", today=TODAY).month == 202603
    assert parse_past_month("2026-03", today=TODAY) == 202603


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("limit=0", ("limit", "MA-1126")),
        ("limit=1001", ("limit", "MA-1126")),
        ("after=x", ("after", "MA-1126")),
        ("state=lost", ("state", "MA-1123")),
        ("state=open&state=gone", ("state", "MA-1127")),
        ("person=1", ("person", "MA-1121")),
        ("facility=%27", ("facility", "MA-1126")),
    ],
)
async def test_query_that_is_none_is_named(
    town: Town, query: str, fault: tuple[str, str]
) -> None:
    """Nothing is ignored, because a misspelt name would narrow nothing."""
    status, document = await town.ask("H001", "GET", f"2026-01/differences?{query}")

    assert (status, document["code"]) == (422, "MA-1102")
    assert [(each["path"], each["code"]) for each in document["fields"]] == [fault]


async def differing(town: Town, count: int = 3) -> None:
    """An opened January in which each hospital lists nothing of what it settled."""
    for number in (1, 2):
        for _ in range(count):
            await town.months.settle(facility=number)
    await town.months.open()
    for code in HOSPITALS:
        await town.months.match([], code=code)


async def test_hospital_sees_its_own_month(town: Town) -> None:
    """The others see every hospital, or the one that they name."""
    await differing(town)
    for code in HOSPITALS:
        status, own = await town.ask(code, "GET", "2026-01")
        assert status == 200
        assert [each["facility"] for each in own["hospitals"]] == [code]
        assert own["hospitals"][0]["differences"] == {"open": 3}
        named = await town.ask(code, "GET", f"2026-01?facility={code}")
        assert named == (200, own)
    for role in OVERSEERS:
        _, whole = await town.ask(role, "GET", "2026-01")
        _, second = await town.ask(role, "GET", "2026-01?facility=H002")
        assert [each["facility"] for each in whole["hospitals"]] == [*HOSPITALS]
        assert [each["facility"] for each in second["hospitals"]] == ["H002"]


@pytest.mark.parametrize("call", ["", "/differences", "/statement"])
async def test_another_hospitals_month_is_as_unknown_as_none(
    town: Town, call: str
) -> None:
    """Nobody learns here which hospitals there are."""
    await differing(town)

    theirs = await town.ask("H001", "GET", f"2026-01{call}?facility=H002")
    nobody = await town.ask("H001", "GET", f"2026-01{call}?facility=H999")

    assert (theirs[0], theirs[1]["code"]) == (404, "MA-4101")
    assert theirs == nobody
    assert await town.ask("auditor", "GET", f"2026-01{call}?facility=H999") == nobody


@pytest.mark.parametrize("call", ["", "/differences", "/statement?facility=H001"])
async def test_month_that_is_not_opened_is_told(town: Town, call: str) -> None:
    """To everybody alike."""
    for who in ("H001", "bureau"):
        status, document = await town.ask(who, "GET", f"2026-01{call}")

        assert (status, document["code"]) == (404, "MA-4201")


async def paged(town: Town, who: str, query: str) -> list[dict[str, Any]]:
    """Every page of the differences, in order."""
    found: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        behind = f"&after={after}" if after else ""
        path = f"2026-01/differences?{query}{behind}"
        status, page = await town.ask(who, "GET", path)
        assert status == 200, page
        found += page["differences"]
        after = page["next"]
    return found


async def test_differences_come_page_by_page(town: Town) -> None:
    """Each once, in the order of ids, whatever a page holds; a hospital its own."""
    await differing(town)
    whole = await paged(town, "bureau", "limit=1000")
    for limit in (1, 2, 3, 6):
        assert await paged(town, "bureau", f"limit={limit}") == whole
    assert len(whole) == 6
    assert [each["id"] for each in whole] == sorted(each["id"] for each in whole)
    for code in HOSPITALS:
        own = await paged(town, code, "limit=2")
        assert own == [each for each in whole if each["facility"] == code]
        assert own == await paged(town, "officer", f"limit=2&facility={code}")


async def test_differences_are_told_by_state(town: Town) -> None:
    """Those that have gone only to whoever asks for them; each with its history."""
    settled = await town.months.settle()
    await town.months.open()
    await town.months.match([])
    [told] = await paged(town, "H001", "state=open")
    await town.months.match(lines_of(settled))

    assert await paged(town, "H001", "limit=5") == []
    [gone] = await paged(town, "H001", "state=gone")

    assert (gone["id"], gone["state"]) == (told["id"], "gone")
    assert [each["action"] for each in gone["history"]] == ["found", "gone"]
    assert told["kind"] == "missing_at_hospital"
    assert told["settlement_id"] == settled.id.hex()
    assert told["idempotency_key"] == settled.key
    assert told["repair"]["action"] == "book_or_reverse"


async def test_statement_is_what_was_signed(town: Town) -> None:
    """Byte for byte, with both officers' signatures; not before the second one."""
    settled = await town.months.settle()
    await town.months.open()
    await town.months.match(lines_of(settled))
    await town.months.sign("li")
    early = await town.ask("H001", "GET", "2026-01/statement")
    signing = await town.months.sign("wang")

    status, found = await town.ask("H001", "GET", "2026-01/statement")

    assert (early[0], early[1]["code"]) == (404, "MA-4213")
    assert status == 200
    statement = found["statement"].encode()
    assert statement == signing.statement
    assert found["sha256"] == hashlib.sha256(statement).hexdigest()
    assert [each["officer"] for each in found["signatures"]] == ["li", "wang"]
    for each in found["signatures"]:
        key = town.months.officers[each["officer"]].public
        signature = base64.b64decode(each["signature"])
        verify_approval(statement, signature, key, Purpose.MONTH_STATEMENT)
    assert json.loads(statement)["facility"] == "H001"


async def test_statement_is_one_hospitals(town: Town) -> None:
    """Who sees all of them says whose."""
    await town.months.settle()
    await town.months.open()
    await town.months.match(None)
    await town.months.close()

    _, own = await town.ask("H001", "GET", "2026-01/statement")
    for role in OVERSEERS:
        named = await town.ask(role, "GET", "2026-01/statement?facility=H001")
        unnamed = await town.ask(role, "GET", "2026-01/statement")
        assert named == (200, own)
        assert (unnamed[0], unnamed[1]["code"]) == (404, "MA-4101")
    other = await town.ask("H002", "GET", "2026-01/statement")
    assert (other[0], other[1]["code"]) == (404, "MA-4213")


async def test_database_that_is_away_is_told_of_months_too(town: Town) -> None:
    """503, nothing of the database's own."""
    await town.months.settle()
    await town.months.open()
    await town.months.database.pool.execute(
        "ALTER TABLE opened_month RENAME TO opened_gone"
    )

    status, document = await town.ask("H001", "GET", "2026-01")

    assert (status, document["code"]) == (503, "MA-5105")

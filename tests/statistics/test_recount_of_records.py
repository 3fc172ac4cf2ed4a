"""What statistics say is what the sealed records say, opened and counted one by one."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crypto.record import open_record, verify_record
from settlement.domain.bill import CareType
from settlement.domain.month_range import MonthRange
from settlement.service.aid_statistics import (
    Bounds,
    By,
    Dimension,
    StatisticsQuery,
    read_statistics,
)
from settlement.service.export import MonthExport
from settlement.store.database import Database
from tests.reconcile.months import Months, Settled, open_months
from tests.settlement.house import bill, body
from tests.statistics import reckoning
from tests.statistics.ledger import Posted

#: From a day before the turn of the year in Shanghai to the end of February.
_FIRST = datetime(2025, 12, 31, 2, tzinfo=UTC)
_MONTHS = MonthRange(202_512, 202_602)
_CARDS = ("C00000001", "C00000002", "C00000003")


async def play(months: Months, seed: int) -> None:
    """Settle and reverse at two hospitals, some of it months later."""
    dice = random.Random(seed)  # no secret
    for card in _CARDS[1:]:
        await months.house.enrol(card)
    for number in range(24):
        at = _FIRST + timedelta(hours=dice.randrange(38 * 24))
        day = at.date() - timedelta(days=dice.randrange(2))
        facility = dice.choice((1, 2))
        sent = bill(
            dice.choice(_CARDS),
            service_start=day,
            service_end=day,
            occurred_at=at,
            care_type=dice.choice((CareType.OUTPATIENT, CareType.EMERGENCY)),
        )
        key = f"k-{number}"
        answer = body(
            await months.house.settle(sent, key, facility=facility, settled_at=at)
        )
        if answer["decision"] == "approved" and dice.random() < 0.4:
            settled = Settled(
                bytes.fromhex(answer["settlement_id"]), key, sent.visit_no, 0, 0
            )
            undone = at + timedelta(days=dice.randrange(20))
            await months.reverse(settled, undone, facility)


async def from_records(months: Months) -> list[Posted]:
    """Every settlement with its reversal, out of exported records alone."""
    export = MonthExport(months.database)
    await export.begin()
    settled: dict[str, Posted] = {}
    undone: dict[str, datetime] = {}
    for month in _MONTHS.months():
        async for entry in export.records(month, None):
            verified = verify_record(entry.record, months.house.trust)
            content = json.loads(open_record(verified, months.house.opening))
            claims = content["claims"]
            at = datetime.fromisoformat(content["settled_at"])
            if claims["op"] == "settle":
                settled[claims["sid"]] = _posted(content, at)
            else:
                undone[claims["ref"]] = at
    return [replace(one, reversed_at=undone.get(sid)) for sid, one in settled.items()]


def _posted(content: dict[str, Any], at: datetime) -> Posted:
    claims, sent = content["claims"], content["bill"]
    tilt = [part for part in content["result"]["aid"] if part["kind"] == "tilt"]
    return Posted(
        facility=int(claims["facility"].removeprefix("H")),
        person=int(content["person"], 16),
        visit_no=sent["visit_no"],
        service_end=date.fromisoformat(sent["service_end"]),
        settled_at=at,
        care_type=sent["care_type"],
        category=content["category"],
        subdistrict=content["window"]["subdistrict"],
        aid_fen=claims["aid_fen"],
        tilt_fen=sum(part["amount_fen"] for part in tilt),
        funds_fen=claims["funds_fen"],
        patient_pays_fen=claims["patient_pays_fen"],
    )


@pytest.mark.parametrize("seed", [1, 2])
async def test_statistics_are_what_the_records_say(
    database: Database, tmp_path: Path, seed: int
) -> None:
    """By service and by settling, by care type, over the turn of the year."""
    async with open_months(database, tmp_path / "var") as months:
        await play(months, seed)
        ledger = await from_records(months)

    assert len({one.person for one in ledger}) == len(_CARDS)
    assert any(one.reversed_at for one in ledger)
    for by in By:
        query = StatisticsQuery(months=_MONTHS, by=by, dimension=Dimension.CARE_TYPE)
        found = await read_statistics(
            database,
            query,
            facility_id=None,
            bounds=Bounds(within_ms=None, most_rows=1_000),
        )
        for series in (found.whole, *(found.groups or ())):
            own = [one for one in ledger if series.key in ("", one.care_type)]
            by_month = reckoning.by_month(own, by_settled=by is By.SETTLED)
            counted = [leaf for leaves in by_month.values() for leaf in leaves]
            _same(series.total, reckoning.reckon(counted))
            for month in series.months:
                leaves = by_month.get(divmod(month.month, 100), [])
                _same(month.figures, reckoning.reckon(leaves))


def _same(figures: object, expected: dict[str, Any]) -> None:
    assert {name: getattr(figures, name) for name in expected} == expected

"""Each column of a claim arrives under its own name, whichever way it is read."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from settlement.domain.bill import RepeatReason
from settlement.domain.watch.seen import SeenClaim
from settlement.store import watching
from settlement.store.database import Database
from tests.watching.watched import at, open_watched, settle, visit

_DAY = date(2026, 1, 5)
_MADE = at(_DAY, 10, 7)
_AMOUNTS = ("total_fen", "funds_fen", "base_fen", "aid_fen")
_FIRST, _LAST = _DAY - timedelta(days=9), _DAY + timedelta(days=9)


async def _read(database: Database, way: str, claim: SeenClaim) -> list[SeenClaim]:
    """What one of the three statements finds; all claims are one person's."""
    async with database.pool.acquire() as session:
        if way == "person":
            person = claim.person or b""
            span = watching.PersonSpan(person, _FIRST, _LAST)
            return (await watching.claims_of_persons(session, [span]))[person]
        if way == "operator":
            desk = (claim.facility, claim.operator)
            around = timedelta(minutes=5)
            made = watching.OperatorSpan(*desk, _MADE - around, _MADE + around)
            return (await watching.claims_of_operators(session, [made]))[desk]
        household = claim.household or b""
        home = watching.HouseholdSpan(household, _FIRST, _LAST)
        return (await watching.claims_of_households(session, [home]))[household]


@pytest.mark.parametrize("way", ["person", "operator", "household"])
async def test_a_row_becomes_the_claim_that_was_settled(
    way: str, database: Database, tmp_path: Path
) -> None:
    """Every field has a value of its own, so none can pass for another."""
    async with open_watched(database, tmp_path) as house:
        await settle(house, visit("C1", _DAY - timedelta(days=40)), operator="other")
        sent = visit(
            "C1",
            _DAY,
            service_end=_DAY + timedelta(days=2),
            occurred_at=_MADE,
            diagnoses=("I10", "E11.9"),
            prescription_days=28,
            repeat_reason=RepeatReason.SECOND_BILL,
        )
        answer = await settle(house, sent, operator="op-7")
        await house.reverse(settlement_id=answer["settlement_id"], reason="mistake")
        identity = bytes.fromhex(answer["settlement_id"])
        row = await database.pool.fetchrow(
            "SELECT * FROM settlement WHERE id = $1", identity
        )
        assert row is not None
        undone = await database.pool.fetchrow(
            "SELECT * FROM reversal WHERE settlement_id = $1", identity
        )
        assert undone is not None
        household = b"household of C1."
        await database.pool.execute(
            "UPDATE roster_window SET household = $1", household
        )
        expected = SeenClaim(
            id=identity,
            person=row["person"],
            facility=row["facility_id"],
            operator="op-7",
            care_type="outpatient",
            service_start=_DAY,
            service_end=_DAY + timedelta(days=2),
            occurred_at=_MADE,
            total_fen=row["total_fen"],
            funds_fen=row["funds_fen"],
            base_fen=row["base_fen"],
            aid_fen=row["aid_fen"],
            reason="MA-2000",
            is_approved=True,
            repeat_reason="second_bill",
            reversed_at=undone["reversed_at"],
            reversal_reason="mistake",
            place="990101001",
            household=household if way == "household" else None,
            prescription_days=28 if way == "person" else None,
            diagnoses=("I10", "E11.9") if way == "person" else (),
        )
        found = await _read(database, way, expected._replace(household=household))
    assert found == [expected]
    assert len({row[name] for name in _AMOUNTS}) == len(_AMOUNTS)

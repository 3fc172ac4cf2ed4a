"""Settlements and reversals as the batch leaves them, put into the tables directly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from settlement.domain.calendar import shanghai_day
from settlement.store.database import Database

OPERATOR, REASON = "win-01", "refund"


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """One settlement with what became of it."""

    facility: int = 1
    person: int = 1
    visit_no: str = "V-1"
    service_end: date = date(2026, 1, 5)
    settled_at: datetime = datetime(2026, 1, 5, 2, tzinfo=UTC)
    reversed_at: datetime | None = None
    declined: bool = False
    care_type: str = "outpatient"
    category: str | None = "dibao"
    subdistrict: str = "990104001"
    aid_fen: int = 1_000
    tilt_fen: int = 0
    funds_fen: int = 4_000
    patient_pays_fen: int = 500

    @property
    def total_fen(self) -> int:
        """What the three parts add up to."""
        return self.funds_fen + self.aid_fen + self.patient_pays_fen


def month_of_record(instant: datetime) -> int:
    """Year times 100 plus month in Shanghai."""
    day = shanghai_day(instant)
    return day.year * 100 + day.month


def _settlement(number: int, one: Posted) -> dict[str, Any]:
    state = b"r" if one.reversed_at else b"s"
    return {
        "id": number.to_bytes(16),
        "month": month_of_record(one.settled_at),
        "facility_id": one.facility,
        "key": f"K-{number}",
        "state": b"d" if one.declined else state,
        "person": one.person.to_bytes(16),
        "visit_no": one.visit_no,
        "care_type": one.care_type,
        "service_start": one.service_end,
        "service_end": one.service_end,
        "occurred_at": one.settled_at,
        "settled_at": one.settled_at,
        "operator": OPERATOR,
        "sandbox": True,
        "category": one.category,
        "subdistrict": one.subdistrict,
        "roster_version": 1,
        "reason": "MA-2000",
        "total_fen": one.total_fen,
        "funds_fen": one.funds_fen,
        "base_fen": one.aid_fen + one.patient_pays_fen,
        "aid_fen": one.aid_fen,
        "tilt_fen": one.tilt_fen,
        "patient_pays_fen": one.patient_pays_fen,
        "log_index": None if one.declined else number,
    }


def _reversal(number: int, one: Posted, at: datetime) -> dict[str, Any]:
    return {
        "id": (number + 1_000_000).to_bytes(16),
        "month": month_of_record(at),
        "facility_id": one.facility,
        "key": f"R-{number}",
        "settlement_id": number.to_bytes(16),
        "person": one.person.to_bytes(16),
        "reason": REASON,
        "reversed_at": at,
        "operator": OPERATOR,
        "sandbox": True,
        "aid_fen": one.aid_fen,
        "log_index": number + 1_000_000,
    }


async def post(database: Database, ledger: Iterable[Posted]) -> None:
    """Put them all into tables that hold nothing else."""
    rows = list(enumerate(ledger))
    settlements = [_settlement(number, one) for number, one in rows]
    reversals = [
        _reversal(number, one, one.reversed_at) for number, one in rows
        if one.reversed_at is not None
    ]  # fmt: skip
    async with database.pool.acquire() as connection, connection.transaction():
        await connection.execute("TRUNCATE settlement, reversal")
        for table, posted in (("settlement", settlements), ("reversal", reversals)):
            if posted:
                await connection.executemany(
                    _insert(table, posted[0]), [tuple(row.values()) for row in posted]
                )


def _insert(table: str, row: Mapping[str, Any]) -> str:
    names = ", ".join(row)
    places = ", ".join(f"${place}" for place in range(1, len(row) + 1))
    return f"INSERT INTO {table} ({names}) VALUES ({places})"  # noqa: S608

"""The month table, read from PostgreSQL."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from settlement.service.statistics import MonthStatistics, month_statistics
from settlement.store.database import Database

JUNE, JULY = date(2014, 6, 30), date(2014, 7, 1)


async def post(database: Database, number: int, **columns: Any) -> None:
    """Put one settlement into the table, as the batch would leave it."""
    row: dict[str, Any] = {
        "id": number.to_bytes(16),
        "month": 201_407,
        "facility_id": 1,
        "key": f"K-{number}",
        "state": b"s",
        "person": b"p" * 16,
        "visit_no": f"V-{number}",
        "care_type": "outpatient",
        "service_start": date(2014, 6, 20),
        "service_end": JUNE,
        "occurred_at": datetime(2014, 7, 1, 2, tzinfo=UTC),
        "settled_at": datetime(2014, 7, 1, 2, tzinfo=UTC),
        "operator": "cashier-1",
        "sandbox": True,
        "subdistrict": "990104001",
        "roster_version": 1,
        "reason": "MA-2000",
        "total_fen": 10_000,
        "funds_fen": 4_000,
        "base_fen": 6_000,
        "aid_fen": 1_000,
        "tilt_fen": 0,
        "log_index": number,
    } | columns
    row["patient_pays_fen"] = row["total_fen"] - row["funds_fen"] - row["aid_fen"]
    names = ", ".join(row)
    places = ", ".join(f"${place}" for place in range(1, len(row) + 1))
    await database.pool.execute(
        f"INSERT INTO settlement ({names}) VALUES ({places})",  # noqa: S608
        *row.values(),
    )


async def test_counts_by_month_of_service_end(database: Database) -> None:
    """A stay counts in the month in which it ended, whenever it was settled."""
    await post(database, 1, service_end=JUNE)
    await post(database, 2, service_end=JULY, aid_fen=250)

    table = await month_statistics(database)

    assert [(row.month, row.visits, row.aid_fen) for row in table] == [
        ("2014-06", 1, 1_000),
        ("2014-07", 1, 250),
    ]


async def test_is_net_of_reversals_and_declines(database: Database) -> None:
    """What was reversed or declined leaves no trace in the figures."""
    await post(database, 1, person=b"a" * 16)
    await post(database, 2, person=b"b" * 16, state=b"r")
    await post(database, 3, person=b"c" * 16, state=b"d", aid_fen=0, log_index=None)

    (june,) = await month_statistics(database)

    assert (june.citizens, june.visits, june.aid_fen) == (1, 1, 1_000)


async def test_aided_means_aid_above_zero(database: Database) -> None:
    """A bill with nothing to aid makes nobody a citizen served."""
    await post(database, 1, person=b"a" * 16)
    await post(database, 2, person=b"b" * 16, aid_fen=0)

    (june,) = await month_statistics(database)

    assert (june.citizens, june.visits) == (1, 1)


async def test_citizens_and_visits_are_distinct(database: Database) -> None:
    """Three visits of one person are one citizen; two bills of a visit one visit."""
    await post(database, 1, visit_no="V-A")
    await post(database, 2, visit_no="V-A", repeat_reason="second_bill")
    await post(database, 3, visit_no="V-A", facility_id=2)
    await post(database, 4, visit_no="V-B")

    (june,) = await month_statistics(database)

    assert (june.citizens, june.visits, june.aid_fen) == (1, 3, 4_000)


async def test_growth_is_against_the_month_before(database: Database) -> None:
    """Growth in parts per thousand, rounded half away from zero; none over a gap."""
    await post(database, 1, service_end=JUNE, aid_fen=3_000)
    await post(database, 2, service_end=JULY, aid_fen=1_000)
    await post(database, 3, service_end=date(2014, 9, 1), aid_fen=1_000)

    june, july, september = await month_statistics(database)

    assert june.aid_growth is None
    assert july == MonthStatistics(
        month="2014-07",
        citizens=1,
        visits=1,
        aid_fen=1_000,
        citizens_growth=0,
        visits_growth=0,
        aid_growth=-667,
    )
    assert september.aid_growth is None


async def test_december_is_followed_by_january(database: Database) -> None:
    """Growth crosses the turn of the year."""
    await post(database, 1, service_end=date(2014, 12, 31), aid_fen=1_000)
    await post(database, 2, service_end=date(2015, 1, 1), aid_fen=1_500)

    _, january = await month_statistics(database)

    assert january.aid_growth == 500

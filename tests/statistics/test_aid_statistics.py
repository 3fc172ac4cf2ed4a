"""The figures of a stretch of months, from the real tables."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from settlement.domain.errors import RequestRefused
from settlement.domain.month_range import MonthRange
from settlement.service.aid_statistics import (
    Bounds,
    By,
    Dimension,
    Figures,
    Series,
    Statistics,
    StatisticsQuery,
    read_statistics,
)
from settlement.store import statistics as store
from settlement.store.database import Database
from settlement.store.statistics import AidQuery, AidRow, StatisticsTooLongError
from tests.statistics import reckoning
from tests.statistics.ledger import Posted, post

ANY = Bounds(within_ms=None, most_rows=100_000)
#: The last instant of 2025 in Shanghai.
YEAR_END = datetime(2025, 12, 31, 15, 59, 59, 999_999, tzinfo=UTC)
_MEANS_AND_SAVINGS = (
    "mean_aid_fen", "mean_total_fen", "mean_patient_pays_fen", "minutes_saved",
    "trips_saved",
)  # fmt: skip
#: What adds up over any division; the others count something once.
ADDITIVE = ("settlements", *reckoning.MONEY)


async def read(database: Database, first: int, last: int, **asked: Any) -> Statistics:
    """The figures, asked for without bounds."""
    facility_id = asked.pop("facility_id", None)
    query = StatisticsQuery(months=MonthRange(first, last), **asked)
    return await read_statistics(database, query, facility_id=facility_id, bounds=ANY)


def document(figures: Figures) -> dict[str, Any]:
    """Every figure by its name."""
    names = [field.name for field in fields(Figures)]
    return {name: getattr(figures, name) for name in (*names, *_MEANS_AND_SAVINGS)}


INSTANTS = st.one_of(
    # About midnight in Shanghai at the turn of months and of the year.
    st.builds(
        lambda midnight, by: midnight + by,
        st.sampled_from(
            [datetime(2025, 11, 30, 16, tzinfo=UTC), YEAR_END,
             datetime(2026, 1, 31, 16, tzinfo=UTC)]
        ),
        st.sampled_from([timedelta(microseconds=n) for n in (-1, 0, 1)]),
    ),
    st.integers(0, 119 * 24 * 60).map(
        lambda minutes: datetime(2025, 11, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
)  # fmt: skip
DAYS = st.one_of(
    st.sampled_from([date(2025, 11, 30), date(2025, 12, 31), date(2026, 1, 1)]),
    st.dates(date(2025, 11, 1), date(2026, 2, 28)),
)


@st.composite
def posted(draw: st.DrawFn) -> Posted:
    """Any settlement: few persons and visits, so that they meet."""
    settled_at = draw(INSTANTS)
    later = draw(st.none() | INSTANTS)
    declined = draw(st.integers(0, 5)) == 0
    aid_fen = 0 if declined else draw(st.sampled_from([0, 1, 999, 1_000, 123_457]))
    return Posted(
        facility=draw(st.integers(1, 3)),
        person=draw(st.integers(1, 4)),
        visit_no=draw(st.sampled_from(["V-1", "V-2"])),
        service_end=draw(DAYS),
        settled_at=settled_at,
        reversed_at=None if declined or later is None else max(settled_at, later),
        declined=declined,
        care_type=draw(st.sampled_from(["outpatient", "inpatient"])),
        category=draw(st.sampled_from(["dibao", "tekun"])),
        subdistrict=draw(st.sampled_from(["990104001", "990104002", ""])),
        aid_fen=aid_fen,
        tilt_fen=draw(st.integers(0, aid_fen)),
        funds_fen=draw(st.integers(0, 5_000)),
        patient_pays_fen=draw(st.integers(0, 5_000)),
    )


QUERIES = st.builds(
    StatisticsQuery,
    months=st.sampled_from(
        [MonthRange(202_511, 202_602), MonthRange(202_512, 202_601),
         MonthRange(202_601, 202_601), MonthRange(202_510, 202_604)]
    ),
    by=st.sampled_from(By),
    dimension=st.sampled_from([None, *(d for d in Dimension if d != "hospital")]),
)  # fmt: skip


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    ledger=st.lists(posted(), max_size=14),
    query=QUERIES,
    facility=st.sampled_from([None, None, 2]),
)
async def test_figures_are_those_counted_by_hand(
    database: Database,
    ledger: list[Posted],
    query: StatisticsQuery,
    facility: int | None,
) -> None:
    """SQL and plain counting agree on every month, group, total and growth."""
    await post(database, ledger)
    found = await read_statistics(database, query, facility_id=facility, bounds=ANY)

    seen = [one for one in ledger if facility in (None, one.facility)]
    check_series(found.whole, seen, query)
    if query.dimension is None:
        assert found.groups is None
        return
    assert found.groups is not None
    assert_groups(found.groups, seen, query)


def assert_groups(
    groups: tuple[Series, ...], ledger: list[Posted], query: StatisticsQuery
) -> None:
    """Each group is its own bills; none is missing, and together they are all."""
    name = str(query.dimension)
    for group in groups:
        own = [one for one in ledger if getattr(one, name) == group.key]
        check_series(group, own, query)
    counted = [
        getattr(one, name)
        for month, leaves in months_of(ledger, query).items()
        if month in wanted_months(query)
        for _, one in leaves
    ]
    assert {group.key for group in groups} == set(counted)
    assert [group.total.aid_fen for group in groups] == sorted(
        (group.total.aid_fen for group in groups), reverse=True
    )


def wanted_months(query: StatisticsQuery) -> list[reckoning.Month]:
    """As pairs of year and month."""
    return [(month // 100, month % 100) for month in query.months.months()]


def months_of(
    ledger: list[Posted], query: StatisticsQuery
) -> dict[reckoning.Month, list[tuple[int, Posted]]]:
    """What counts in each month."""
    return reckoning.by_month(ledger, by_settled=query.by is By.SETTLED)


def check_series(series: Series, ledger: list[Posted], query: StatisticsQuery) -> None:
    """Compare every figure of a series with the plain reckoning."""
    months = months_of(ledger, query)
    wanted = wanted_months(query)
    year, month = wanted[0]
    before = (year, month - 1) if month > 1 else (year - 1, 12)
    expected = [reckoning.reckon(months.get(each, [])) for each in [before, *wanted]]
    together = [leaf for each in wanted for leaf in months.get(each, [])]

    assert [document(each.figures) for each in series.months] == expected[1:]
    assert document(series.total) == reckoning.reckon(together)
    assert [(m.month // 100, m.month % 100) for m in series.months] == wanted
    for earlier, now, got in zip(expected, expected[1:], series.months, strict=False):
        assert got.growth.citizens == reckoning.growth(
            earlier["citizens"], now["citizens"]
        )
        assert got.growth.visits == reckoning.growth(earlier["visits"], now["visits"])
        assert got.growth.aid == reckoning.growth(earlier["aid_fen"], now["aid_fen"])


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(ledger=st.lists(posted(), max_size=20), by=st.sampled_from(By))
async def test_each_division_adds_up_to_the_whole(
    database: Database, ledger: list[Posted], by: By
) -> None:
    """Bills and amounts add up over every dimension, visits over hospitals too."""
    await post(database, ledger)
    await register(database)
    for dimension in Dimension:
        found = await read(database, 202_511, 202_602, by=by, dimension=dimension)
        assert found.groups is not None
        names = ADDITIVE + (("visits",) if dimension is Dimension.HOSPITAL else ())
        for place, month in enumerate(found.whole.months):
            for name in names:
                parts = [
                    getattr(group.months[place].figures, name) for group in found.groups
                ]
                assert sum(parts) == getattr(month.figures, name), (dimension, name)


async def register(database: Database) -> None:
    """Hospitals 1, 2 and 3, the third with a name that a spreadsheet would run."""
    await database.pool.execute(
        "INSERT INTO party (id, code, role, name, level, created_at)"
        " OVERRIDING SYSTEM VALUE VALUES"
        " (1, 'H001', 'facility', '第一医院', 1, now()),"
        " (2, 'H002', 'facility', '第二医院', 1, now()),"
        " (3, 'H003', 'facility', '=1+1', 1, now()) ON CONFLICT DO NOTHING"
    )


async def test_hospitals_have_code_and_name(database: Database) -> None:
    """The number of a row is nobody's business; most aid stands first."""
    await register(database)
    await post(
        database,
        [Posted(facility=2), replace(Posted(), facility=3, aid_fen=5_000)],
    )

    found = await read(database, 202_601, 202_601, dimension=Dimension.HOSPITAL)

    assert found.groups is not None
    assert [(group.key, group.name) for group in found.groups] == [
        ("H003", "=1+1"),
        ("H002", "第二医院"),
    ]


async def test_midnight_in_shanghai_divides_months(database: Database) -> None:
    """Settled at 15:59:59.999999 UTC is the old year's, a microsecond later the new."""
    after = YEAR_END + timedelta(microseconds=1)
    await post(
        database,
        [Posted(settled_at=YEAR_END), Posted(settled_at=after, visit_no="V-2")],
    )

    found = await read(database, 202_512, 202_601, by=By.SETTLED)

    assert [each.figures.visits for each in found.whole.months] == [1, 1]


async def test_reversal_counts_in_its_own_month(database: Database) -> None:
    """By settling the first month stays as it was and the later one falls below 0."""
    await post(
        database,
        [Posted(reversed_at=datetime(2026, 2, 9, 2, tzinfo=UTC), aid_fen=700)],
    )

    settled = await read(database, 202_601, 202_602, by=By.SETTLED)
    service = await read(database, 202_601, 202_602)

    january, february = (each.figures for each in settled.whole.months)
    assert (january.citizens, january.visits, january.aid_fen) == (1, 1, 700)
    assert (february.citizens, february.visits, february.aid_fen) == (0, -1, -700)
    assert (february.settlements, february.minutes_saved) == (-1, -40)
    assert february.mean_aid_fen is None
    assert settled.whole.total == Figures()
    assert service.whole.total == Figures()


async def test_a_corrected_visit_stays_one_visit(database: Database) -> None:
    """Taken back and settled anew in a later month: that month aids nobody new."""
    later = datetime(2026, 2, 9, 2, tzinfo=UTC)
    first = Posted(reversed_at=later, aid_fen=700)
    await post(database, [first, replace(Posted(aid_fen=650), settled_at=later)])

    found = await read(database, 202_601, 202_602, by=By.SETTLED)

    assert [m.figures.visits for m in found.whole.months] == [1, 0]
    assert [m.figures.aid_fen for m in found.whole.months] == [700, -50]
    assert (found.whole.total.visits, found.whole.total.aid_fen) == (1, 650)


async def test_first_month_grows_on_the_one_before(database: Database) -> None:
    """One month alone has its growth; the month before is not in its total."""
    await post(
        database,
        [
            Posted(service_end=date(2025, 12, 31), aid_fen=1_000),
            Posted(service_end=date(2026, 1, 1), aid_fen=1_500, visit_no="V-2"),
        ],
    )

    found = await read(database, 202_601, 202_601)

    [january] = found.whole.months
    assert (january.growth.aid, january.growth.visits) == (500, 0)
    assert (found.whole.total.visits, found.whole.total.aid_fen) == (1, 1_500)


async def test_months_without_visits_are_zeros(database: Database) -> None:
    """They stand there, without growth and without means."""
    found = await read(database, 202_511, 202_601, dimension=Dimension.CATEGORY)

    assert [each.figures for each in found.whole.months] == [Figures()] * 3
    assert found.groups == ()
    assert {each.growth.aid for each in found.whole.months} == {None}


async def test_more_groups_than_may_be_answered(database: Database) -> None:
    """The answer has a bound, whatever is in the tables; one below it is given."""
    await post(
        database,
        [Posted(subdistrict=f"99010400{n}", visit_no=f"V-{n}") for n in range(3)],
    )
    query = StatisticsQuery(
        months=MonthRange(202_601, 202_604), dimension=Dimension.SUBDISTRICT
    )

    async def ask(most_rows: int) -> Statistics:
        bounds = Bounds(within_ms=None, most_rows=most_rows)
        return await read_statistics(database, query, facility_id=None, bounds=bounds)

    assert len((await ask(12)).groups or ()) == 3
    for most_rows in (1, 4, 11):
        with pytest.raises(RequestRefused) as caught:
            await ask(most_rows)
        assert [fault.reason for fault in caught.value.faults] == ["MA-1135"]


async def test_groups_of_the_month_before_take_nobodys_place(
    database: Database,
) -> None:
    """However many it has: they are neither answered nor counted against the bound."""
    december = date(2025, 12, 5)
    await post(
        database,
        [
            *(Posted(subdistrict=f"99010400{n}", visit_no=f"V-{n}",
                     service_end=december) for n in range(9)),
            Posted(subdistrict="990104009", visit_no="V-9", aid_fen=1_500),
            Posted(subdistrict="990104009", visit_no="V-8", service_end=december),
        ],
    )  # fmt: skip
    query = StatisticsQuery(
        months=MonthRange(202_601, 202_601), dimension=Dimension.SUBDISTRICT
    )
    bounds = Bounds(within_ms=None, most_rows=1)

    found = await read_statistics(database, query, facility_id=None, bounds=bounds)

    [group] = found.groups or ()
    assert (group.key, group.total.aid_fen) == ("990104009", 1_500)
    assert group.months[0].growth.aid == 500
    assert found.whole.months[0].growth.aid == -850
    empty = replace(query, months=MonthRange(202_602, 202_602))
    await database.pool.execute("DELETE FROM settlement WHERE service_end < $1",
                                date(2026, 1, 1))  # fmt: skip
    gone = await read_statistics(database, empty, facility_id=None, bounds=bounds)
    assert (gone.groups, gone.whole.months[0].growth.aid) == ((), -1_000)


async def test_whole_and_groups_are_of_one_instant(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What commits between the two counts is in neither, and no other core is taken."""
    await post(database, [Posted()])
    rows = store._rows
    shown: list[str] = []

    async def rows_then_another_bill(session: Any, query: AidQuery) -> list[AidRow]:
        shown.append(await session.fetchval("SHOW transaction_read_only"))
        shown.append(await session.fetchval("SHOW max_parallel_workers_per_gather"))
        found = await rows(session, query)
        await database.pool.execute("UPDATE settlement SET care_type = 'emergency'")
        return found

    monkeypatch.setattr(store, "_rows", rows_then_another_bill)
    found = await read(database, 202_601, 202_601, dimension=Dimension.CARE_TYPE)

    assert [group.key for group in found.groups or ()] == ["outpatient"]
    assert shown == ["on", "0"] * 2


async def test_what_takes_too_long_is_given_up(database: Database) -> None:
    """The server itself ends the statement, and the connection is good again."""
    await database.pool.execute("ALTER TABLE settlement RENAME TO settlement_table")
    await database.pool.execute(
        "CREATE VIEW settlement AS SELECT * FROM settlement_table"
        " WHERE (SELECT pg_sleep(30)) IS NOT NULL"
    )
    query = StatisticsQuery(months=MonthRange(202_601, 202_601))
    bounds = Bounds(within_ms=50, most_rows=10)

    with pytest.raises(StatisticsTooLongError):
        await read_statistics(database, query, facility_id=None, bounds=bounds)

    timeout = await database.pool.fetchval("SHOW statement_timeout")
    assert timeout == "0"

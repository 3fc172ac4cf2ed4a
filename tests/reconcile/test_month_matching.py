"""A hospital's month against our ledger: what differs is found and named, once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from settlement.domain.calendar import month_name, month_of_day, shanghai_day
from settlement.domain.month_range import month_before
from settlement.service.reconcile.faults import MonthFault
from settlement.service.reconcile.matching import match_month
from settlement.service.reconcile.months import open_month
from settlement.service.reconcile.working import list_differences, resolve
from settlement.store.database import Database
from settlement.store.told import ToldRow, add_told, begin_told
from tests.reconcile.months import (
    FEBRUARY,
    FIRST,
    JANUARY,
    LAST,
    Months,
    kinds_of,
    line_of,
    lines_of,
    net_of,
    open_months,
)


@pytest.fixture
async def months(database: Database, tmp_path: Path) -> AsyncIterator[Months]:
    """Give an empty gateway with two hospitals."""
    async with open_months(database, tmp_path / "var") as made:
        yield made


async def test_a_flat_month_has_no_difference(months: Months) -> None:
    """What the hospital lists is what was settled."""
    settled = [await months.settle() for _ in range(3)]
    await months.open()

    matched = await months.match(lines_of(*settled), with_bureau=True)

    assert kinds_of(matched) == {}
    assert net_of(matched.tally) == (3, sum(each.aid_fen for each in settled))
    assert matched.tally.flat.count == matched.tally.bureau.count == 3


async def test_every_kind_is_named_with_the_key_that_repairs_it(months: Months) -> None:
    """One of each, in one list."""
    flat, missing, other, gone, back, twice = [await months.settle() for _ in range(6)]
    reversal = await months.reverse(gone)
    await months.open()
    lines = [
        line_of(flat, 1),
        line_of(other, 2)._replace(aid_fen=other.aid_fen + 1),
        line_of(gone, 3),
        line_of(back, 4),
        line_of(back, 5, refund=True),
        line_of(twice, 6),
        line_of(twice, 7),
        line_of(flat, 8)._replace(id=b"\1" * 16, listed_id="01" * 16, visit_no="X"),
    ]

    assert kinds_of(await months.match(lines)) == {
        "amount_differs": 1,
        "duplicated": 1,
        "missing_at_gateway": 1,
        "missing_at_hospital": 1,
        "reversed_at_gateway_only": 1,
        "reversed_at_hospital_only": 1,
    }
    told = {
        each.row.kind: each.row
        for each in await list_differences(months.database, JANUARY, None)
    }
    assert told["missing_at_hospital"].key == missing.key
    assert told["missing_at_hospital"].settlement_id == missing.id
    assert told["reversed_at_gateway_only"].reversal_id == reversal
    assert told["amount_differs"].amounts["hospital"] == {
        "total_fen": other.total_fen,
        "aid_fen": other.aid_fen + 1,
    }
    assert told["missing_at_gateway"].visit_no == "X"
    assert told["duplicated"].lines == [6, 7]


async def test_lines_without_an_id_are_found_by_key_or_visit(months: Months) -> None:
    """Settlement ids, reversal ids, keys and visit numbers all name a settlement."""
    by_key, by_visit, by_reversal = [await months.settle() for _ in range(3)]
    reversal = await months.reverse(by_reversal)
    await months.open()
    lines = [
        line_of(by_key, 1)._replace(id=None, listed_id="", key=by_key.key, visit_no=""),
        line_of(by_visit, 2)._replace(id=None, listed_id=""),
        line_of(by_reversal, 3),
        line_of(by_reversal, 4, refund=True)._replace(id=reversal),
    ]

    assert kinds_of(await months.match(lines)) == {}


async def test_another_hospitals_settlement_is_as_unknown_as_any(
    months: Months,
) -> None:
    """Its id tells nothing: neither that it exists nor what it came to."""
    own, foreign = await months.settle(), await months.settle(facility=2)
    await months.open()

    assert kinds_of(await months.match(lines_of(own, foreign))) == {
        "missing_at_gateway": 1
    }
    (told,) = await list_differences(months.database, JANUARY, None)
    assert (told.row.settlement_id, told.row.amounts["gateway"]) == (None, None)


async def test_months_part_at_midnight_in_shanghai(months: Months) -> None:
    """A second decides; the list of the wrong month is told the day."""
    last, first = await months.settle(LAST), await months.settle(FIRST)
    await months.open()

    assert kinds_of(await months.match(lines_of(last, first))) == {"other_period": 1}
    (told,) = await list_differences(months.database, JANUARY, None)
    assert f"{told.row.actual_day}" == "2026-02-01"
    await months.open(FEBRUARY)
    assert kinds_of(await months.match(lines_of(first), month=FEBRUARY)) == {}


async def test_what_comes_after_the_cut_belongs_to_the_next_month(
    months: Months,
) -> None:
    """Whatever its instant says: an opened month no longer grows."""
    early = await months.settle(LAST)
    await months.open()
    late = await months.settle(LAST)
    assert kinds_of(await months.match(lines_of(early))) == {}
    await months.open(FEBRUARY)

    assert kinds_of(await months.match(lines_of(late), month=FEBRUARY)) == {}
    assert net_of((await months.match(month=FEBRUARY)).tally) == (1, late.aid_fen)


async def test_a_reversal_counts_in_its_own_month(months: Months) -> None:
    """The settlement stays in its month; the later one is that much less."""
    settled = await months.settle(LAST)
    await months.reverse(settled, FIRST)
    await months.open()
    await months.open(FEBRUARY)

    assert kinds_of(await months.match(lines_of(settled))) == {}
    refund = [line_of(settled, refund=True)]
    matched = await months.match(refund, month=FEBRUARY)
    assert kinds_of(matched) == {}
    assert matched.tally.gateway.aid_fen == -settled.aid_fen


async def test_a_difference_keeps_its_history_over_further_matches(
    months: Months,
) -> None:
    """Found, gone, found again: the same id, and who did what."""
    one, other = await months.settle(), await months.settle()
    await months.open()
    await months.match(lines_of(one))
    await months.match(lines_of(one, other))
    await months.match(lines_of(one))

    (told,) = await list_differences(months.database, JANUARY, None)
    assert [event.action for event in told.events] == ["found", "gone", "found again"]
    assert told.row.state == "open"
    await resolve(
        months.database,
        told.row.id.hex(),
        by="li",
        note="seen",
        carry_over=False,
        names_somebody=lambda _text: False,
    )
    await months.match(lines_of(one))
    (told,) = await list_differences(months.database, JANUARY, None)
    assert (told.row.state, told.events[-1].who) == ("resolved", "li")


async def test_a_list_of_another_month_is_refused_whole(months: Months) -> None:
    """Hundreds of differences would hide that the wrong file was sent."""
    await months.settle()
    others = [await months.settle(FIRST) for _ in range(20)]
    await months.open()

    with pytest.raises(MonthFault) as refused:
        await months.match(lines_of(*others))

    assert refused.value.reason == "MA-4212"
    assert await list_differences(months.database, JANUARY, None) == []


async def test_the_same_file_twice_is_one_list(months: Months) -> None:
    """Nothing is counted twice."""
    settled = await months.settle()
    await months.open()
    await months.match(lines_of(settled))
    months._lists -= 1
    matched = await months.match(lines_of(settled))

    assert not matched.is_new_list
    assert kinds_of(matched) == {}
    assert matched.tally.lines == 1


@pytest.mark.parametrize(
    ("month", "reason"),
    [(209901, "MA-4202"), (202603, "MA-4203"), (202512, "MA-4203")],
)
async def test_months_open_in_their_order_once_they_are_over(
    months: Months, month: int, reason: str
) -> None:
    """The sentence names the month that comes first."""
    await months.settle(datetime(2026, 1, 5, tzinfo=UTC))

    with pytest.raises(MonthFault) as refused:
        await months.open(month)

    assert refused.value.reason == reason
    assert "2026-01 comes first" in str(refused.value) or reason == "MA-4202"


async def test_first_month_of_an_empty_log_is_the_last_that_is_over(
    months: Months,
) -> None:
    """An opening is never taken back: with a wrong year 240 more would follow."""
    over = month_before(month_of_day(shanghai_day(datetime.now(UTC))))

    with pytest.raises(MonthFault) as refused:
        await months.open(200601)

    assert refused.value.reason == "MA-4203"
    assert f"{month_name(over)} comes first" in str(refused.value)
    assert await months.open(over) == 0


async def test_opening_twice_changes_nothing(months: Months) -> None:
    """The cut is fixed by the first."""
    await months.settle()
    cut = await months.open()
    await months.settle()
    assert await months.open() == cut


async def test_openings_at_once_are_one(months: Months) -> None:
    """Whoever comes second is told the first one's cut, and is no fault."""
    await months.settle()
    cuts = await asyncio.gather(*(months.open() for _ in range(4)))
    assert set(cuts) == {1}
    rows = await months.database.pool.fetch("SELECT month FROM opened_month")
    assert [row["month"] for row in rows] == [JANUARY]


async def test_without_a_log_there_is_no_month(database: Database) -> None:
    """A database that no gateway has served yet says so."""
    with pytest.raises(MonthFault) as refused:
        await open_month(database, JANUARY, by="test")
    assert refused.value.reason == "MA-4220"


@pytest.mark.parametrize(
    ("told", "found"),
    [
        # Each a settlement (False) or a reversal (True) and what its amounts are off.
        ([(False, 0), (True, 0)], {}),
        ([(False, 0), (True, 1)], {"bureau_differs": 1}),
        ([(False, 0), (False, 0), (True, 0), (True, 0)], {"bureau_differs": 1}),
        ([(False, 0), (True, 0), (True, 0)], {"bureau_differs": 1}),
        ([(True, 0)], {"bureau_differs": 1}),
        ([], {}),
    ],
)
async def test_records_of_a_pair_cancel_only_when_they_are_one(
    months: Months, told: list[tuple[bool, int]], found: dict[str, int]
) -> None:
    """Our ledger has netted it: the records have to come to nothing by themselves."""
    settled = await months.settle()
    await months.reverse(settled)
    await months.open()
    rows = [
        ToldRow("H001", settled.id, is_reversal, settled.total_fen + off, 0)
        for is_reversal, off in told
    ]

    async with months.database.pool.acquire() as session:
        await begin_told(session)
        await add_told(session, rows)
        matched = await match_month(
            session, JANUARY, "H001", by="test", with_bureau=True
        )

    assert kinds_of(matched) == found


async def test_upload_takes_nothing_back_of_a_match_three_ways(months: Months) -> None:
    """What the records say of an opened month cannot change with a list."""
    settled = await months.settle()
    await months.open()
    await months.match(lines_of(settled), with_bureau=True)
    await months.match(lines_of(settled))

    assert json.loads((await months.sign("li")).statement)["with_bureau"] is True

"""What stands at the turn of a month: refunds, late entries, what is carried over."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from settlement.service.packaging import PackagingFault, open_month_books
from settlement.service.reconcile.working import (
    list_carried_in,
    list_differences,
    month_state,
    resolve,
)
from settlement.store.database import Database
from settlement.store.packaging import KeptPackage, keep_package
from tests.reconcile.months import (
    FEBRUARY,
    FIRST,
    JANUARY,
    LAST,
    Months,
    kinds_of,
    line_of,
    lines_of,
    open_months,
)


@pytest.fixture
async def months(database: Database, tmp_path: Path) -> AsyncIterator[Months]:
    """Give an empty gateway with two hospitals."""
    async with open_months(database, tmp_path / "var") as made:
        yield made


@pytest.mark.parametrize("is_flagged", [True, False])
async def test_refund_of_the_next_month_is_not_to_be_reversed_again(
    months: Months, is_flagged: bool
) -> None:
    """The hospital lists it with the settlement; it is told the reversal's month."""
    settled = await months.settle(LAST)
    await months.reverse(settled, FIRST)
    await months.open()
    refund = line_of(settled, 2, refund=True)._replace(refund=is_flagged)

    matched = await months.match([line_of(settled), refund])

    assert kinds_of(matched) == {"other_period": 1}
    (told,) = await list_differences(months.database, JANUARY, None)
    assert f"{told.row.actual_day}" == "2026-02-01"
    assert told.row.lines == [2]
    # Moved there, it is flat.
    assert kinds_of(await months.match(lines_of(settled))) == {}
    await months.open(FEBRUARY)
    assert kinds_of(await months.match([refund], month=FEBRUARY)) == {}


@pytest.mark.parametrize("is_flagged", [True, False])
async def test_refund_alone_is_told_its_own_day(
    months: Months, is_flagged: bool
) -> None:
    """By a flag or by its sign: the day of our reversal, not of the settlement."""
    here, settled = await months.settle(FIRST), await months.settle(LAST)
    await months.reverse(settled, datetime(2026, 3, 5, tzinfo=UTC))
    await months.open()
    await months.open(FEBRUARY)
    refund = line_of(settled, 2, refund=True)._replace(refund=is_flagged)

    assert kinds_of(await months.match([line_of(here), refund], month=FEBRUARY)) == {
        "other_period": 1
    }
    (told,) = await list_differences(months.database, FEBRUARY, None)
    assert f"{told.row.actual_day}" == "2026-03-05"


async def test_late_settlement_is_told_the_month_that_holds_it(months: Months) -> None:
    """Its own day lies in the month whose list it is to leave."""
    early = await months.settle(LAST)
    await months.open()
    late = await months.settle(LAST)
    listed = lines_of(early, late)

    assert kinds_of(await months.match(listed)) == {"other_period": 1}
    (told,) = await list_differences(months.database, JANUARY, None)
    assert f"{told.row.actual_day}" == "2026-02-01"
    await months.open(FEBRUARY)
    later = await months.settle(LAST)
    await months.match([*listed, line_of(later, 3)])
    days = {
        told.row.settlement_id: f"{told.row.actual_day}"
        for told in await list_differences(months.database, JANUARY, None)
    }
    assert days == {late.id: "2026-02-01", later.id: "2026-03-01"}


async def _carry_over(months: Months, identity: bytes, *, resolved: bool) -> None:
    await resolve(
        months.database,
        identity.hex(),
        by="zhao",
        note="told the hospital",
        carry_over=not resolved,
        names_somebody=lambda _text: False,
    )


async def test_what_is_carried_over_is_named_until_it_is_resolved(
    months: Months,
) -> None:
    """The next month's table and statement tell it, of this hospital alone."""
    missing, first = await months.settle(LAST), await months.settle(FIRST)
    other = await months.settle(FIRST, facility=2)
    await months.open()
    await months.open(FEBRUARY)
    await months.match([])
    (told,) = await list_differences(months.database, JANUARY, None)
    await _carry_over(months, told.row.id, resolved=False)
    assert json.loads((await months.close()).statement)["carried_in"] == []

    await months.match(lines_of(first), month=FEBRUARY)
    await months.match(lines_of(other), month=FEBRUARY, code="H002")
    state = await month_state(months.database, FEBRUARY)
    assert {each.facility.code: each.carried_in for each in state.hospitals} == {
        "H001": 1, "H002": 0,
    }  # fmt: skip
    (carried,) = await list_carried_in(months.database, FEBRUARY, None)
    assert [event.action for event in carried.events] == ["found", "carried over"]
    before = json.loads((await months.sign("li", month=FEBRUARY)).statement)
    (stated,) = before["carried_in"]
    assert stated == {
        "id": told.row.id.hex(), "month": "2026-01", "kind": "missing_at_hospital",
        "owner": "hospital", "state": "carried_over",
        "settlement_id": missing.id.hex(),
        "aid_fen": {"hospital": None, "gateway": missing.aid_fen, "bureau": None},
    }  # fmt: skip

    others = await months.sign("li", month=FEBRUARY, code="H002")
    assert json.loads(others.statement)["carried_in"] == []

    # Whoever signs next, signs what is true then.
    await _carry_over(months, told.row.id, resolved=True)
    closed = await months.close(month=FEBRUARY)
    assert json.loads(closed.statement)["carried_in"] == []
    assert await list_carried_in(months.database, FEBRUARY, None) == []


async def test_list_that_comes_after_the_package_leaves_it_as_it_is(
    months: Months,
) -> None:
    """Of a hospital that had nothing in the month: the package is made again, equal."""
    settled = await months.settle(LAST)
    await months.open()
    await months.match(lines_of(settled))
    with pytest.raises(PackagingFault, match="not closed by H001"):
        await open_month_books(months.database, JANUARY)
    await months.close()
    books = await open_month_books(months.database, JANUARY)
    hospitals = [{"facility": "H001", "name": "x", "level": 1, "subdistrict": ""}]
    package = KeptPackage(orjson.dumps({"hospitals": hospitals}), "manifest")
    async with months.database.pool.acquire() as session:
        await keep_package(session, JANUARY, package, datetime.now(UTC))

    await months.match([line_of(replace(settled, id=b"x" * 16))], code="H002")

    again = await open_month_books(months.database, JANUARY)
    assert [each.statement for each in again.statements] == [
        each.statement for each in books.statements
    ]
    assert [each.hospital.facility for each in again.statements] == ["H001"]

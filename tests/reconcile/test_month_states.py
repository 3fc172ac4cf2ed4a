"""What becomes of a difference: by whose hand, by which match, and when no more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from settlement.service.reconcile.faults import MonthFault
from settlement.service.reconcile.working import list_differences, resolve
from settlement.store.database import Database
from settlement.store.differences import DifferenceRow
from tests.reconcile.months import (
    JANUARY,
    Months,
    Settled,
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


async def _missing(months: Months) -> tuple[Settled, Settled]:
    """One that is listed, and one that is not; matched."""
    listed, missing = await months.settle(), await months.settle()
    await months.open()
    await months.match(lines_of(listed))
    return listed, missing


async def _one(months: Months) -> tuple[DifferenceRow, list[str]]:
    (told,) = await list_differences(months.database, JANUARY, None)
    return told.row, [event.action for event in told.events]


async def _work(months: Months, *, carry_over: bool = False) -> None:
    row, _ = await _one(months)
    await resolve(
        months.database,
        row.id.hex(),
        by="zhao",
        note="seen",
        carry_over=carry_over,
        names_somebody=lambda _text: False,
    )


async def test_carried_over_goes_with_a_corrected_list(months: Months) -> None:
    """As long as the month is open, nobody is to be told what is no more."""
    listed, missing = await _missing(months)
    await _work(months, carry_over=True)

    assert kinds_of(await months.match(lines_of(listed, missing))) == {}

    row, actions = await _one(months)
    assert (row.state, actions) == ("gone", ["found", "carried over", "gone"])
    with pytest.raises(MonthFault) as refused:
        await _work(months)
    assert refused.value.reason == "MA-4211"


async def test_resolved_stays_when_it_is_not_found_any_more(months: Months) -> None:
    """Somebody has answered for it, and the statement says so."""
    listed, missing = await _missing(months)
    await _work(months)
    await months.match(lines_of(listed, missing))

    row, actions = await _one(months)
    assert (row.state, actions) == ("resolved", ["found", "resolved"])


@pytest.mark.parametrize("carry_over", [False, True])
async def test_resolved_is_not_resolved_twice(
    months: Months, *, carry_over: bool
) -> None:
    """Its history says who has done it."""
    await _missing(months)
    await _work(months)

    with pytest.raises(MonthFault) as refused:
        await _work(months, carry_over=carry_over)

    assert refused.value.reason == "MA-4211"


@pytest.mark.parametrize("carry_over", [False, True])
async def test_other_amounts_open_it_again(months: Months, *, carry_over: bool) -> None:
    """What somebody has answered for was another difference."""
    settled = await months.settle()
    await months.open()
    wrong = line_of(settled)._replace(aid_fen=settled.aid_fen + 1)
    await months.match([wrong])
    await _work(months, carry_over=carry_over)
    await months.match([wrong])
    row, actions = await _one(months)
    assert row.state != "open"

    await months.match([wrong._replace(aid_fen=settled.aid_fen + 2)])

    row, actions = await _one(months)
    assert (row.state, actions[-1]) == ("open", "opened again")


async def test_list_that_came_before_counts_again(months: Months) -> None:
    """A hospital goes back to its first file: it is the one received last."""
    listed, missing = await _missing(months)
    await months.match(lines_of(listed, missing))
    months._lists = 0
    matched = await months.match(lines_of(listed))

    assert not matched.is_new_list
    assert kinds_of(matched) == {"missing_at_hospital": 1}
    assert kinds_of(await months.match()) == {"missing_at_hospital": 1}
    assert (await _one(months))[0].state == "open"


async def test_difference_of_a_closed_month_is_resolved_and_no_more(
    months: Months,
) -> None:
    """It was carried over by the statement; it cannot be carried over again."""
    await _missing(months)
    await _work(months, carry_over=True)
    await months.close()

    with pytest.raises(MonthFault) as refused:
        await _work(months, carry_over=True)
    assert refused.value.reason == "MA-4204"
    await _work(months)
    assert (await _one(months))[0].state == "resolved"

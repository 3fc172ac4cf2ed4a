from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from settlement.store.database import Database
from tests.month_package.packages import check, close, package, told
from tests.reconcile.months import FEBRUARY, FIRST, LAST, Months, open_months


@pytest.fixture
async def months(database: Database, tmp_path: Path) -> AsyncIterator[Months]:
    """Give an empty gateway with two hospitals."""
    async with open_months(database, tmp_path / "var") as made:
        yield made


async def test_a_closed_month_verifies_with_and_without_the_key(
    months: Months, tmp_path: Path
) -> None:
    """Settlements, a reversal, two hospitals: flat, and everything is opened."""
    first = await months.settle()
    await months.settle(facility=2)
    await months.settle(LAST)
    await months.reverse(first)
    await close(months)
    made = await package(months, tmp_path / "m.zip")

    with_key = check(months, tmp_path / "m.zip")
    assert told(with_key) == []
    assert (with_key.records, with_key.opened) == (4, 4)
    assert with_key.unchecked == []
    assert with_key.tally.total().net.aid_fen == made.aid_fen == 2 * first.aid_fen
    without = check(months, tmp_path / "m.zip", with_key=False)
    assert told(without) == []
    assert without.opened == 0
    assert any("--bureau-key" in each for each in without.unchecked)


async def test_months_follow_each_other_across_midnight(
    months: Months, tmp_path: Path
) -> None:
    """Deferred, late, and taken back after the close: each in one package, once."""
    kept = await months.settle()
    ahead = await months.settle(FIRST, facility=2)
    await close(months)
    late = await months.settle(LAST)
    await months.reverse(kept, FIRST)
    await months.settle(FIRST)
    january, february = tmp_path / "1.zip", tmp_path / "2.zip"
    await package(months, january)
    await close(months, FEBRUARY)
    made = await package(months, february, FEBRUARY)

    assert told(check(months, january)) == []
    outcome = check(months, february, previous=january)
    assert told(outcome) == []
    assert outcome.unchecked == []
    assert (made.records, outcome.tally.total().late.aid_fen) == (4, late.aid_fen)
    assert ahead.aid_fen == outcome.tally.of("H002").net.aid_fen
    alone = check(months, february)
    assert told(alone) == []
    assert any("--previous" in each for each in alone.unchecked)

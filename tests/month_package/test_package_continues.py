"""What goes on from month to month and from stretch to stretch of a package."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.month_package.checked import FINDINGS_MAX, Checked
from gateway.offline_verify import Finding
from settlement.store.database import Database
from tests.month_package.packages import (
    TwoMonths,
    altered,
    bureau_of,
    close,
    package,
    told,
)
from tests.month_package.test_package_altered import Forge, nothing
from tests.month_package.test_package_hostile import forged_february
from tests.reconcile.months import FEBRUARY, FIRST, Months, open_months


@pytest.fixture
async def months(database: Database, tmp_path: Path) -> AsyncIterator[Months]:
    """Give an empty gateway with two hospitals."""
    async with open_months(database, tmp_path / "var") as made:
        yield made


def less_before(content: dict[str, Any]) -> None:
    """Begin the year anew."""
    for total in content["accumulators_before"]:
        total["used_fen"] = 0


async def test_totals_go_on_from_the_month_before(
    months: Months, tmp_path: Path
) -> None:
    """A cap that began anew with the month is found where both are at hand."""
    bureau, january = bureau_of(months), tmp_path / "january.zip"
    february, forged = tmp_path / "february.zip", tmp_path / "m.zip"
    await months.settle()
    await close(months)
    await package(months.database, bureau.signer, january)
    await months.settle(FIRST)
    await close(months, FEBRUARY)
    await package(months.database, bureau.signer, february, FEBRUARY)
    both = TwoMonths(bureau, january, february)

    def check(forge: Forge, previous: Path | None) -> list[tuple[str, str]]:
        altered(
            february,
            forged,
            bureau.signer,
            lambda parts: forged_february(both, parts, 1, forge),
        )
        return told(bureau.check(forged, previous=previous))

    assert check(nothing, january) == []
    assert check(less_before, None) == []
    assert check(less_before, january) == [
        (
            "records[1]",
            "a running total is not what the entry before, 0, has left",
        )
    ]


def test_a_stretch_keeps_no_more_findings_than_are_shown() -> None:
    """Eight million empty lines are one stretch."""
    checked = Checked()
    for _ in range(FINDINGS_MAX + 3):
        checked.find(Finding("records", "MA-8601", "a line of it has no index"))

    assert (len(checked.findings), checked.further_findings) == (FINDINGS_MAX, 3)

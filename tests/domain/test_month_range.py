"""Months as statistics are asked for."""

from __future__ import annotations

from datetime import date

import pytest

from settlement.domain.month_range import (
    MonthRange,
    month_before,
    parse_month,
    range_fault,
)


@pytest.mark.parametrize(
    ("text", "month"),
    [
        ("2026-01", 202_601),
        ("2026-12", 202_612),
        ("1900-01", 190_001),
        ("2150-12", 215_012),
    ],
)
def test_month_is_read(text: str, month: int) -> None:
    """Year and month, of the years that a day of service may have."""
    assert parse_month(text) == month


@pytest.mark.parametrize(
    "text",
    ["", "2026-13", "2026-00", "2026-1", "26-01", "202601", "2026-01-05", " 2026-01",
     "2026-01\n", "1899-12", "2151-01", "２０２６-01", "0000-01", "2026/01"],
)  # fmt: skip
def test_other_months_are_not_read(text: str) -> None:
    """Nothing is guessed, and no year is outside of what a date can hold."""
    assert parse_month(text) is None


def test_months_go_over_the_turn_of_a_year() -> None:
    """December is followed by January and January preceded by December."""
    months = MonthRange(202_511, 202_602)

    assert months.months() == [202_511, 202_512, 202_601, 202_602]
    assert len(months) == 4
    assert months.days() == (date(2025, 11, 1), date(2026, 2, 28))
    assert [month_before(month) for month in (202_601, 202_602)] == [202_512, 202_601]


def test_nothing_lies_between_months_in_the_wrong_order() -> None:
    """No negative number of months."""
    months = MonthRange(202_602, 202_511)

    assert (months.months(), len(months)) == ([], 0)
    assert range_fault(months) == "MA-1133"


def test_ten_years_are_the_most() -> None:
    """One month more than that is refused."""
    assert range_fault(MonthRange(201_601, 201_601)) is None
    assert range_fault(MonthRange(201_601, 202_512)) is None
    assert range_fault(MonthRange(201_601, 202_601)) == "MA-1134"

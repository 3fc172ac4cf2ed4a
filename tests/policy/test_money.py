from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.domain.money import (
    DOWN,
    WHOLE_PPM,
    parse_percent,
    parse_yuan,
    percent_text,
    share,
    yuan_text,
)
from tests.policy.strategies import UNHURRIED


@given(st.integers(0, 10**12), st.integers(0, WHOLE_PPM))
@UNHURRIED
def test_share_is_exact_and_rounds_half_up(amount: int, rate: int) -> None:
    """The nearest fen to the exact share; of two equally near, the upper one."""
    part = share(amount, rate)
    exact = Fraction(amount) * Fraction(rate, WHOLE_PPM)
    assert Fraction(-1, 2) < part - exact <= Fraction(1, 2)
    assert 0 <= part <= amount


@pytest.mark.parametrize(
    ("amount", "rate", "part"),
    [(1, 500_000, 1), (3, 500_000, 2), (1, 499_999, 0), (10, 850_000, 9), (0, 1, 0)],
)
def test_half_a_fen_goes_up(amount: int, rate: int, part: int) -> None:
    """四舍五入: 0.5 fen is 1 fen, 1.5 fen are 2."""
    assert share(amount, rate) == part


@given(st.integers(0, 10**12), st.integers(0, WHOLE_PPM))
@UNHURRIED
def test_a_share_rounded_down_never_exceeds_the_exact_one(
    amount: int, rate: int
) -> None:
    """舍去: fractions of a fen are cut off."""
    exact = Fraction(amount) * Fraction(rate, WHOLE_PPM)
    assert 0 <= exact - share(amount, rate, DOWN) < 1


@given(st.integers(0, 99_999_999_999))
@UNHURRIED
def test_amounts_are_read_as_they_are_shown(fen: int) -> None:
    """Showing and reading an amount gives the same fen."""
    assert parse_yuan(f"{yuan_text(fen).replace(',', '')}元") == fen


@given(st.integers(0, 9_999_999))
@UNHURRIED
def test_rates_are_read_as_they_are_shown(ppm: int) -> None:
    """Showing and reading a rate gives the same parts per million."""
    assert parse_percent(f"{percent_text(ppm)}%") == ppm


@pytest.mark.parametrize(
    ("text", "fen"),
    [("8000元", 800_000), ("64.5元", 6450), ("0.05元", 5), ("0元", 0)],
)
def test_amounts_of_decrees(text: str, fen: int) -> None:
    """Yuan with up to two decimals."""
    assert parse_yuan(text) == fen


@pytest.mark.parametrize(
    "text",
    ["", "元", "8000", "8,000元", "-1元", "+1元", "1.元", ".5元", "0.005元", "01元",
     "1e3元", "８元", " 8元", "8 元", "1234567890元", "8元\n", "nan元"],
)  # fmt: skip
def test_what_is_no_amount(text: str) -> None:
    """Anything that could be read in two ways is no amount."""
    assert parse_yuan(text) is None


@pytest.mark.parametrize(
    "text",
    ["", "%", "80", "0.8", "80.00001%", "-80%", "080%", "1000%", "80 %", "８０%"],
)
def test_what_is_no_rate(text: str) -> None:
    """A rate carries its sign and at most four decimals."""
    assert parse_percent(text) is None


@pytest.mark.parametrize(
    ("fen", "text"),
    [(0, "0.00"), (5, "0.05"), (99_999, "999.99"), (100_000, "1,000.00"),
     (123_456_789, "1,234,567.89")],
)  # fmt: skip
def test_amounts_as_people_read_them(fen: int, text: str) -> None:
    """Two decimals always, separators from a thousand yuan."""
    assert yuan_text(fen) == text

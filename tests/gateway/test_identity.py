"""Recognising personal numbers in texts."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity import check_digit_holds, holds_identity
from tests.gateway.bodies import RESIDENT_ID

TODAY = date(2026, 1, 5)
_SURROUNDINGS = st.text(alphabet="0123456789AZaz._:-", max_size=20)


@given(_SURROUNDINGS, _SURROUNDINGS)
def test_identity_number_is_found_wherever_it_stands(before: str, after: str) -> None:
    """Also inside longer runs of digits, at any offset."""
    assert holds_identity(before + RESIDENT_ID + after, None, TODAY)


@given(st.integers(0, 10**17 - 1))
def test_only_one_check_character_holds(digits: int) -> None:
    """Of the eleven possible check characters exactly one is right."""
    number = f"{digits:017d}"

    holding = [last for last in "0123456789X" if check_digit_holds(number + last)]

    assert len(holding) == 1


def test_numbers_that_are_no_identity_pass() -> None:
    """Wrong check digit, no such province, no such day, or too short."""
    assert not holds_identity(RESIDENT_ID[:-1] + "0", None, TODAY)
    assert not holds_identity("99" + RESIDENT_ID[2:], None, TODAY)
    assert not holds_identity("000000000000000000", None, TODAY)
    assert not holds_identity("MZ20260105-0001", None, TODAY)


def test_card_number_is_found_without_case() -> None:
    """The bill's own card counts in any case and anywhere."""
    assert holds_identity("x-a12345678", "A12345678", TODAY)
    assert not holds_identity("x-a1234567", "A12345678", TODAY)


def _with_check_digit(number: str) -> str:
    return next(
        number + last for last in "0123456789X" if check_digit_holds(number + last)
    )


@pytest.mark.parametrize(
    ("born", "is_somebodys"),
    [
        ("18491231", False), ("18500101", True), ("20260105", True),
        ("20260106", False), ("20991231", False), ("20260230", False),
    ],
)  # fmt: skip
def test_nobody_is_born_later_or_long_ago(born: str, is_somebodys: bool) -> None:
    """A visit's number of area, day and sequence is refused for a born person only."""
    number = _with_check_digit(f"110101{born}001")

    assert holds_identity(f"MZ{number}", None, TODAY) == is_somebodys


def test_forms_of_the_guide_are_never_taken_for_one() -> None:
    """A break inside helps each number of a day; unbroken or prefixed, one in eleven.

    `docs/integration.md`, "Numbers that look like an identity number".
    """

    def refused(form: str) -> int:
        numbers = (form.format(number) for number in range(1, 10_000))
        return sum(holds_identity(number, None, TODAY) for number in numbers)

    assert refused("110101-20260105-{:04d}") == 0
    assert refused("110101MZ20260105{:04d}") == 0
    assert 900 < refused("11010120260105{:04d}") < 920
    assert 900 < refused("MZ11010120260105{:04d}") < 920

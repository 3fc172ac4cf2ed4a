"""Small values that every decision is made of: days, windows, quotas, refusals."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from settlement.domain.calendar import month_of, rfc3339, shanghai_day
from settlement.domain.decision import PotQuota
from settlement.domain.decline import decline
from settlement.domain.eligibility import (
    RosterPerson,
    Window,
    refusal,
    windows_during,
    windows_on,
)
from settlement.domain.errors import (
    InvariantBrokenError,
    RequestRefused,
    require,
    unreachable,
)
from tests.domain.test_bill import BILL

DAY = date(2026, 3, 10)


def window(first: date, last: date | None) -> Window:
    """One window of the category that the tests use."""
    return Window("dibao", first, last, "110105001")


def person(*windows: Window) -> RosterPerson:
    """One person on the roster."""
    return RosterPerson(b"t" * 16, b"h" * 16, windows)


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        (datetime(2026, 1, 4, 15, 59, 59, tzinfo=UTC), date(2026, 1, 4)),
        (datetime(2026, 1, 4, 16, 0, 0, tzinfo=UTC), date(2026, 1, 5)),
        (datetime(2025, 12, 31, 16, 0, 0, tzinfo=UTC), date(2026, 1, 1)),
    ],
)
def test_day_changes_at_midnight_in_shanghai(instant: datetime, day: date) -> None:
    """A bill of the evening belongs to the day at the desk, not to UTC's."""
    assert shanghai_day(instant) == day


def test_month_and_instant_have_one_written_form() -> None:
    """Months and instants compare as text, in exports and in records."""
    instant = datetime(2026, 1, 5, 2, 14, 9, 7_999, tzinfo=UTC)

    assert month_of(date(987, 6, 5)) == "0987-06"
    assert rfc3339(instant) == "2026-01-05T02:14:09.007Z"


@pytest.mark.parametrize(
    ("first", "last", "covered"),
    [
        (DAY, DAY, True),
        (DAY, None, True),
        (date(2026, 3, 11), None, False),
        (date(2026, 1, 1), date(2026, 3, 9), False),
        (date(2026, 1, 1), DAY, True),
    ],
)
def test_window_covers_both_its_ends(
    first: date, last: date | None, covered: bool
) -> None:
    """The first and the last day count, the days beside them do not."""
    one = window(first, last)

    assert one.covers(DAY) is covered
    assert windows_on(person(one), DAY) == ((one,) if covered else ())


@pytest.mark.parametrize(
    ("first", "last", "counts"),
    [
        (date(2026, 1, 1), date(2026, 3, 1), True),
        (date(2026, 1, 1), date(2026, 2, 28), False),
        (date(2026, 3, 31), None, True),
        (date(2026, 4, 1), None, False),
        (date(2026, 1, 1), None, True),
    ],
)
def test_identity_counts_for_a_stay_that_it_touches(
    first: date, last: date | None, counts: bool
) -> None:
    """Lost or gained during the visit: it still counts for the whole of it."""
    one = window(first, last)
    found = windows_during(person(one), date(2026, 3, 1), date(2026, 3, 31))

    assert found == ((one,) if counts else ())


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (None, "MA-2101"),
        (person(), "MA-2101"),
        (person(window(date(2026, 3, 11), None)), "MA-2103"),
        (person(window(date(2026, 1, 1), date(2026, 2, 1))), "MA-2102"),
        (
            person(
                window(date(2026, 1, 1), date(2026, 2, 1)),
                window(date(2026, 3, 11), None),
            ),
            "MA-2102",
        ),
    ],
)
def test_refusal_says_which_no_it_is(who: RosterPerson | None, code: str) -> None:
    """Not on the roster, not yet, or no longer: the cashier says different things."""
    assert refusal(who, DAY) == code


@pytest.mark.parametrize(
    ("cap", "used", "remaining"),
    [(None, 5, None), (10, 0, 10), (10, 10, 0), (10, 12, 0)],
)
def test_remaining_is_never_negative(
    cap: int | None, used: int, remaining: int | None
) -> None:
    """A cap that was lowered below what was used leaves nothing, not a debt."""
    assert PotQuota("outpatient", 2026, cap, used).remaining_fen == remaining


@pytest.mark.parametrize(
    ("account", "cash", "back"), [(0, 9_000, 0), (4_000, 5_000, 0), (9_000, 0, 0)]
)
def test_declined_patient_owes_what_the_insurers_left(
    account: int, cash: int, back: int
) -> None:
    """A decline touches no pot and leaves the desk the amounts to collect."""
    bill = replace(BILL, personal_account_fen=account)
    declined = decline(bill, "MA-2101")

    assert (declined.approved, declined.aid_fen, declined.postings) == (False, 0, ())
    assert declined.patient_pays_fen + bill.funds_fen == bill.total_fen
    assert (declined.cash_fen, declined.account_return_fen) == (cash, back)


def test_broken_invariant_crashes_even_when_optimised() -> None:
    """What must hold is checked by a call, not by an assert that -O removes."""
    require(1, "holds")
    with pytest.raises(InvariantBrokenError, match="does not hold"):
        require(0, "does not hold")
    with pytest.raises(InvariantBrokenError, match="never"):
        unreachable("never")


def test_refused_request_carries_code_faults_and_wait() -> None:
    """Whoever renders a refusal finds all of it as values."""
    refused = RequestRefused("MA-5101", retry_after_s=2)

    assert (str(refused), refused.faults, refused.retry_after_s) == ("MA-5101", (), 2)

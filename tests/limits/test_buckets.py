"""The arithmetic of limits: whole numbers, no drift, no memory of strangers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.limits import (
    NO_RATE,
    Allowance,
    Bucket,
    Buckets,
    Lane,
    Rate,
    Turn,
    seconds_of,
)
from settlement.domain.errors import RequestRefused

S = 1_000_000_000
RATES = st.builds(Rate, st.integers(1, 5_000), st.integers(1, 300))


@given(RATES, st.lists(st.integers(0, 2 * S), max_size=200), st.integers(0, 10**18))
def test_no_window_holds_more_than_burst_and_rate(
    rate: Rate, pauses: list[int], start: int
) -> None:
    """Whatever the pauses: in n seconds at most burst + n * rate are let in."""
    bucket = Bucket(rate)
    now, let_in = start, []
    for pause in pauses:
        now += pause
        if bucket.take(now) == 0:
            let_in.append(now)

    interval = S // rate.per_s
    for first in range(0, len(let_in), 7):
        for last in range(first, len(let_in), 5):
            refilled = (let_in[last] - let_in[first]) // interval
            assert last - first + 1 <= rate.burst + refilled


@given(RATES, st.lists(st.integers(0, S // 50), max_size=100), st.integers(0, 10**18))
def test_who_waits_as_told_is_let_in(rate: Rate, pauses: list[int], start: int) -> None:
    """The wait is exact: a nanosecond earlier is too early. Refusals cost nothing."""
    bucket = Bucket(rate)
    now = start
    for pause in pauses:
        now += pause
        wait = bucket.take(now)
        if wait:
            before = bucket.full_at_ns
            assert bucket.take(now + wait - 1) == 1
            assert bucket.full_at_ns == before
            now += wait
            assert bucket.take(now) == 0


@given(RATES)
def test_full_bucket_holds_the_burst(rate: Rate) -> None:
    """So many at one instant, and no more."""
    bucket = Bucket(rate)

    assert [bucket.take(S) for _ in range(rate.burst)] == [0] * rate.burst
    assert bucket.take(S) > 0


def test_given_back_is_as_not_taken() -> None:
    """An attempt that turned out good leaves the bucket as it was."""
    bucket = Bucket(Rate(1, 3))
    for _ in range(100):
        assert bucket.take(S) == 0
        bucket.give_back()
    assert [bucket.take(S) for _ in range(3)] == [0, 0, 0]


def test_no_limit_never_refuses() -> None:
    """Rate 0 is no limit, not a limit of nothing."""
    bucket = Bucket(NO_RATE)

    assert {bucket.take(S) for _ in range(10_000)} == {0}


@pytest.mark.parametrize(
    ("wait", "seconds"), [(1, 1), (S, 1), (S + 1, 2), (90 * S, 90)]
)
def test_retry_after_is_never_too_early(wait: int, seconds: int) -> None:
    """Whole seconds, rounded up."""
    assert seconds_of(wait) == seconds


def test_spraying_names_costs_no_memory_and_locks_nobody_out() -> None:
    """A million addresses: the table stays small, and a newcomer is let in."""
    buckets = Buckets(Rate(1, 2), most=1_000)
    for number in range(100_000):
        buckets.take(f"10.{number}", S + number)

    assert len(buckets) <= 1_000
    buckets.take("192.0.2.1", 2 * S)
    assert buckets.refused == 0


def test_who_owes_is_remembered_before_who_does_not() -> None:
    """Full buckets are forgotten first, so a spray does not free the sprayer."""
    buckets = Buckets(Rate(1, 1), most=100)
    for number in range(99):
        buckets.take(f"idle-{number}", S)
    buckets.take("owes", 10 * S)
    for number in range(40):
        buckets.take(f"new-{number}", 10 * S)

    with pytest.raises(RequestRefused, match="MA-3105") as refused:
        buckets.take("owes", 10 * S + 1)
    assert refused.value.retry_after_s == 1


def test_refusal_for_a_rate_holds_no_place() -> None:
    """Neither limit eats what only the other one refuses."""
    lane = Lane(Allowance(Rate(1, 2), at_once=2))
    first, second, third = Turn(), Turn(), Turn()
    first.enter(lane, S)
    second.enter(lane, S)

    with pytest.raises(RequestRefused, match="MA-3106"):
        third.enter(lane, S)
    third.leave()
    second.leave()
    second.leave()
    assert lane.under_way == 1
    with pytest.raises(RequestRefused, match="MA-3105"):
        third.enter(lane, S)
    assert lane.under_way == 1
    third.enter(lane, 2 * S)
    assert lane.under_way == 2

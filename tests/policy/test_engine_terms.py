"""The deduction itself, over any terms: exact, within every cap, monotone, continuous.

All of these hold for one bill with the year's totals as they are, of one category or of
the best of several: the maximum of monotone benefits is monotone. They do not hold for
a whole year of a person with several identities: the best identity is chosen for each
bill, and a larger bill may choose one that uses up a pot which the next bill needs.
"""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settlement.domain.adjudicate import (
    BaseTerms,
    Bracket,
    Schedule,
    Steps,
    Terms,
    TiltTerms,
    Used,
    aidable_base,
    costs_in_scope,
    rate,
    reason_of,
    within,
    work_out,
)
from settlement.domain.money import DOWN, HALF_UP, WHOLE_PPM
from tests.policy.strategies import UNHURRIED, bill_of

FEN = st.integers(0, 300) | st.integers(0, 60_000)
RATES = st.sampled_from([0, 1, 333_333, 500_000, 955_000, WHOLE_PPM]) | st.integers(
    0, WHOLE_PPM
)
CAPS = st.none() | FEN
THOROUGH = settings(UNHURRIED, max_examples=500)


@st.composite
def schedules(draw: st.DrawFn, *, yearly: bool | None = None) -> Schedule:
    """Up to four brackets with any rates, rising or falling."""
    edges = sorted(draw(st.sets(st.integers(1, 60_000), max_size=3)))
    brackets = [Bracket(edge, draw(RATES)) for edge in [*edges, None]]
    counts_year = draw(st.booleans()) if yearly is None else yearly
    return Schedule.of(tuple(brackets), yearly=counts_year)


@st.composite
def terms(draw: st.DrawFn, *, yearly: bool | None = None) -> Terms:
    """Any terms; with `yearly` only those that look at the year alone."""
    tilt = TiltTerms(
        threshold_fen=draw(FEN),
        schedule=draw(schedules(yearly=yearly)),
        yearly=draw(st.booleans()) if yearly is None else yearly,
        year_cap_fen=draw(CAPS),
    )
    return Terms(
        schedule=draw(schedules(yearly=yearly)),
        deductible_fen=draw(st.just(0) | FEN),
        deductible_yearly=draw(st.booleans()) if yearly is None else yearly,
        visit_cap_fen=draw(CAPS) if yearly is None else None,
        year_caps_fen=tuple(draw(st.lists(CAPS, min_size=1, max_size=3))),
        tilt=draw(st.sampled_from([tilt, None])),
        rounding=draw(st.sampled_from([HALF_UP, DOWN])),
    )


@st.composite
def cases(draw: st.DrawFn, *, yearly: bool | None = None) -> tuple[Terms, Used]:
    """Terms with what the year has brought before."""
    drawn = draw(terms(yearly=yearly))
    pots = tuple(draw(FEN) for _ in drawn.year_caps_fen)
    used = Used(pots, draw(FEN), draw(FEN), draw(FEN), draw(FEN))
    return drawn, used


def edges(drawn: Terms, used: Used) -> list[int]:
    """Bases at which a deductible ends or a band begins."""
    left = drawn.deductible_fen
    if drawn.deductible_yearly:
        left = max(0, left - used.deductible_fen)
    before = used.banded_fen if drawn.schedule.yearly else 0
    bands = [bracket.up_to_fen or 0 for bracket in drawn.schedule.brackets]
    return [max(1, left)] + [max(1, left + edge - before) for edge in bands]


def exact_through(schedule: Schedule, lower: int, upper: int) -> Fraction:
    """Fen by fen over the brackets, in fractions: slow and obvious."""
    total, begin = Fraction(0), 0
    for up_to, rate_ppm in schedule.brackets:
        end = upper if up_to is None else up_to
        stretch = min(end, upper) - max(begin, lower)
        total += max(0, stretch) * Fraction(rate_ppm, WHOLE_PPM)
        begin = end
    return total


@given(schedules(), FEN, FEN, st.sampled_from([HALF_UP, DOWN]))
@THOROUGH
def test_a_schedule_is_rounded_once_however_many_bands_it_touches(
    schedule: Schedule, before: int, amount: int, rounding: int
) -> None:
    """Half a fen up, or cut off: never more than the rounding away from the exact."""
    aid = rate(schedule, before, amount, rounding)
    begin = before if schedule.yearly else 0
    away = aid - exact_through(schedule, begin, begin + amount)
    half = Fraction(1, 2)
    assert -half < away <= half if rounding == HALF_UP else -1 < away <= 0
    assert 0 <= aid <= amount


@given(cases(), FEN)
@THOROUGH
def test_aid_stays_within_the_base_and_every_cap(
    case: tuple[Terms, Used], base_fen: int
) -> None:
    """0 <= aid <= base; the visit's cap, each pot's and the tilt's hold."""
    drawn, used = case
    steps = work_out(drawn, base_fen, used)
    assert 0 <= steps.basic <= steps.after_visit_cap <= steps.rated
    assert steps.rated <= steps.after_deductible == base_fen - steps.deducted
    assert 0 <= steps.deducted <= base_fen
    assert 0 <= steps.tilt <= steps.tilt_rated <= base_fen - steps.basic
    assert steps.aid == steps.basic + steps.tilt <= base_fen == steps.base
    assert steps.basic <= (drawn.visit_cap_fen or base_fen) or not steps.basic
    for cap_fen, used_fen in zip(drawn.year_caps_fen, used.pots_fen, strict=True):
        if cap_fen is not None and steps.basic:
            assert used_fen + steps.basic <= cap_fen
    if drawn.tilt and drawn.tilt.year_cap_fen is not None and steps.tilt:
        assert used.tilt_fen + steps.tilt <= drawn.tilt.year_cap_fen


@given(cases(), FEN)
@THOROUGH
def test_nothing_is_taken_off_without_a_rule(
    case: tuple[Terms, Used], base_fen: int
) -> None:
    """Where no cap bites, the basic aid is the rate; where one does, it is met."""
    drawn, used = case
    steps = work_out(drawn, base_fen, used)
    rooms = [
        max(0, cap - before)
        for cap, before in zip(
            [drawn.visit_cap_fen, *drawn.year_caps_fen],
            [0, *used.pots_fen],
            strict=True,
        )
        if cap is not None
    ]
    assert steps.basic == min([steps.rated, *rooms])
    left = drawn.deductible_fen
    if drawn.deductible_yearly:
        left = max(0, left - used.deductible_fen)
    assert steps.deducted == min(base_fen, left)


@given(cases(), FEN, st.integers(1, 60_000))
@THOROUGH
def test_aid_rises_with_the_base_and_never_faster(
    case: tuple[Terms, Used], base_fen: int, more: int
) -> None:
    """Whatever the rates of the bands, rising or falling, and the year's totals."""
    drawn, used = case
    less, greater = (work_out(drawn, fen, used) for fen in (base_fen, base_fen + more))
    assert 0 <= greater.rated - less.rated <= more
    assert 0 <= greater.basic - less.basic <= more
    assert 0 <= greater.aid - less.aid <= more


@given(cases(), st.data())
@THOROUGH
def test_aid_is_continuous_at_every_edge(
    case: tuple[Terms, Used], data: st.DataObject
) -> None:
    """One fen more of base brings at most one fen more of aid, also across a band."""
    drawn, used = case
    edge = data.draw(st.sampled_from(edges(drawn, used)))
    below, at, above = (
        work_out(drawn, edge + step, used) for step in (-1, 0, 1)
    )  # fmt: skip
    for first, second in ((below, at), (at, above)):
        assert second.rated - first.rated in (0, 1)
        assert second.aid - first.aid in (0, 1)


def after(drawn: Terms, used: Used, steps: Steps) -> Used:
    """What the year has brought once the bill is settled."""
    deducted = steps.deducted if drawn.deductible_yearly else 0
    return Used(
        tuple(fen + steps.basic for fen in used.pots_fen),
        used.deductible_fen + deducted,
        used.tilt_fen + steps.tilt,
        used.banded_fen + steps.after_deductible,
        used.burden_fen + steps.base - steps.basic,
    )


@given(cases(yearly=True), FEN, FEN)
@THOROUGH
def test_splitting_a_bill_under_yearly_rules_changes_rounding_alone(
    case: tuple[Terms, Used], first: int, second: int
) -> None:
    """Two bills get what one bill gets: at most a fen apart, or two with a tilt.

    The tilt rounds once more, and works on a burden that may differ by a fen itself.
    """
    drawn, used = case
    one = work_out(drawn, first + second, used)
    part = work_out(drawn, first, used)
    rest = work_out(drawn, second, after(drawn, used, part))
    assert abs(part.basic + rest.basic - one.basic) <= 1
    assert abs(part.aid + rest.aid - one.aid) <= (1 if drawn.tilt is None else 2)
    assert part.deducted + rest.deducted == one.deducted


@given(cases(), FEN, FEN)
@THOROUGH
def test_more_used_before_never_means_more_basic_aid_from_a_pot(
    case: tuple[Terms, Used], base_fen: int, more: int
) -> None:
    """A fuller pot gives no more; of the rest nothing changes."""
    drawn, used = case
    fuller = used._replace(pots_fen=tuple(fen + more for fen in used.pots_fen))
    first, second = (work_out(drawn, base_fen, year) for year in (used, fuller))
    assert second.basic <= first.basic
    assert (second.deducted, second.rated) == (first.deducted, first.rated)


@given(cases(), FEN, st.tuples(FEN, FEN, FEN))
@THOROUGH
def test_totals_that_no_rule_looks_at_change_nothing(
    case: tuple[Terms, Used], base_fen: int, others: tuple[int, int, int]
) -> None:
    """A deductible of each visit, bands of each bill and a tilt of each bill."""
    drawn, used = case
    tilt = drawn.tilt and replace(
        drawn.tilt,
        schedule=replace(drawn.tilt.schedule, yearly=False),
        yearly=False,
    )
    alone = replace(
        drawn,
        deductible_yearly=False,
        schedule=replace(drawn.schedule, yearly=False),
        tilt=tilt,
    )
    deductible, banded, burden = others
    other = used._replace(
        deductible_fen=deductible, banded_fen=banded, burden_fen=burden
    )
    assert work_out(alone, base_fen, used) == work_out(alone, base_fen, other)


@given(FEN, CAPS, FEN)
@UNHURRIED
def test_within_gives_what_a_cap_has_room_for(
    amount: int, cap: int | None, used: int
) -> None:
    """All of it without a cap, else the room that is left, never below nothing."""
    room = amount if cap is None else max(0, cap - used)
    assert within(amount, cap, used) == min(amount, room)


@given(cases(), FEN.filter(bool))
@THOROUGH
def test_the_reason_says_which_step_ended_the_aid(
    case: tuple[Terms, Used], base_fen: int
) -> None:
    """Aid; or the deductible took all; or a cap did; or it rounds to nothing."""
    drawn, used = case
    steps = work_out(drawn, base_fen, used)
    expected = "MA-2001"
    if steps.aid:
        expected = "MA-2000"
    elif steps.deducted == base_fen:
        expected = "MA-2003"
    elif steps.rated:
        expected = "MA-2002"
    assert reason_of(steps) == expected


@pytest.mark.parametrize(
    ("scope", "paid", "owed", "base"),
    [
        (100, 40, 90, 60),
        (100, 40, 60, 60),
        (100, 40, 59, 59),
        (40, 40, 9, 0),
        (39, 40, 9, 0),
        (41, 40, 9, 1),
        (41, 40, 0, 0),
    ],
)
def test_the_base_is_what_is_left_of_the_costs_up_to_what_is_owed(
    scope: int, paid: int, owed: int, base: int
) -> None:
    """No sound bill has more in scope than it owes; if one had, it gets no more."""
    assert aidable_base(scope, paid, owed) == base


@pytest.mark.parametrize(
    ("deductible", "scope"),
    [(None, 150), (0, 150), (1, 149), (149, 1), (150, 0), (151, 0)],
)
def test_what_lies_below_the_insurers_deductible_is_out_where_it_is_out(
    deductible: int | None, scope: int
) -> None:
    """The bill's own field, of the costs with pre-selfpay; never below nothing."""
    bill = bill_of(
        in_policy_fen=100, pre_selfpay_fen=50, deductible_fen=deductible
    )  # fmt: skip
    terms_out = BaseTerms(
        pre_selfpay_in=True, commercial_off=False, charity_off=False,
        deductible_in=False,
    )  # fmt: skip
    assert costs_in_scope(terms_out, bill) == scope
    assert costs_in_scope(replace(terms_out, deductible_in=True), bill) == 150
    without = replace(terms_out, deductible_in=True, pre_selfpay_in=False)
    assert costs_in_scope(without, bill) == 100


@pytest.mark.parametrize(
    ("rate_ppm", "half_up", "down"),
    [(499_999, 0, 0), (500_000, 1, 0), (999_999, 1, 0), (1_000_000, 1, 1)],
)
def test_the_last_millionth_of_a_fen_decides(
    rate_ppm: int, half_up: int, down: int
) -> None:
    """One fen, flat and in bands: no millionth is added or lost on the way."""
    flat = Schedule.of((Bracket(None, rate_ppm),), yearly=False)
    bands = Schedule.of(
        (Bracket(5, rate_ppm), Bracket(None, rate_ppm)), yearly=True
    )  # fmt: skip
    for schedule in (flat, bands):
        assert rate(schedule, 7, 1, HALF_UP) == half_up
        assert rate(schedule, 4, 1, DOWN) == down

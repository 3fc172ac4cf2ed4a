"""Edges of single detectors, and of the windows that they share."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.domain.calendar import SHANGHAI
from settlement.domain.watch.detecting import (
    find_signals,
    reach_days,
    reach_of,
    signals_about,
)
from settlement.domain.watch.peers import Spread, rate_ppm
from settlement.domain.watch.seen import SeenClaim, netted
from settlement.domain.watch.signal import Signal, SubjectKind
from settlement.domain.watch.windows import Amounts, Distinct, patterns, united
from tests.watch.watched import declined, rules, seen, undone


def _of(detector: str, *claims: SeenClaim) -> list[Signal]:
    found = find_signals(SubjectKind.PERSON, claims, rules())
    return [signal for signal in found if signal.detector == detector]


def _position(claim: SeenClaim) -> int:
    return claim.total_fen


@given(
    st.lists(st.integers(0, 40), max_size=14),
    st.integers(1, 9),
    st.integers(1, 5),
    st.integers(1, 3),
)
def test_patterns_are_the_windows_that_hold_too_much(
    places: list[int], width: int, many: int, at_most: int
) -> None:
    """Beside the plainest way: try every window, and join those that share a claim."""
    claims = [
        seen(f"c{number}", total_fen=place, facility=number % 2)
        for number, place in enumerate(sorted(places))
    ]

    def is_many(window: list[SeenClaim]) -> bool:
        sides = [sum(c.facility == side for c in window) for side in (0, 1)]
        return sum(min(side, at_most) for side in sides) >= many

    windows = [
        claims[first:last]
        for first in range(len(claims))
        for last in range(first + 1, len(claims) + 1)
        if claims[last - 1].total_fen - claims[first].total_fen < width
        and is_many(claims[first:last])
    ]
    tally = Distinct(many, lambda claim: claim.facility, at_most)
    found = patterns(claims, _position, width, tally)

    assert sorted([c.id for c in run] for run in found) == sorted(
        sorted((c.id for c in group), key=lambda one: int(one[1:]))
        for group in united(windows)
    )


@given(st.lists(st.integers(1, 40), max_size=14), st.integers(1, 5))
def test_amounts_are_added_up_within_the_window(fen: list[int], many: int) -> None:
    """A window holds too much when it has enough bills, and they reach the limit."""
    claims = [seen(f"c{n}", total_fen=n, aid_fen=aid) for n, aid in enumerate(fen)]
    tally = Amounts(many, lambda claim: claim.aid_fen, 60)
    found = {c.id for run in patterns(claims, _position, 4, tally) for c in run}
    expected = {
        claim.id
        for first in range(len(claims))
        for window in [claims[first : first + length] for length in range(1, 5)]
        if len(window) >= many and sum(c.aid_fen for c in window) >= 60
        for claim in window
    }

    assert found == expected


def test_netted_is_what_stands() -> None:
    """Undone and declined claims are dropped, the rest is in order."""
    late, early = seen("a", date(2026, 1, 6)), seen("b", date(2026, 1, 5))

    assert netted([late, undone(seen("c")), declined(seen("d"), "MA-2101"), early]) == [
        early,
        late,
    ]


def test_second_bill_that_was_named_scores_less() -> None:
    """The cashier said so; equal to the fen, it is still looked at."""
    first, copy = seen("a"), seen("b", repeat_reason="second_bill")
    (named,) = _of("exact-repeat", first, copy)
    (silent,) = _of("exact-repeat", first, seen("b"))

    assert (named.score, silent.score) == (60, 80)


def test_most_visits_are_those_of_one_window() -> None:
    """A pattern may be longer than its windows; the eighth day is in another."""
    days = (5, 6, 7, 8, 9, 10, 12)
    (found,) = _of(
        "too-frequent",
        *(seen(f"v{d}", date(2026, 1, d), diagnoses=(f"I{d:02}",)) for d in days),
    )

    facts = dict(found.facts)
    assert (facts["visits"], facts["most"]) == (7, 6)


@pytest.mark.parametrize(
    ("at", "is_timed"),
    [
        (time(0), False),
        (time(8), False),
        (time(9), False),
        (time(0, 0, 1), True),
        (time(9, 0, 0, 1000), True),
        (time(9, 1), True),
        (time(10), True),
        (time(16), True),
    ],
)
def test_time_that_stands_for_none_is_no_time(at: time, is_timed: bool) -> None:
    """Midnight in Shanghai and in UTC, and opening time, to the second."""
    made = datetime.combine(date(2026, 1, 5), at, SHANGHAI)

    for instant in (made, made.astimezone(UTC)):
        claim = seen("a")._replace(occurred_at=instant)
        assert rules().reading.is_timed(claim) is is_timed


def test_stays_longer_than_looked_for_overlap_unseen() -> None:
    """What began more than `longest` days apart is out of reach for everybody."""
    long = {"care_type": "inpatient", "service_end": date(2026, 7, 1)}
    first = seen("a", date(2026, 1, 1), **long)
    near = seen("b", date(2026, 4, 3), facility=2, **long)
    far = seen("c", date(2026, 4, 4), facility=2, **long)

    assert [s.claims for s in _of("overlapping-stays", first, near)] == [(b"a", b"b")]
    assert _of("overlapping-stays", first, far) == []


def test_equal_stays_are_told_once() -> None:
    """As an exact repeat, not as an overlap besides."""
    stay = seen("a", care_type="inpatient", service_end=date(2026, 1, 9))
    found = find_signals(SubjectKind.PERSON, [stay, stay._replace(id=b"b")], rules())

    assert [signal.detector for signal in found] == ["exact-repeat"]


def test_desk_is_quick_where_nothing_is_near() -> None:
    """Other days, other hospitals, other care: no detector looks further."""
    claim = seen("new", diagnoses=("I10",), care_type="inpatient", at=time(10, 5))
    history = [
        seen("day", date(2025, 12, 1), total_fen=500, diagnoses=("J06",)),
        seen("place", facility=2, place="990100002", at=time(18)),
        seen("stay", date(2025, 11, 1), care_type="inpatient", facility=3),
    ]

    assert signals_about(claim, [], rules()) == []
    assert signals_about(claim, history, rules()) == []
    assert signals_about(claim, [*history, claim], rules()) == []


def test_two_bills_of_one_place_are_no_way_between_places() -> None:
    """Both lie within minutes of the third, and the score knows how near."""
    one, two = seen("a", at=time(10, 5)), seen("b", at=time(10, 6))
    there = seen("c", at=time(10, 25), facility=2, place="990100002")
    (signal,) = _of("impossible-travel", one, two, there)

    assert _of("impossible-travel", one, two) == []
    assert signal.claims == (b"a", b"b", b"c")
    assert dict(signal.facts)["minutes"] == 19
    assert signal.score == 50


def test_half_an_hour_between_known_places_is_still_too_short() -> None:
    """To the second; where a place is not known, nothing is said."""
    here = seen("a", at=time(10, 5))
    there = seen("b", at=time(10, 35), facility=2, place="990100002")
    later = there._replace(occurred_at=there.occurred_at + timedelta(seconds=1))

    assert [s.claims for s in _of("impossible-travel", here, there)] == [(b"a", b"b")]
    assert _of("impossible-travel", here, later) == []
    assert _of("impossible-travel", here, there._replace(place="")) == []


def test_bill_on_a_limit_is_not_under_it() -> None:
    """A cap cuts off there; one fen below is another matter."""
    days = [date(2026, 1, day) for day in (5, 15, 25, 30)]

    def at_edge(aid_fen: int) -> list[Signal]:
        bills = [
            seen(f"c{day.day}", day, aid_fen=aid_fen, diagnoses=(f"D{day.day}",))
            for day in days
        ]
        return _of("limit-edge", *bills)

    def split(aid_fen: int) -> list[Signal]:
        return _of("split-bills", seen("a", aid_fen=aid_fen), seen("b", aid_fen=30_000))

    assert at_edge(50_000) == split(50_000) == []
    assert len(at_edge(49_999)) == len(split(49_999)) == 1


def test_retry_of_a_declined_bill_is_one_attempt() -> None:
    """All of it is listed; only different bills score."""
    tries = [declined(seen(name), "MA-2102") for name in ("a", "b")]
    (signal,) = _of("ended-card", *tries)

    assert signal.claims == (b"a", b"b")
    assert dict(signal.facts)["attempts"] == 1
    assert signal.score == 30


def test_household_must_meet_at_one_hospital() -> None:
    """Two days here and two there are no lockstep."""
    claims = [
        seen(f"{person}{day}", date(2026, 1, day), person=person.encode(),
             facility=1 + where % 2 * alternate, at=time(10, minute))
        for alternate in (0, 1)
        for where, day in enumerate((5, 8, 12, 15))
        for person, minute in (("p", 1), ("q", 3))
    ]  # fmt: skip

    def found(members: list[SeenClaim]) -> list[Signal]:
        return find_signals(SubjectKind.HOUSEHOLD, members, rules())

    assert len(found(claims[:8])) == 1
    assert found(claims[8:]) == []


def test_long_prescription_is_remembered_for_twelve_weeks() -> None:
    """A longer one is taken as one of these, so that the reach ends."""
    first = seen("a", prescription_days=300, diagnoses=("I10",))
    soon, late = (
        seen("b", first.service_start + timedelta(days), prescription_days=30,
             diagnoses=("I10",))
        for days in (46, 47)
    )  # fmt: skip

    assert [dict(s.facts)["prescribed"] for s in _of("too-soon", first, soon)] == [84]
    assert _of("too-soon", first, late) == []
    assert signals_about(soon, [first], rules()) == _of("too-soon", first, soon)


def test_reach_says_what_must_be_read() -> None:
    """In days for persons and households, in minutes for operators."""
    assert reach_days(SubjectKind.PERSON, rules()) == 184
    assert reach_days(SubjectKind.HOUSEHOLD, rules()) == 90
    assert reach_days(SubjectKind.OPERATOR, rules()) == 1
    assert reach_of(SubjectKind.OPERATOR, rules()) == timedelta(minutes=40)
    assert reach_days(SubjectKind.FACILITY, rules()) == 0


def test_detectors_of_others_than_persons_rule_nothing_out() -> None:
    """Only the desk asks beforehand, and only about persons."""
    burst = rules().detectors["operator-burst"].detector

    assert burst.could(seen("a"), [])


_RATES = st.integers(0, 1_000_000)


@given(st.lists(_RATES, min_size=2, max_size=12), st.data())
def test_fewer_than_half_of_the_peers_cannot_move_the_middle(
    honest: list[int], data: st.DataObject
) -> None:
    """Whatever the others do, median and MAD stay within what the honest show."""
    others = data.draw(st.lists(_RATES, max_size=len(honest) - 1))
    spread = Spread.of([*honest, *others])

    assert min(honest) <= spread.median_ppm <= max(honest)
    assert 0 <= spread.mad_ppm <= max(honest) - min(honest)


def test_rare_event_of_a_large_hospital_is_no_outlier_by_chance() -> None:
    """Above the spread of the peers, but not beyond what so few claims do."""
    spread = Spread.of([20_000, 20_000, 20_000, 20_000, 20_000])

    assert not spread.is_far(2, 50, 35)
    assert spread.is_far(6, 50, 35)
    assert not spread.is_far(1, 50, 35)
    assert rate_ppm(1, 3) == 333_333

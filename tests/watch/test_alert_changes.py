"""From signals to alerts: the same alerts are left, whatever came in which order."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from settlement.domain.watch.changes import (
    AlertChange,
    Change,
    Raise,
    StoredAlert,
    Withdraw,
    alert_id,
    changes,
    subject_digest,
)
from settlement.domain.watch.signal import Signal, Subject, SubjectKind

PERSON = Subject(SubjectKind.PERSON, token=b"p" * 16)


def claim(day: int) -> bytes:
    """The id of a claim on a day; its order is the days' order."""
    return day.to_bytes(16)


def signal(*days: int, score: int = 50, detector: str = "near") -> Signal:
    """Three or more days side by side."""
    ids = tuple(claim(day) for day in sorted(days))
    return Signal(detector, PERSON, ids, ids[-1], score, (("count", len(ids)),))


def near_days(days: set[int]) -> list[Signal]:
    """A plain detector: runs of at least three days without a gap above two."""
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and day - runs[-1][-1] <= 2:
            runs[-1].append(day)
        else:
            runs.append([day])
    return [signal(*run) for run in runs if len(run) >= 3]


class Book:
    """Stored alerts, changed as the watch changes them."""

    def __init__(self) -> None:
        """Nothing is stored."""
        self.alerts: dict[bytes, StoredAlert] = {}

    def take(self, signals: list[Signal], looked_at: set[bytes]) -> list[AlertChange]:
        """Apply what the signals mean."""
        made = changes(signals, self.alerts.values(), looked_at)
        for change in made:
            match change:
                case Raise(id=identity, signal=found, is_new=is_new):
                    assert is_new == (identity not in self.alerts)
                    self._put(identity, found, frozenset(found.claims))
                case Change(id=identity, signal=found, kept=kept):
                    self._put(identity, found, kept.union(found.claims))
                case Withdraw(id=identity):
                    old = self.alerts[identity]
                    assert not old.is_withdrawn
                    self.alerts[identity] = replace(old, is_withdrawn=True)
        return made

    def _put(self, identity: bytes, found: Signal, claims: frozenset[bytes]) -> None:
        held = self.alerts.get(identity)
        self.alerts[identity] = StoredAlert(
            id=identity,
            detector=found.detector,
            subject=subject_digest(found.subject),
            claims=claims,
            latest=found.latest,
            score=found.score,
            facts=found.facts,
            is_withdrawn=False,
            order=len(self.alerts) if held is None else held.order,
        )

    def standing(self) -> set[tuple[frozenset[bytes], int]]:
        """What holds."""
        return {
            (alert.claims, alert.score)
            for alert in self.alerts.values()
            if not alert.is_withdrawn
        }


def test_an_alert_is_raised_once() -> None:
    """Found again it is the same alert."""
    book = Book()
    found = signal(1, 2, 3)
    days = set(found.claims)
    assert book.take([found], days) == [Raise(alert_id(found), found, is_new=True)]
    assert book.take([found], days) == []


def test_a_late_claim_enlarges_it() -> None:
    """It keeps its id."""
    book = Book()
    book.take([signal(1, 2, 3)], {claim(1), claim(2), claim(3)})
    larger = signal(1, 2, 3, 4)
    (change,) = book.take([larger], set(larger.claims))
    assert change == Change(alert_id(signal(1, 2, 3)), larger, frozenset())


def test_another_score_or_fact_or_latest_is_a_change() -> None:
    """Whatever it says otherwise is told."""
    found = signal(1, 2, 3)
    for other in (
        replace(found, score=51),
        replace(found, facts=(("count", 4),)),
        replace(found, latest=claim(1)),
    ):
        book = Book()
        book.take([found], set(found.claims))
        assert [type(each) for each in book.take([other], set(found.claims))] == [
            Change
        ]


def test_a_reversal_ends_it_and_a_claim_brings_it_back() -> None:
    """Withdrawn once, and raised again under its id."""
    book = Book()
    found = signal(1, 2, 3)
    book.take([found], set(found.claims))
    assert book.take([], set(found.claims)) == [Withdraw(alert_id(found))]
    assert book.take([], set(found.claims)) == []
    (again,) = book.take([found], set(found.claims))
    assert again == Raise(alert_id(found), found, is_new=False)


def test_what_was_not_looked_at_is_left() -> None:
    """Claims out of sight are neither dropped nor judged."""
    book = Book()
    found = signal(1, 2, 3, 4)
    book.take([found], set(found.claims))
    assert book.take([], {claim(3), claim(4)}) == []
    later = signal(4, 5, 6)
    (change,) = book.take([later], set(later.claims))
    assert isinstance(change, Change)
    assert change.kept == {claim(1), claim(2), claim(3)}
    assert book.standing() == {(frozenset(map(claim, range(1, 7))), 50)}


def test_two_that_become_one_leave_the_older() -> None:
    """The younger one is withdrawn."""
    book = Book()
    first, second = signal(10, 11, 12), signal(1, 2, 3)
    book.take([first], set(first.claims))
    book.take([second], set(second.claims))
    both = signal(1, 2, 3, 10, 11, 12)
    made = book.take([both], set(both.claims))
    assert made == [
        Change(alert_id(first), both, frozenset()),
        Withdraw(alert_id(second)),
    ]


def test_one_that_splits_leaves_two_with_ids_of_their_own() -> None:
    """No id is given twice."""
    book = Book()
    first = signal(7, 8, 9)
    book.take([first], set(first.claims))
    whole = signal(1, 2, 3, 7, 8, 9)
    book.take([whole], set(whole.claims))
    # The older id stays with the first part; the second part has its claims at first.
    made = book.take([signal(1, 2, 3), signal(7, 8, 9)], set(whole.claims))
    assert [type(each) for each in made] == [Change, Raise]
    assert len({each.id for each in made}) == 2
    assert len(book.standing()) == 2


def test_detectors_and_subjects_are_told_apart() -> None:
    """The same claims may mean several things."""
    other = Subject(SubjectKind.PERSON, token=b"q" * 16)
    found = [
        signal(1, 2, 3),
        signal(1, 2, 3, detector="far"),
        replace(signal(1, 2, 3), subject=other),
    ]
    book = Book()
    made = book.take(found, {claim(1), claim(2), claim(3)})
    assert len({each.id for each in made}) == 3


def test_digests_tell_every_kind_of_subject_apart() -> None:
    """Also where their parts look alike."""
    subjects = [
        PERSON,
        Subject(SubjectKind.HOUSEHOLD, token=b"p" * 16),
        Subject(SubjectKind.FACILITY, facility=1),
        Subject(SubjectKind.FACILITY, facility=11),
        Subject(SubjectKind.OPERATOR, facility=1, operator="1"),
        Subject(SubjectKind.OPERATOR, facility=1, operator="2"),
    ]
    assert len({subject_digest(each) for each in subjects}) == len(subjects)
    assert all(len(subject_digest(each)) == 16 for each in subjects)


@given(
    st.lists(st.integers(0, 40), unique=True, max_size=25),
    st.sets(st.integers(0, 40), max_size=8),
)
def test_the_order_of_claims_and_reversals_does_not_matter(
    days: list[int], undone: set[int]
) -> None:
    """Claims one by one, some undone later: what is left is what all together say."""
    standing: set[int] = set()
    seen: set[bytes] = set()
    book = Book()
    for day in days:
        standing.add(day)
        seen.add(claim(day))
        book.take(near_days(standing), seen)
    for day in undone:
        standing.discard(day)
        book.take(near_days(standing), seen)
    expected = {(frozenset(each.claims), each.score) for each in near_days(standing)}
    assert book.standing() == expected

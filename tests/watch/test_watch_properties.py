"""What holds of every detector, whatever the claims."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from settlement.domain.watch.detecting import find_signals, signals_about
from settlement.domain.watch.detector import Detector
from settlement.domain.watch.history import History
from settlement.domain.watch.seen import SeenClaim, by_time
from settlement.domain.watch.signal import Signal, Subject, SubjectKind
from tests.watch.watched import SUBJECTS, claims_of_one, rules, seen, undone

_UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
_KINDS = st.sampled_from(list(SubjectKind))


@st.composite
def subjects(draw: st.DrawFn) -> tuple[SubjectKind, list[SeenClaim]]:
    """All claims of one subject of any kind."""
    kind = draw(_KINDS)
    return kind, draw(SUBJECTS[kind])


@_UNHURRIED
@given(subjects(), st.randoms(use_true_random=False))
def test_order_of_claims_never_matters(
    subject: tuple[SubjectKind, list[SeenClaim]], chance: random.Random
) -> None:
    """A claim that comes late, or twice, changes nothing but by what it says."""
    kind, claims = subject
    shuffled = [*claims, *claims]
    chance.shuffle(shuffled)

    assert find_signals(kind, shuffled, rules()) == find_signals(kind, claims, rules())


@_UNHURRIED
@given(subjects())
def test_signals_list_claims_that_are_there(
    subject: tuple[SubjectKind, list[SeenClaim]],
) -> None:
    """In their order, each once; the latest is one of them; no two are the same."""
    kind, claims = subject
    known = {claim.id: claim for claim in claims}
    found = find_signals(kind, claims, rules())

    for signal in found:
        listed = [known[claim_id] for claim_id in signal.claims]
        assert len(set(signal.claims)) == len(listed)
        if signal.detector not in {"during-stay", "operator-burst"}:
            assert listed == sorted(listed, key=by_time)
        assert signal.latest in signal.claims
        assert 0 <= signal.score <= 100
        assert signal.subject.kind is kind
    listed_sets = [(s.detector, frozenset(s.claims)) for s in found]
    assert len(set(listed_sets)) == len(listed_sets)


@_UNHURRIED
@given(subjects(), st.data())
def test_cancelled_pair_changes_nothing(
    subject: tuple[SubjectKind, list[SeenClaim]], data: st.DataObject
) -> None:
    """What was settled and undone is netted, but where loops are looked for."""
    kind, claims = subject
    twin = data.draw(st.sampled_from(claims))
    moved = twin._replace(id=b"twin", is_approved=True, reason="MA-2000")
    pair = undone(moved, data.draw(st.sampled_from(["refund", "timeout", "mistake"])))

    before = find_signals(kind, claims, rules())
    after = find_signals(kind, [*claims, pair], rules())

    assert _but_loops(before) == _but_loops(after)


def _but_loops(found: list[Signal]) -> list[Signal]:
    return [signal for signal in found if signal.detector != "reversal-loop"]


@_UNHURRIED
@given(subjects(), st.data())
def test_further_claim_clears_nobody(
    subject: tuple[SubjectKind, list[SeenClaim]], data: st.DataObject
) -> None:
    """What is in a signal stays in one when a visit is added.

    Except of too-soon, where more visits may show a course of treatment.
    """
    kind, claims = subject
    claims = claims if len(claims) > 1 else [*claims, seen("more")]
    added = data.draw(st.sampled_from(claims))

    without = [claim for claim in claims if claim.id != added.id]
    before = _listed(find_signals(kind, without, rules()))
    after = _listed(find_signals(kind, claims, rules()))

    assert before <= after


def _listed(found: list[Signal]) -> set[tuple[str, bytes]]:
    return {
        (signal.detector, claim)
        for signal in found
        if signal.detector != "too-soon"
        for claim in signal.claims
    }


#: Claims far enough apart that some lie beyond reach.
_SPREAD = {
    SubjectKind.PERSON: claims_of_one(most=20, days=250),
    SubjectKind.HOUSEHOLD: claims_of_one(persons=3, most=30, days=120),
    SubjectKind.OPERATOR: claims_of_one(persons=9, most=25, days=1),
}


@pytest.mark.parametrize(
    "detector",
    [
        rule.detector
        for rule in rules().detectors.values()
        if rule.detector.kind in _SPREAD
    ],
    ids=lambda detector: detector.name,
)
@_UNHURRIED
@given(st.data())
def test_claims_within_reach_say_the_same(
    detector: Detector, data: st.DataObject
) -> None:
    """Given those within reach of a claim, it is in a signal exactly if given all.

    What is found so is part of what all claims show: patterns longer than the reach
    are seen in part, and share claims with the whole.
    """
    claims = data.draw(_SPREAD[detector.kind])
    middle = data.draw(st.sampled_from(claims))
    near = [claim for claim in claims if _is_within(detector, claim, middle)]
    of_all = _holding(middle, _found(detector, claims))
    of_near = _holding(middle, _found(detector, near))

    assert len(of_near) == len(of_all)
    for part, whole in zip(of_near, of_all, strict=True):
        assert set(part.claims) <= set(whole.claims)
        if set(whole.claims) <= {claim.id for claim in near}:
            assert part == whole


@pytest.mark.parametrize(
    ("detector", "claims"),
    [
        pytest.param(rule.detector, case.claims, id=f"{rule.name}-{case.name}")
        for rule in rules().detectors.values()
        for case in rule.cases
        if case.claims
    ],
)
def test_worked_case_lies_within_reach(
    detector: Detector, claims: tuple[SeenClaim, ...]
) -> None:
    """Seen from any of its claims, what the document shows is seen as a whole."""
    for middle in claims:
        near = [claim for claim in claims if _is_within(detector, claim, middle)]

        assert _holding(middle, _found(detector, near)) == _holding(
            middle, _found(detector, list(claims))
        )


def _is_within(detector: Detector, claim: SeenClaim, middle: SeenClaim) -> bool:
    if detector.kind is SubjectKind.OPERATOR:
        return abs(claim.occurred_at - middle.occurred_at) <= detector.reach
    days = -(-detector.reach // timedelta(days=1))
    return abs(claim.service_start - middle.service_start) <= timedelta(days)


def _found(detector: Detector, claims: list[SeenClaim]) -> list[Signal]:
    history = History.of(Subject(detector.kind), claims, rules().reading)
    return sorted(detector.find(history), key=lambda signal: signal.claims)


def _holding(claim: SeenClaim, found: list[Signal]) -> list[Signal]:
    return [signal for signal in found if claim.id in signal.claims]


@_UNHURRIED
@given(claims_of_one(), st.data())
def test_desk_finds_what_holds_the_claim(
    claims: list[SeenClaim], data: st.DataObject
) -> None:
    """The short way leaves nothing out and adds nothing."""
    claim = data.draw(st.sampled_from(claims))
    history = [other for other in claims if other.id != claim.id]
    everything = find_signals(SubjectKind.PERSON, claims, rules())

    assert signals_about(claim, history, rules()) == _holding(claim, everything)


@pytest.mark.parametrize("kind", SubjectKind)
def test_nothing_shows_nothing(kind: SubjectKind) -> None:
    """No claims, no signal."""
    assert find_signals(kind, [], rules()) == []


@_UNHURRIED
@given(_KINDS, claims_of_one(most=1))
def test_single_honest_claim_shows_nothing(
    kind: SubjectKind, claims: list[SeenClaim]
) -> None:
    """Only a card whose eligibility had ended is told at once."""
    found = find_signals(kind, claims, rules())

    is_ended = claims[0].reason == "MA-2102" and kind is SubjectKind.PERSON
    assert [signal.detector for signal in found] == ["ended-card"] * is_ended

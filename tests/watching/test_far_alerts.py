"""An alert far from what is new is not withdrawn by another detector's signal."""

from __future__ import annotations

from settlement.domain.watch.changes import StoredAlert, subject_digest
from settlement.domain.watch.signal import Signal, Subject, SubjectKind
from settlement.service.watch.storing import Found, _changes
from settlement.store.alerts import HeldAlert

_PERSON = Subject(SubjectKind.PERSON, token=b"p" * 16)
_OLD, _SHARED, _NEW = b"old", b"shared", b"new"


def _held(*claims: bytes) -> HeldAlert:
    alert = StoredAlert(
        id=b"a" * 16,
        detector="split-bills",
        subject=subject_digest(_PERSON),
        claims=frozenset(claims),
        latest=claims[-1],
        score=50,
        facts=(),
        is_withdrawn=False,
        order=1,
    )
    return HeldAlert(alert, "raised", None, None)


def _found(detector: str, near: frozenset[bytes]) -> Found:
    claims = (_SHARED, _NEW)
    signal = Signal(detector, _PERSON, claims, _NEW, 40, ())
    return Found(_PERSON, [signal], frozenset({_OLD, _SHARED, _NEW}), near, 1)


def test_silence_far_from_what_is_new_withdraws_nothing() -> None:
    """A long signal of another detector reaches into it, and that is all."""
    held = [_held(_OLD, _SHARED)]

    made = _changes(_found("limit-edge", frozenset({_NEW})), held)

    assert [type(change).__name__ for change in made] == ["Raise"]


def test_near_what_is_new_silence_withdraws() -> None:
    """There all signals are known, and one that is missing holds no more."""
    held = [_held(_OLD, _SHARED)]

    made = _changes(_found("limit-edge", frozenset({_SHARED, _NEW})), held)

    assert sorted(type(change).__name__ for change in made) == ["Raise", "Withdraw"]


def test_a_signal_of_its_own_detector_finds_it_again() -> None:
    """However far it lies from what is new."""
    held = [_held(_OLD, _SHARED)]

    made = _changes(_found("split-bills", frozenset({_NEW})), held)

    assert [type(change).__name__ for change in made] == ["Change"]

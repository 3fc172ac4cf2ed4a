"""From what the detectors say of subjects to alerts, cases and events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

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
from settlement.domain.watch.detector import MOST_LISTED
from settlement.domain.watch.detectors import DETECTORS
from settlement.domain.watch.detectors.outliers import Outlier
from settlement.domain.watch.signal import Signal, Subject, SubjectKind
from settlement.store import alerts as rows

if TYPE_CHECKING:
    from settlement.store.database import Session

_ID_BYTES = 16
#: Detectors that look at the months of many, not at the claims of one.
COMPARING = frozenset(
    name for name, detector in DETECTORS.items() if issubclass(detector, Outlier)
)
#: Staff have judged what was in the case.
_CLOSED = frozenset({"confirmed", "dismissed", "recovered"})


@dataclass(frozen=True, slots=True)
class Found:
    """What the detectors say of one subject around what is new."""

    subject: Subject
    signals: Sequence[Signal]
    looked_at: frozenset[bytes]
    """Every claim that they were given."""
    near: frozenset[bytes]
    """Claims so near to what is new that all signals with one of them are known."""
    rules_no: int
    is_comparison: bool = False
    """By those detectors alone that compare with peers; otherwise by all others."""


@dataclass(slots=True)
class _Writing:
    """What one look writes."""

    at: datetime
    muted: set[tuple[str, bytes]]
    held: dict[bytes, rows.HeldAlert]
    gathering: dict[bytes, bytes]
    new: list[tuple[rows.AlertRow, str, bytes | None]] = field(default_factory=list)
    changed: list[tuple[rows.AlertRow, str, bytes | None]] = field(default_factory=list)
    withdrawn: list[bytes] = field(default_factory=list)
    claims: list[tuple[bytes, Sequence[bytes]]] = field(default_factory=list)
    opened: dict[bytes, rows.CaseRow] = field(default_factory=dict)
    events: list[tuple[bytes, str]] = field(default_factory=list)
    cases: set[bytes] = field(default_factory=set)


async def store(session: Session, found: Iterable[Found], at: datetime) -> int:
    """Let the stored alerts say what was found; how many changed.

    Call it with the cursor locked: nobody else writes alerts meanwhile.
    """
    digests = {subject_digest(each.subject): each for each in found}
    about = [_case_subject(each.subject) for each in digests.values()]
    # Before alerts are read: what staff have judged by then is not judged again.
    gathering = await rows.gathering_cases(session, about)
    known = await rows.subjects_of_alerts(session, list(digests))
    if not known and not any(each.signals for each in digests.values()):
        return 0
    touched = set().union(*(_touched(digests[digest]) for digest in known))
    stored = await rows.alerts_touched(session, list(known), touched)
    held: dict[bytes, list[rows.HeldAlert]] = {}
    for alert in stored:
        held.setdefault(alert.alert.subject, []).append(alert)
    made = [
        (change, each.rules_no)
        for digest, each in sorted(digests.items())
        for change in _changes(each, held.get(digest, []))
    ]
    if not made:
        return 0
    writing = _Writing(
        at,
        await rows.muted_pairs(session, list(digests)),
        {each.alert.id: each for each in stored},
        gathering,
    )
    new = {c.id for c, _ in made if isinstance(c, Raise) and c.is_new}
    taken = await rows.taken_ids(session, new)
    for change, rules_no in made:
        _note(writing, _free(change, taken), rules_no)
    await _write(session, writing)
    return len(made)


def _touched(found: Found) -> set[bytes]:
    """Claims whose alerts may have to say something else."""
    return set(found.near).union(*(signal.claims for signal in found.signals))


def _changes(found: Found, held: Iterable[rows.HeldAlert]) -> list[AlertChange]:
    """What has to be done about one subject.

    An alert that staff have judged, with its case, stays as it was then. What it held
    raises no other; where further claims join them, that is an alert of its own.
    """
    held = [
        each
        for each in held
        if _is_about(found, each.alert)
        # Who did not look has nothing to say about an alert.
        and (each.alert.detector in COMPARING) == found.is_comparison
    ]
    judged = [each.alert for each in held if _is_judged(each)]
    signals = [
        signal
        for signal in found.signals
        if not any(
            alert.detector == signal.detector and alert.claims.issuperset(signal.claims)
            for alert in judged
        )
    ]
    own = [each.alert for each in held if not _is_judged(each)]
    return changes(signals, own, found.looked_at)


def _is_about(found: Found, alert: StoredAlert) -> bool:
    """Whether what was found has something to say of an alert.

    Far from what is new, signals were left out that hold as before: there, an alert
    is spoken of by a signal of its own detector alone, never by another's silence.
    """
    return not found.near.isdisjoint(alert.claims) or any(
        signal.detector == alert.detector and not alert.claims.isdisjoint(signal.claims)
        for signal in found.signals
    )


def _is_judged(held: rows.HeldAlert) -> bool:
    return held.state == "raised" and held.case_state in _CLOSED


def _free(change: AlertChange, taken: set[bytes]) -> AlertChange:
    """The same under an id that no alert has, not even one that holds others now."""
    if isinstance(change, Raise) and change.is_new and change.id in taken:
        return replace(change, id=alert_id(change.signal, taken))
    return change


def _note(writing: _Writing, change: AlertChange, rules_no: int) -> None:
    match change:
        case Raise(id=identity, signal=signal, is_new=is_new):
            state = _state(writing, signal)
            case_id = _gather(writing, signal, identity) if state == "raised" else None
            row = _row(identity, signal, rules_no)
            (writing.new if is_new else writing.changed).append((row, state, case_id))
            writing.claims.append((identity, signal.claims))
            writing.events.append((identity, state))
        case Change(id=identity, signal=signal, kept=kept):
            _note_change(writing, identity, signal, kept, rules_no)
        case Withdraw(id=identity):
            held = writing.held[identity]
            writing.withdrawn.append(identity)
            if held.state != "muted":
                writing.events.append((identity, "withdrawn"))
            _touch(writing, held.case_id)


def _note_change(
    writing: _Writing,
    identity: bytes,
    signal: Signal,
    kept: frozenset[bytes],
    rules_no: int,
) -> None:
    held = writing.held[identity]
    is_shown, case_id = held.state == "raised", held.case_id
    state = "raised" if is_shown else _state(writing, signal)
    if state == "raised":
        # One that was muted when it was raised has no case yet.
        case_id = case_id if is_shown else _gather(writing, signal, identity)
        writing.events.append((identity, "changed" if is_shown else "raised"))
    writing.changed.append((_row(identity, signal, rules_no), state, case_id))
    # Of one that never ends, what it had before is let go.
    keeps = kept if len(kept) <= MOST_LISTED else frozenset()
    writing.claims.append((identity, sorted(keeps.union(signal.claims))))
    _touch(writing, case_id)


def _state(writing: _Writing, signal: Signal) -> str:
    pair = (signal.detector, subject_digest(signal.subject))
    return "muted" if pair in writing.muted else "raised"


def _touch(writing: _Writing, case_id: bytes | None) -> None:
    if case_id is not None:
        writing.cases.add(case_id)


def _gather(writing: _Writing, signal: Signal, identity: bytes) -> bytes:
    """The open case about the alert's person, household or hospital."""
    about = _case_subject(signal.subject)
    case_id = writing.gathering.get(about)
    if case_id is None:
        content = b"case\n" + about + identity + writing.at.isoformat().encode()
        case_id = sha256(content).digest()[:_ID_BYTES]
        writing.gathering[about] = case_id
        subject = signal.subject
        writing.opened[case_id] = rows.CaseRow(
            id=case_id,
            subject=about,
            person=subject.token if subject.kind is SubjectKind.PERSON else None,
            household=subject.token if subject.kind is SubjectKind.HOUSEHOLD else None,
            facility_id=subject.facility,
            score=signal.score,
            opened_at=writing.at,
        )
    writing.cases.add(case_id)
    return case_id


def _case_subject(subject: Subject) -> bytes:
    """What a case gathers by: an operator's alerts belong to the hospital's."""
    if subject.kind is SubjectKind.OPERATOR:
        return subject_digest(Subject(SubjectKind.FACILITY, facility=subject.facility))
    return subject_digest(subject)


def _row(identity: bytes, signal: Signal, rules_no: int) -> rows.AlertRow:
    subject = signal.subject
    return rows.AlertRow(
        id=identity,
        detector=signal.detector,
        subject=subject_digest(subject),
        person=subject.token if subject.kind is SubjectKind.PERSON else None,
        household=subject.token if subject.kind is SubjectKind.HOUSEHOLD else None,
        facility_id=subject.facility,
        operator=subject.operator,
        score=signal.score,
        facts=rows.facts_json(signal.facts),
        latest=signal.latest,
        rules_no=rules_no,
    )


async def _write(session: Session, writing: _Writing) -> None:
    await rows.open_cases(session, list(writing.opened.values()))
    await rows.insert_alerts(session, writing.new, writing.at)
    await rows.update_alerts(session, writing.changed, writing.at)
    await rows.withdraw_alerts(session, writing.withdrawn, writing.at)
    await rows.put_claims(session, writing.claims)
    await rows.score_cases(session, sorted(writing.cases))
    await rows.put_events(session, writing.events, writing.at)

"""From what the detectors say of subjects to alerts, cases and events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from settlement.domain.watch.changes import (
    AlertChange,
    Change,
    Raise,
    Withdraw,
    changes,
    subject_digest,
)
from settlement.domain.watch.signal import Signal, Subject, SubjectKind
from settlement.store import alerts as rows

if TYPE_CHECKING:
    from settlement.store.database import Session

_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Found:
    """What the detectors say of one subject, given these claims of it."""

    subject: Subject
    signals: Sequence[Signal]
    looked_at: frozenset[bytes]


@dataclass(slots=True)
class _Writing:
    """What one look writes."""

    rules_no: int
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


async def store(
    session: Session, found: Iterable[Found], rules_no: int, at: datetime
) -> int:
    """Let the stored alerts say what was found; how many changed.

    Call it with the cursor locked: nobody else writes alerts meanwhile.
    """
    found = [each for each in found if each.signals or each.looked_at]
    digests = {subject_digest(each.subject): each for each in found}
    stored = await rows.alerts_of(session, list(digests))
    if not stored and not any(each.signals for each in found):
        return 0
    about = list(digests) + [_case_subject(each.subject) for each in found]
    writing = _Writing(
        rules_no,
        at,
        await rows.muted_pairs(session, about),
        {each.alert.id: each for each in stored},
        await rows.gathering_cases(session, about),
    )
    made = 0
    for digest, each in sorted(digests.items()):
        own = [held.alert for held in stored if held.alert.subject == digest]
        for change in changes(each.signals, own, each.looked_at):
            _note(writing, change)
            made += 1
    if made:
        await _write(session, writing)
    return made


def _note(writing: _Writing, change: AlertChange) -> None:
    match change:
        case Raise(id=identity, signal=signal, is_new=is_new):
            state = _state(writing, signal)
            case_id = _gather(writing, signal) if state == "raised" else None
            row = _row(identity, signal, writing.rules_no)
            (writing.new if is_new else writing.changed).append((row, state, case_id))
            writing.claims.append((identity, signal.claims))
            writing.events.append((identity, state))
        case Change(id=identity, signal=signal, kept=kept):
            state = _state(writing, signal)
            case_id = writing.held[identity].case_id
            row = _row(identity, signal, writing.rules_no)
            writing.changed.append((row, state, case_id))
            writing.claims.append((identity, sorted(kept.union(signal.claims))))
            if state == "raised":
                writing.events.append((identity, "changed"))
            _touch(writing, case_id)
        case Withdraw(id=identity):
            writing.withdrawn.append(identity)
            writing.events.append((identity, "withdrawn"))
            _touch(writing, writing.held[identity].case_id)


def _state(writing: _Writing, signal: Signal) -> str:
    pair = (signal.detector, subject_digest(signal.subject))
    return "muted" if pair in writing.muted else "raised"


def _touch(writing: _Writing, case_id: bytes | None) -> None:
    if case_id is not None:
        writing.cases.add(case_id)


def _gather(writing: _Writing, signal: Signal) -> bytes:
    """The open case about the alert's person, household or hospital."""
    about = _case_subject(signal.subject)
    case_id = writing.gathering.get(about)
    if case_id is None:
        content = b"case\n" + about + writing.at.isoformat().encode()
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

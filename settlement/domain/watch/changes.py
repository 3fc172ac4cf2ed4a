"""What signals mean for the alerts that are stored: raised, changed, withdrawn.

An alert is found again by the claims that it shares with a signal of its detector
about its subject. So a late claim enlarges it and a reversal ends it, and whatever
the order in which claims came, the alerts that are left hold the same claims.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import sha256

from settlement.domain.watch.signal import Signal, Subject

_ID_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAlert:
    """An alert as it was left."""

    id: bytes
    detector: str
    subject: bytes
    """`subject_digest` of what it is about."""
    claims: frozenset[bytes]
    latest: bytes
    score: int
    facts: tuple[tuple[str, int | str], ...]
    is_withdrawn: bool
    order: int
    """Its place among all alerts: the older one has the smaller number."""


@dataclass(frozen=True, slots=True)
class Raise:
    """A new alert, or one that was withdrawn and holds again."""

    id: bytes
    signal: Signal
    is_new: bool


@dataclass(frozen=True, slots=True)
class Change:
    """An alert whose claims, score or facts are others now."""

    id: bytes
    signal: Signal
    kept: frozenset[bytes]
    """Claims of it that were not looked at this time."""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """An alert that nothing supports any more, or that another one has taken in."""

    id: bytes


AlertChange = Raise | Change | Withdraw


def subject_digest(subject: Subject) -> bytes:
    """Sixteen bytes that stand for a subject, the same on every machine."""
    parts = (
        subject.kind.value,
        "" if subject.facility is None else str(subject.facility),
        "" if subject.token is None else subject.token.hex(),
        subject.operator or "",
    )
    return sha256("\n".join(("subject", *parts)).encode()).digest()[:_ID_BYTES]


def alert_id(signal: Signal, taken: Collection[bytes] = ()) -> bytes:
    """The id of the alert that the signal raises: by detector, subject and claims.

    Never one of those `taken`: an alert may have begun with the same claims and hold
    others now.
    """
    content = b"".join(
        (
            b"alert\n",
            signal.detector.encode(),
            b"\n",
            subject_digest(signal.subject),
            *sorted(signal.claims),
        )
    )
    made = sha256(content).digest()[:_ID_BYTES]
    while made in taken:
        made = sha256(b"again\n" + made).digest()[:_ID_BYTES]
    return made


def changes(
    signals: Iterable[Signal],
    stored: Iterable[StoredAlert],
    looked_at: Collection[bytes],
) -> list[AlertChange]:
    """What has to be done so that the stored alerts say what the signals say.

    `stored`: all alerts about the subjects of the signals. `looked_at`: ids of the
    claims that the detectors were given, standing or not; of an alert that reaches
    beyond them, the rest is kept as it is.
    """
    seen = frozenset(looked_at)
    groups: dict[tuple[str, bytes], list[StoredAlert]] = {}
    for alert in stored:
        groups.setdefault((alert.detector, alert.subject), []).append(alert)
    found: dict[tuple[str, bytes], list[Signal]] = {}
    for signal in signals:
        key = (signal.detector, subject_digest(signal.subject))
        found.setdefault(key, []).append(signal)
    return [
        change
        for key in sorted({*groups, *found})
        for change in _of_group(found.get(key, []), groups.get(key, []), seen)
    ]


def _of_group(
    signals: list[Signal], stored: list[StoredAlert], seen: frozenset[bytes]
) -> list[AlertChange]:
    made: list[AlertChange] = []
    # Those that hold come before those that were withdrawn, the oldest first.
    free = sorted(stored, key=lambda alert: (alert.is_withdrawn, alert.order))
    for signal in sorted(signals, key=lambda each: each.claims):
        sharing = [each for each in free if not each.claims.isdisjoint(signal.claims)]
        if not sharing:
            taken_ids = {alert.id for alert in stored}
            made.append(Raise(alert_id(signal, taken_ids), signal, is_new=True))
            continue
        taken = sharing[0]
        free.remove(taken)
        if taken.is_withdrawn:
            made.append(Raise(taken.id, signal, is_new=False))
        elif _differs(taken, signal, taken.claims - seen):
            made.append(Change(taken.id, signal, taken.claims - seen))
    made += [
        Withdraw(alert.id)
        for alert in free
        if not alert.is_withdrawn and alert.claims <= seen
    ]
    return made


def _differs(alert: StoredAlert, signal: Signal, kept: frozenset[bytes]) -> bool:
    return (alert.claims, alert.latest, alert.score, alert.facts) != (
        kept.union(signal.claims),
        signal.latest,
        signal.score,
        signal.facts,
    )

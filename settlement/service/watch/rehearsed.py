"""What a rehearsal of alert rules found: counted by detector, with examples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from settlement.domain.decision import Text
from settlement.domain.watch.changes import (
    Change,
    Raise,
    StoredAlert,
    Withdraw,
    changes,
)
from settlement.domain.watch.rules import AlertRules
from settlement.domain.watch.signal import Signal, Subject, SubjectKind
from settlement.domain.watch.wording import text_of
from settlement.store.rehearsing import JudgedClaim

#: Examples of each kind that are kept for a detector: the strongest.
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Looked:
    """What the rules say of one subject."""

    subject: Subject
    signals: Sequence[Signal]
    inside: frozenset[bytes]
    """Claims of the months that are rehearsed."""
    looked_at: frozenset[bytes]
    is_comparison: bool = False
    by_latest: bool = False
    """One stretch of several of the subject: what completes in it belongs to it."""

    def holds(self, claims: Collection[bytes], latest: bytes) -> bool:
        """Whether an alert of these claims belongs here."""
        if self.by_latest:
            return latest in self.inside
        return not self.inside.isdisjoint(claims)


class Judged:
    """What staff said of claims, by the closed cases that they are in."""

    def __init__(self, rows: Iterable[JudgedClaim]) -> None:
        self._confirmed: defaultdict[bytes, set[bytes]] = defaultdict(set)
        self._dismissed: set[bytes] = set()
        self.confirmed_alerts: set[bytes] = set()
        self.alerts: set[bytes] = set()
        """Alerts in closed cases, confirmed or dismissed."""
        for row in rows:
            self.alerts.add(row.alert)
            if row.is_confirmed:
                self._confirmed[row.claim].add(row.case)
                self.confirmed_alerts.add(row.alert)
            else:
                self._dismissed.add(row.claim)

    def cases_of(self, signal: Signal) -> set[bytes]:
        """Confirmed cases that share a claim with the signal."""
        return {
            case
            for claim in signal.claims
            if claim in self._confirmed
            for case in self._confirmed[claim]
        }

    def is_dismissed(self, signal: Signal) -> bool:
        """Whether a dismissed case shares a claim with it."""
        return not self._dismissed.isdisjoint(signal.claims)


@dataclass(frozen=True, slots=True)
class Example:
    """One alert that would be new, or gone. Tokens, no names."""

    detector: str
    kind: SubjectKind
    token: bytes | None
    """Of the person or household."""
    facility: str | None
    operator: str | None
    score: int
    text: Text
    claims: tuple[bytes, ...]
    alert: bytes | None
    """Of one that would be gone: its id."""


@dataclass(slots=True)
class Tally:
    """One detector's alerts, as they are and as they would be."""

    same: int = 0
    new: int = 0
    gone: int = 0
    right: int = 0
    """Of those that would be: they share a claim with a confirmed case's alert."""
    wrong: int = 0
    """They share one with a dismissed case's alert, and with no confirmed one."""
    confirmed: set[bytes] = field(default_factory=set)
    """Cases that staff confirmed."""
    found: set[bytes] = field(default_factory=set)
    """Those of them that are found again."""
    new_examples: list[Example] = field(default_factory=list)
    gone_examples: list[Example] = field(default_factory=list)

    @property
    def as_is(self) -> int:
        """Alerts as they are."""
        return self.same + self.gone

    @property
    def would_be(self) -> int:
        """Alerts as they would be."""
        return self.same + self.new

    @property
    def precision_ppm(self) -> int | None:
        """Of what staff judged, the share that is right; `None` without any."""
        judged = self.right + self.wrong
        return self.right * 1_000_000 // judged if judged else None

    @property
    def recall_ppm(self) -> int | None:
        """Of confirmed cases, the share found again; `None` without any."""
        found = len(self.found & self.confirmed)
        return found * 1_000_000 // len(self.confirmed) if self.confirmed else None


class Rehearsal:
    """The tallies, filled subject by subject."""

    def __init__(
        self,
        rules: AlertRules,
        facilities: dict[int, str],
        confirmed: Iterable[tuple[bytes, str]],
    ) -> None:
        """`confirmed`: cases with each detector that spoke in them."""
        self.rules = rules
        self._facilities = facilities
        self.by_detector = {name: Tally() for name in rules.detectors}
        self.whole = Tally()
        for case, detector in confirmed:
            self.whole.confirmed.add(case)
            self.by_detector.setdefault(detector, Tally()).confirmed.add(case)

    def compare(
        self, looked: Looked, stored: Sequence[StoredAlert], judged: Judged
    ) -> None:
        """Take in one subject: what the rules say of it, and its stored alerts."""
        held = [
            replace(alert, is_withdrawn=False)
            for alert in stored
            # A recovery ends an alert; that it was right does not end.
            if not alert.is_withdrawn or alert.id in judged.confirmed_alerts
        ]
        here = [a for a in held if looked.holds(a.claims, a.latest)]
        signals = [s for s in looked.signals if looked.holds(s.claims, s.latest)]
        gone = self._changes(looked, held, here, signals, judged)
        for alert in here:
            if alert.id in gone:
                self._gone(alert, looked.subject)
            else:
                self.by_detector[alert.detector].same += 1
                self.whole.same += 1
        for signal in signals:
            self._judge(signal, judged)

    def _changes(
        self,
        looked: Looked,
        held: Sequence[StoredAlert],
        here: Sequence[StoredAlert],
        signals: Sequence[Signal],
        judged: Judged,
    ) -> set[bytes]:
        """Count what would be raised; which alerts nothing would support.

        As the watch does it: an alert that staff have judged stays as it was, and what
        it held raises no other.
        """
        closed = [alert for alert in held if alert.id in judged.alerts]
        gone = {
            alert.id
            for alert in closed
            if not any(_share(alert, signal) for signal in looked.signals)
        }
        open_ = [
            signal
            for signal in looked.signals
            if not any(
                alert.detector == signal.detector
                and alert.claims.issuperset(signal.claims)
                for alert in closed
            )
        ]
        own = [alert for alert in held if alert.id not in judged.alerts]
        known = looked.looked_at.union(*(alert.claims for alert in here))
        for change in changes(open_, own, known):
            match change:
                case Raise(signal=signal) if signal in signals:
                    self._new(signal)
                case Withdraw(id=identity):
                    gone.add(identity)
                case Raise() | Change():
                    pass
        return gone

    def _judge(self, signal: Signal, judged: Judged) -> None:
        cases, is_dismissed = judged.cases_of(signal), judged.is_dismissed(signal)
        for tally in (self.by_detector[signal.detector], self.whole):
            tally.right += bool(cases)
            tally.wrong += is_dismissed and not cases
            tally.found |= cases

    def _new(self, signal: Signal) -> None:
        tally = self.by_detector[signal.detector]
        tally.new += 1
        self.whole.new += 1
        _keep(tally.new_examples, self._example(signal, None))

    def _gone(self, alert: StoredAlert, subject: Subject) -> None:
        tally = self.by_detector.setdefault(alert.detector, Tally())
        tally.gone += 1
        self.whole.gone += 1
        claims = tuple(sorted(alert.claims))
        signal = Signal(
            alert.detector, subject, claims, alert.latest, alert.score, alert.facts
        )
        _keep(tally.gone_examples, self._example(signal, alert.id))

    def _example(self, signal: Signal, alert: bytes | None) -> Example:
        subject = signal.subject
        code = None
        if subject.facility is not None:
            code = self._facilities.get(subject.facility)
        return Example(
            signal.detector,
            subject.kind,
            subject.token,
            code,
            subject.operator,
            signal.score,
            text_of(signal),
            signal.claims,
            alert,
        )


def _share(alert: StoredAlert, signal: Signal) -> bool:
    return alert.detector == signal.detector and not alert.claims.isdisjoint(
        signal.claims
    )


def _keep(examples: list[Example], example: Example) -> None:
    """The strongest so far; of equal ones those that came first."""
    examples.append(example)
    examples.sort(key=lambda each: -each.score)
    del examples[_EXAMPLES:]

"""One subject's claims as detectors look at them: in order, netted, timed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC

from settlement.domain.watch.seen import SeenClaim, by_time
from settlement.domain.watch.signal import Subject

INPATIENT = "inpatient"

#: Hour and minute in UTC.
ClockTime = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Reading:
    """How claims are read: the same for every detector of one set of rules."""

    counted_declines: frozenset[str] = frozenset()
    """Codes of declines that count as a visit: care took place, aid was none."""
    unknown_times: frozenset[ClockTime] = frozenset()
    """Times that stand for "the day alone is known", UTC."""

    def counts(self, claim: SeenClaim) -> bool:
        """Whether a claim is a visit that took place: it stands, or its aid was none.

        Undone claims do not count, nor what was declined as a duplicate.
        """
        if claim.is_approved:
            return claim.reversed_at is None
        return claim.reason in self.counted_declines

    def is_timed(self, claim: SeenClaim) -> bool:
        """Whether the minute of a claim is known.

        Files that know the day alone give every visit one and the same time.
        """
        moment = claim.occurred_at
        if moment.second or moment.microsecond:
            return True
        moment = moment.astimezone(UTC)
        return (moment.hour, moment.minute) not in self.unknown_times


@dataclass(frozen=True, slots=True)
class History:
    """All claims of one subject, whatever became of them, and which of them count."""

    subject: Subject
    claims: Sequence[SeenClaim]
    """All, in the order of `by_time`, each once."""
    counted: Sequence[SeenClaim]
    """Those that are visits, in the same order."""
    reading: Reading

    @classmethod
    def of(
        cls, subject: Subject, claims: Iterable[SeenClaim], reading: Reading
    ) -> History:
        """Put claims of one subject in order; whatever order they come in."""
        ordered = sorted({claim.id: claim for claim in claims}.values(), key=by_time)
        counted = [claim for claim in ordered if reading.counts(claim)]
        return cls(subject, ordered, counted, reading)

    def visits(self) -> list[SeenClaim]:
        """What counts and is no stay in hospital."""
        return [claim for claim in self.counted if claim.care_type != INPATIENT]

    def stays(self) -> list[SeenClaim]:
        """What counts and is a stay in hospital."""
        return [claim for claim in self.counted if claim.care_type == INPATIENT]

    def timed(self) -> list[SeenClaim]:
        """Visits whose minute is known, by their time."""
        timed = [claim for claim in self.visits() if self.reading.is_timed(claim)]
        return sorted(timed, key=lambda claim: (claim.occurred_at, claim.id))


def first_diagnosis(claim: SeenClaim) -> str:
    """The main diagnosis; empty where the bill names none."""
    return claim.diagnoses[0] if claim.diagnoses else ""


def is_near(one_fen: int, other_fen: int, near_ppm: int) -> bool:
    """Whether two amounts differ by no more than a share of the larger."""
    return abs(one_fen - other_fen) * 1_000_000 <= near_ppm * max(one_fen, other_fen)


def content_of(claim: SeenClaim) -> object:
    """What two bills must have in common to be the same bill."""
    return (
        claim.facility,
        claim.care_type,
        claim.service_start,
        claim.service_end,
        claim.diagnoses,
        claim.total_fen,
        claim.funds_fen,
        claim.base_fen,
    )

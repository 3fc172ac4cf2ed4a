"""Visits as the files of `medaid replay` have them, and the claims they become.

A `Visit` is one row. `settled` does in memory what a replay does over HTTP: rows that
are no sound bill are refused, persons on no roster declined, and each bill gets what
the demo district's policy gives; so a detector sees what it would see in a gateway.
Beyond the file's columns a visit may be reversed, or come after the card ended.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from gateway.replay.persons import (
    RosterRule,
    card_of,
    facility_code_of,
    level_of,
    subdistrict_of,
)
from gateway.replay.visits import fen_of
from settlement import policies
from settlement.domain.bill import Bill, Card, CardKind, CareType, bill_faults
from settlement.domain.calendar import SHANGHAI
from settlement.domain.decision import AccumulatorKey, Adjudication
from settlement.domain.policy import CompiledPack, compile_pack
from settlement.domain.watch.seen import SeenClaim

_PACK = "demo-district.yaml"
_OPENING = time(9)
_TODAY = date(2100, 1, 1)
_WHOLE_PPM = 1_000_000
_NO_OPERATOR = "replay"
NOT_ON_ROSTER = "MA-2101"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One row of a file of visits; amounts in fen, times those of Shanghai."""

    visit_id: str
    person: str
    household: str = ""
    facility: str
    operator: str = ""
    care_type: str
    start: datetime
    end: datetime
    timed: bool = True
    """Whether the file knows the time of day, or the day alone."""
    dx: str
    total_fen: int
    insurer_fen: int
    other_fen: int = 0
    prescription_days: int | None = None
    reversed_at: datetime | None = None
    reversal_reason: str | None = None
    ended_on: date | None = None
    """Last day of the person's roster entry, where there is one."""

    @property
    def day(self) -> date:
        """The day of service."""
        return self.start.date()

    @property
    def is_stay(self) -> bool:
        """Whether it is an inpatient stay."""
        return self.care_type == "inpatient"

    def row(self) -> dict[str, str]:
        """The columns that a replay reads."""
        undone = self.reversed_at
        return {
            "visit_id": self.visit_id,
            "person_ref": self.person,
            "facility_ref": self.facility,
            "care_type": self.care_type,
            "start": _text(self.start, timed=self.timed),
            "end": _text(self.end, timed=self.timed),
            "dx_code": self.dx,
            "total_cost": _yuan(self.total_fen),
            "insurer_paid": _yuan(self.insurer_fen),
            "other_payer_paid": _yuan(self.other_fen),
            "operator": self.operator,
            "household_id": self.household,
            "prescription_days": _if_known(self.prescription_days),
            "roster_until": _if_known(self.ended_on),
            "reversed_at": "" if undone is None else undone.isoformat(),
            "reversal_reason": self.reversal_reason or "",
        }


def _text(at: datetime, *, timed: bool) -> str:
    return at.isoformat() if timed else at.date().isoformat()


def _if_known(value: object) -> str:
    return "" if value is None else str(value)


def _yuan(fen: int) -> str:
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def write_visits(path: Path, visits: Iterable[Visit]) -> None:
    """Write a file that `medaid replay` reads."""
    rows = [visit.row() for visit in visits]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def visits_of_year(path: Path, year: int) -> list[Visit]:
    """The rows of the third-party file that begin in the year and are readable."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return list(_readable(row for row in rows if row["start"][:4] == str(year)))


def _readable(rows: Iterable[Mapping[str, str]]) -> Iterator[Visit]:
    for row in rows:
        amounts = [
            fen_of(row[name])
            for name in ("total_cost", "insurer_paid", "other_payer_paid")
        ]
        start, end = _local(row["start"]), _local(row["end"])
        total, insurer, other = (int(amount) for amount in amounts)
        yield Visit(
            visit_id=row["visit_id"],
            person=row["person_ref"],
            facility=row["facility_ref"],
            care_type=row["care_type"],
            start=start,
            end=end,
            timed=len(row["start"]) > len("2009-01-01"),
            dx=row["dx_code"],
            total_fen=total,
            insurer_fen=insurer,
            other_fen=other,
        )


def _local(text: str) -> datetime:
    parsed = datetime.fromisoformat(text)
    if len(text) == len("2009-01-01"):
        return datetime.combine(parsed.date(), _OPENING)
    if parsed.tzinfo is not None:
        parsed = parsed.astimezone(SHANGHAI).replace(tzinfo=None)
    return parsed


def token_of(purpose: str, reference: str) -> bytes:
    """Sixteen bytes that stand for a person, a household or a settlement."""
    return hashlib.sha256(f"{purpose}\n{reference}".encode()).digest()[:16]


def claim_id(visit: Visit) -> bytes:
    """The id under which the visit is settled."""
    return token_of("settlement", visit.visit_id)


@dataclass(slots=True)
class _Desk:
    """What the gateway remembers while a file is settled."""

    pack: CompiledPack
    rule: RosterRule
    used: defaultdict[str, dict[AccumulatorKey, int]]
    paid: dict[tuple[str, str, str], Bill]
    numbers: dict[str, int]

    def settle(
        self, visit: Visit, household: str, ended_on: date | None
    ) -> SeenClaim | None:
        """The claim that stands in the books; `None` where the row is refused."""
        bill = _bill(visit)
        if bill_faults(bill, today=_TODAY):
            return None
        category = self.rule.category_of(visit.person)
        if category is None:
            return self._seen(visit, bill, "", None, NOT_ON_ROSTER)
        if ended_on is not None and visit.end.date() > ended_on:
            return self._seen(visit, bill, household, None, "MA-2102")
        # Only what stands blocks the same bill: a reversed one may be claimed again.
        key = (visit.facility, visit.person, visit.visit_id)
        if visit.reversed_at is None:
            before = self.paid.setdefault(key, bill)
            if before is not bill:
                reason = "MA-2202" if before == bill else "MA-2203"
                return self._seen(visit, bill, household, None, reason)
        used = self.used[visit.person]
        result = self.pack.adjudicate(bill, (category,), used, level_of(visit.facility))
        if visit.reversed_at is None:
            for posting in result.postings:
                used[posting.key] = used.get(posting.key, 0) + posting.amount_fen
        return self._seen(visit, bill, household, result, result.reason)

    def _seen(
        self,
        visit: Visit,
        bill: Bill,
        household: str,
        result: Adjudication | None,
        reason: str,
    ) -> SeenClaim:
        posted = result.postings[0] if result and result.postings else None
        used = self.used[visit.person]
        is_stranger = reason == NOT_ON_ROSTER
        return SeenClaim(
            id=claim_id(visit),
            person=None if is_stranger else token_of("person", visit.person),
            household=token_of("household", household) if household else None,
            facility=self.numbers[visit.facility],
            place=subdistrict_of(visit.facility),
            operator=visit.operator or _NO_OPERATOR,
            care_type=visit.care_type,
            service_start=bill.service_start,
            service_end=bill.service_end,
            occurred_at=visit.start.replace(tzinfo=SHANGHAI).astimezone(UTC),
            diagnoses=bill.diagnoses,
            prescription_days=bill.prescription_days,
            total_fen=bill.total_fen,
            funds_fen=bill.funds_fen,
            base_fen=result.base_fen if result else 0,
            aid_fen=result.aid_fen if result else 0,
            cap_fen=posted.cap_fen if posted else None,
            used_fen=used.get(posted.key, 0) if posted else None,
            reason=reason,
            is_approved=result is not None and result.approved,
            reversed_at=_utc(visit.reversed_at),
            reversal_reason=visit.reversal_reason,
        )


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(tzinfo=SHANGHAI).astimezone(UTC)


def _bill(visit: Visit) -> Bill:
    return Bill(
        card=Card(kind=CardKind.SOCIAL_SECURITY_CARD, number=card_of(visit.person)),
        visit_no=visit.visit_id,
        care_type=CareType(visit.care_type),
        service_start=visit.start.date(),
        service_end=visit.end.date(),
        diagnoses=(visit.dx,) if visit.dx else (),
        referred=True,
        total_fen=visit.total_fen,
        self_funded_fen=0,
        over_limit_fen=0,
        pre_selfpay_fen=0,
        in_policy_fen=visit.total_fen,
        basic_insurance_fen=visit.insurer_fen,
        serious_illness_fen=0,
        other_funds_fen=visit.other_fen,
        prescription_days=visit.prescription_days,
    )


def settled(
    visits: Iterable[Visit], *, eligible_ppm: int = _WHOLE_PPM
) -> dict[str, SeenClaim]:
    """Each row's claim by its visit id, as a replay of the file would leave them.

    Rows that are refused are not there; who is on no roster is declined.
    """
    rows = list(visits)
    pack = compile_pack(policies.read(_PACK))
    categories = [category.id for category in pack.document.categories]
    references = sorted({visit.facility for visit in rows}, key=facility_code_of)
    desk = _Desk(
        pack,
        RosterRule(eligible_ppm, categories),
        defaultdict(dict),
        {},
        {reference: number for number, reference in enumerate(references, 1)},
    )
    households = {visit.person: visit.household for visit in rows if visit.household}
    ended = {visit.person: visit.ended_on for visit in rows if visit.ended_on}
    claims = {}
    for visit in sorted(rows, key=lambda row: (_settling(row), row.visit_id)):
        claim = desk.settle(
            visit, households.get(visit.person, ""), ended.get(visit.person)
        )
        if claim is not None:
            claims[visit.visit_id] = claim
    return claims


def _settling(visit: Visit) -> datetime:
    """A bill is made when care ends, so a longer stay is settled on its last day."""
    return visit.end if visit.end.date() > visit.day else visit.start


def later(visit: Visit, **by: int) -> tuple[datetime, datetime]:
    """Its start and end, moved."""
    step = timedelta(**by)
    return visit.start + step, visit.end + step

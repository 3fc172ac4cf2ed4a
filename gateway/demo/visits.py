"""What happened at the hospitals, before anybody has put an amount on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum, auto

from gateway.demo.district import Hospital
from gateway.demo.residents import Resident
from settlement.domain.bill import Bill, Card, CardKind, CareType, RepeatReason
from settlement.domain.calendar import month_of, shanghai_day

_MILLION = 1_000_000


class Fate(Enum):
    """What becomes of a visit's settlement in the end."""

    STAYS = auto()
    """In force for good, with aid: counts in the published figures."""
    REFUNDED = auto()
    """Settled with aid and undone later."""
    WITHOUT_AID = auto()
    """In force, but the bill holds nothing that aid may touch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a bill divides, in parts per million of its in-policy amount."""

    draw_fen: int
    """The in-policy amount before the month is calibrated."""
    self_funded: int
    over_limit: int
    pre_selfpay: int
    insured: int
    """Share of the in-policy amount that basic insurance pays."""
    personal_account: int
    """Share of what is owed that the personal account pays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One visit of one person with one bill, settled at `at`."""

    number: int
    resident: Resident
    hospital: Hospital
    care_type: CareType
    service_start: date
    at: datetime
    shape: Shape
    diagnoses: tuple[str, ...]
    fate: Fate
    undone_at: datetime | None = None
    """For `Fate.REFUNDED`: when the settlement is reversed."""
    corrects: int | None = None
    """Number of the refunded visit that this bill puts right."""

    @property
    def service_end(self) -> date:
        """The day on which the bill is made: people pay when they leave."""
        return shanghai_day(self.at)

    @property
    def month(self) -> str:
        """The month of service, by which statistics count."""
        return month_of(self.service_end)

    @property
    def visit_no(self) -> str:
        """The hospital's number; a correction belongs to the same visit."""
        number = self.number if self.corrects is None else self.corrects
        return f"{self.service_end:%Y%m%d}-{number:06d}"

    @property
    def categories(self) -> tuple[str, ...]:
        """The person's categories on the day of service."""
        return self.resident.categories_on(self.service_end)


def bill_of(visit: Visit, in_policy_fen: int) -> Bill:
    """The visit's bill for an in-policy amount; every part follows from it.

    The base of aid never falls when `in_policy_fen` rises, which calibration needs.
    """
    shape = visit.shape
    self_funded = in_policy_fen * shape.self_funded // _MILLION
    over_limit = in_policy_fen * shape.over_limit // _MILLION
    pre_selfpay = in_policy_fen * shape.pre_selfpay // _MILLION
    basic = in_policy_fen * shape.insured // _MILLION
    total = in_policy_fen + self_funded + over_limit + pre_selfpay
    return Bill(
        card=Card(kind=CardKind.SOCIAL_SECURITY_CARD, number=visit.resident.card),
        visit_no=visit.visit_no,
        bill_no="1",
        care_type=visit.care_type,
        service_start=visit.service_start,
        service_end=visit.service_end,
        occurred_at=visit.at,
        diagnoses=visit.diagnoses,
        referred=True,
        total_fen=total,
        self_funded_fen=self_funded,
        over_limit_fen=over_limit,
        pre_selfpay_fen=pre_selfpay,
        in_policy_fen=in_policy_fen,
        basic_insurance_fen=basic,
        serious_illness_fen=0,
        other_funds_fen=0,
        personal_account_fen=(total - basic) * shape.personal_account // _MILLION,
        repeat_reason=None if visit.corrects is None else RepeatReason.CORRECTION,
    )

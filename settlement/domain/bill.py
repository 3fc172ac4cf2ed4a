"""The bill as the insurers left it, and what must hold of its amounts.

The field names and their meaning are those of version 1 of the interface; the
national names (`medfee_sumamt`, `hifp_pay` and so on) are mapped at the edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class CardKind(StrEnum):
    """What the patient handed over."""

    SOCIAL_SECURITY_CARD = "social_security_card"
    RESIDENT_ID = "resident_id"


class CareType(StrEnum):
    """The scope of care that policy rules distinguish."""

    OUTPATIENT = "outpatient"
    OUTPATIENT_SPECIAL = "outpatient_special"
    EMERGENCY = "emergency"
    INPATIENT = "inpatient"


class Place(StrEnum):
    """Where the care took place, seen from where the person is insured."""

    LOCAL = "local"
    FILED_ELSEWHERE = "filed_elsewhere"
    UNFILED = "unfiled"


class RepeatReason(StrEnum):
    """Why a further bill for the same visit is no mistake."""

    SECOND_BILL = "second_bill"
    CORRECTION = "correction"


class ConfirmReason(StrEnum):
    """Why the cashier lets a claim through that a detector has held."""

    PATIENT_PRESENT = "patient_present"
    ONGOING_TREATMENT = "ongoing_treatment"
    EMERGENCY = "emergency"
    REFERRED = "referred"
    OTHER_CONDITION = "other_condition"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The card as read at the desk. Personal data: never logged, never in errors."""

    kind: CardKind
    number: str

    def __repr__(self) -> str:
        """Show the kind alone, so that no traceback holds the number."""
        return f"Card(kind={self.kind.value!r}, number=...)"


@dataclass(frozen=True, slots=True, kw_only=True)
class NationalFacts:
    """What the national interface says of a bill and version 1 does not ask.

    No rule of money rests on it: it is kept so that a reversal can name the person
    as the hospital does (2208, 2601) and totals compare as it adds them up (3201).
    """

    psn_no: str
    """The hospital's number of the person. Personal data, as the card is."""
    insutype: str
    clr_type: str
    clr_optins: str
    """Empty where the hospital does not say."""
    fund_pay_fen: int
    """`fund_pay_sumamt` before our aid, with whatever the province counts in it."""
    acct_pay_fen: int

    def __repr__(self) -> str:
        """Show what is no personal data."""
        return f"NationalFacts(insutype={self.insutype!r}, psn_no=...)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """One bill after basic and serious-illness insurance. Amounts in fen."""

    card: Card
    visit_no: str
    bill_no: str | None = None
    care_type: CareType
    service_start: date
    service_end: date
    occurred_at: datetime | None = None
    diagnoses: tuple[str, ...] = ()
    referred: bool = False
    total_fen: int
    self_funded_fen: int
    over_limit_fen: int
    pre_selfpay_fen: int
    in_policy_fen: int
    basic_insurance_fen: int
    serious_illness_fen: int
    other_funds_fen: int
    medical_aid_fen: int = 0
    personal_account_fen: int = 0
    deductible_fen: int | None = None
    commercial_fen: int = 0
    charity_fen: int = 0
    prescription_days: int | None = None
    med_type: str | None = None
    place: Place = Place.LOCAL
    repeat_reason: RepeatReason | None = None
    expected_aid_fen: int | None = None
    confirm_reason: ConfirmReason | None = None
    national: NationalFacts | None = None
    """Of a bill that came in the national envelope."""

    @property
    def funds_fen(self) -> int:
        """What insurers and earlier aid have paid."""
        return (
            self.basic_insurance_fen
            + self.serious_illness_fen
            + self.other_funds_fen
            + self.medical_aid_fen
        )

    @property
    def owed_fen(self) -> int:
        """What is left of the total after all funds; the patient's, before aid."""
        return self.total_fen - self.funds_fen


@dataclass(frozen=True, slots=True)
class BillFault:
    """One thing wrong with a bill: which field, and which reason code."""

    path: str
    reason: str


#: No single bill is larger: 10 million yuan. Keeps every sum far inside 64 bits.
MAX_AMOUNT_FEN = 1_000_000_000

_AMOUNTS = (
    "total_fen", "self_funded_fen", "over_limit_fen", "pre_selfpay_fen",
    "in_policy_fen", "basic_insurance_fen", "serious_illness_fen",
    "other_funds_fen", "medical_aid_fen", "personal_account_fen",
    "commercial_fen", "charity_fen",
)  # fmt: skip


def bill_faults(bill: Bill, *, today: date) -> tuple[BillFault, ...]:
    """Everything that makes the bill impossible, all at once; empty when sound.

    `today` is the Shanghai day of the instant of settling.
    """
    faults = [
        BillFault(name, "MA-1110")
        for name in _AMOUNTS
        if not 0 <= getattr(bill, name) <= MAX_AMOUNT_FEN
    ]
    for name in ("deductible_fen", "expected_aid_fen"):
        amount = getattr(bill, name)
        if amount is not None and not 0 <= amount <= MAX_AMOUNT_FEN:
            faults.append(BillFault(name, "MA-1110"))
    if bill.service_end < bill.service_start:
        faults.append(BillFault("service_end", "MA-1111"))
    if max(bill.service_start, bill.service_end) > today:
        faults.append(BillFault("service_end", "MA-1112"))
    if faults:
        return tuple(faults)
    return _sum_faults(bill)


def _sum_faults(bill: Bill) -> tuple[BillFault, ...]:
    faults = []
    parts = (
        bill.self_funded_fen
        + bill.over_limit_fen
        + bill.pre_selfpay_fen
        + bill.in_policy_fen
    )
    if bill.total_fen == 0:
        faults.append(BillFault("total_fen", "MA-1116"))
    if parts != bill.total_fen:
        faults.append(BillFault("total_fen", "MA-1113"))
    if bill.owed_fen < 0:
        faults.append(BillFault("basic_insurance_fen", "MA-1114"))
    elif bill.personal_account_fen > bill.owed_fen:
        faults.append(BillFault("personal_account_fen", "MA-1115"))
    return tuple(faults)

"""A bill on its way: its canonical form, its visit, its windows."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson

from loadtests.peers.access import Caller
from settlement.domain.bill import Bill
from settlement.domain.eligibility import RosterPerson, RosterVersion, Window
from settlement.domain.policy import CompiledPack

#: What tells two bills of one visit apart, as canonical values.
_SAME_BILL = (
    "service_start", "service_end", "total_fen", "self_funded_fen", "over_limit_fen",
    "pre_selfpay_fen", "in_policy_fen", "basic_insurance_fen", "serious_illness_fen",
    "other_funds_fen", "medical_aid_fen", "personal_account_fen", "deductible_fen",
    "commercial_fen", "charity_fen",
)  # fmt: skip
#: In the order in which a request's values are kept.
_FIELDS = tuple(field.name for field in fields(Bill))
_CARD, _DIAGNOSES = _FIELDS.index("card"), _FIELDS.index("diagnoses")


@dataclass(slots=True, kw_only=True)
class Claim:
    """One bill on its way to become a settlement."""

    caller: Caller
    key: str
    bill: Bill
    settled_at: datetime
    sandbox: bool
    id: bytes
    month: int
    request: bytes
    """Canonical values without any identifier: the fingerprint."""
    person: RosterPerson | None
    roster: RosterVersion | None
    pack: CompiledPack
    pack_no: int

    @property
    def windows(self) -> tuple[Window, ...]:
        """The roster windows that count for the bill."""
        return self.pack.identity_windows(self.person, self.bill) if self.person else ()

    def window_of(self, category: str | None) -> Window | None:
        """The window that a decision rests on."""
        return next((w for w in self.windows if w.category == category), None)


def canonical(bill: Bill, card: bytes, diagnoses: bytes) -> bytes:
    """One byte string for one content: values in order, card and codes as tokens."""
    values: list[Any] = [getattr(bill, name) for name in _FIELDS]
    values[_CARD] = card.hex()
    values[_DIAGNOSES] = diagnoses.hex() if bill.diagnoses else ""
    return orjson.dumps(values)


def differing(stored: bytes, sent: bytes) -> tuple[str, ...]:
    """Names of the fields in which two requests differ."""
    if stored == sent:
        return ()
    pairs = zip(_FIELDS, orjson.loads(stored), orjson.loads(sent), strict=True)
    return tuple(name for name, old, new in pairs if old != new)


def is_same_bill(stored: bytes, sent: bytes) -> bool:
    """Whether dates and amounts of two bills of a visit are the same."""
    return not set(differing(stored, sent)) & set(_SAME_BILL)


def visit_identity(claim: Claim, person: RosterPerson) -> bytes:
    """What may be in force only once: facility, person, visit_no and bill_no.

    Without a bill_no dates and amounts belong to it, but not what the patient pays
    from their own account.
    """
    bill = claim.bill
    content: list[Any] = [
        claim.caller.party_id, person.token.hex(), bill.visit_no, bill.bill_no,
    ]  # fmt: skip
    if bill.bill_no is None:
        own_money = "personal_account_fen"
        content += [
            None if name == own_money else getattr(bill, name) for name in _SAME_BILL
        ]
    return blake2b(orjson.dumps(content), digest_size=16).digest()

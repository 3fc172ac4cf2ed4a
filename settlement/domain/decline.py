"""A bill that gets no aid by rule: the patient owes what the insurers left."""

from __future__ import annotations

from settlement.domain.bill import Bill
from settlement.domain.decision import Adjudication, CodedLine


def decline(
    bill: Bill,
    reason: str,
    *,
    category: str | None = None,
    coded: tuple[CodedLine, ...] = (),
) -> Adjudication:
    """The decision for a bill that rule `reason` refuses; no accumulator is touched."""
    owed = bill.owed_fen
    return Adjudication(
        approved=False,
        reason=reason,
        category=category,
        aid_fen=0,
        aid=(),
        base_fen=0,
        patient_pays_fen=owed,
        cash_fen=max(0, owed - bill.personal_account_fen),
        account_return_fen=max(0, bill.personal_account_fen - owed),
        postings=(),
        coded=coded,
        pots=(),
    )

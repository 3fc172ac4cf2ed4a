"""A decided claim as a row of `settlement`."""

from __future__ import annotations

from settlement.domain.decision import Adjudication
from settlement.domain.eligibility import Window
from settlement.service.claims import SettleClaim
from settlement.store import rows


def settlement_row(
    claim: SettleClaim,
    result: Adjudication,
    identity: bytes | None,
    window: Window | None,
    log_index: int | None,
) -> rows.SettlementRow:
    """The row of an approved or declined claim; declines have no `log_index`."""
    bill, when = claim.bill, claim.when
    tilt = sum(part.amount_fen for part in result.aid if part.kind == "tilt")
    return rows.SettlementRow(
        id=claim.id,
        month=claim.month,
        facility_id=claim.caller.party_id,
        key=claim.key,
        state=b"d" if log_index is None else b"s",
        person=claim.person.token if claim.person else None,
        visit_no=bill.visit_no,
        visit_identity=identity,
        care_type=bill.care_type.value,
        service_start=bill.service_start,
        service_end=bill.service_end,
        occurred_at=bill.occurred_at or when.settled_at,
        settled_at=when.settled_at,
        operator=claim.caller.operator,
        sandbox=when.sandbox,
        category=result.category,
        subdistrict=window.subdistrict if window else "",
        roster_version=claim.roster.version if claim.roster else 0,
        policy_no=claim.pack.no,
        reason=result.reason,
        repeat_reason=bill.repeat_reason.value if bill.repeat_reason else None,
        total_fen=bill.total_fen,
        funds_fen=bill.funds_fen,
        base_fen=result.base_fen,
        aid_fen=result.aid_fen,
        tilt_fen=tilt,
        patient_pays_fen=result.patient_pays_fen,
        log_index=log_index,
        confirm_reason=bill.confirm_reason.value if bill.confirm_reason else None,
    )

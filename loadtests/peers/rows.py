"""What is written, as parameters of the statements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from loadtests.peers.claim import Claim
from loadtests.peers.records import Leaf, digest_of
from settlement.domain.decision import Adjudication


def answer_row(claim: Claim, head: bytes, tail: bytes) -> dict[str, Any]:
    """One row of `answer`; the record stands between head and tail."""
    return {
        "month": claim.month,
        "id": claim.id,
        "request": claim.request,
        "head": head,
        "tail": tail,
        "digest": digest_of(claim.request, head, tail),
    }


def diagnosis_row(claim: Claim) -> dict[str, Any] | None:
    """One row of `clinical.diagnosis`; `None` where the bill says nothing of it."""
    bill = claim.bill
    if not bill.diagnoses and bill.prescription_days is None:
        return None
    return {
        "settlement_id": claim.id,
        "codes": list(bill.diagnoses),
        "prescription_days": bill.prescription_days,
    }


def settlement_row(
    claim: Claim, result: Adjudication, identity: bytes | None, log_index: int | None
) -> dict[str, Any]:
    """One row of `settlement`; a decline holds no visit and has no place in the log."""
    bill, window = claim.bill, claim.window_of(result.category)
    tilt = sum(part.amount_fen for part in result.aid if part.kind == "tilt")
    return {
        "id": claim.id,
        "month": claim.month,
        "facility_id": claim.caller.party_id,
        "key": claim.key,
        "state": b"d" if log_index is None else b"s",
        "person": claim.person and claim.person.token,
        "visit_no": bill.visit_no,
        "visit_identity": identity,
        "care_type": bill.care_type.value,
        "service_start": bill.service_start,
        "service_end": bill.service_end,
        "occurred_at": bill.occurred_at or claim.settled_at,
        "settled_at": claim.settled_at,
        "operator": claim.caller.operator,
        "sandbox": claim.sandbox,
        "category": result.category,
        "subdistrict": window.subdistrict if window else "",
        "roster_version": claim.roster.version if claim.roster else 0,
        "policy_no": claim.pack_no,
        "reason": result.reason,
        "repeat_reason": bill.repeat_reason and bill.repeat_reason.value,
        "total_fen": bill.total_fen,
        "funds_fen": bill.funds_fen,
        "base_fen": result.base_fen,
        "aid_fen": result.aid_fen,
        "tilt_fen": tilt,
        "patient_pays_fen": result.patient_pays_fen,
        "log_index": log_index,
        "confirm_reason": bill.confirm_reason and bill.confirm_reason.value,
    }


def leaf_rows(leaf: Leaf, record: bytes) -> dict[str, Any]:
    """The record, its leaf, tiles that it completes, and the log's new head."""
    return {
        "record": record,
        "entry": leaf.entry,
        "new_size": leaf.index + 1,
        "new_root": leaf.root,
        "new_edge": leaf.edge,
        "new_checkpoint": leaf.checkpoint,
        "old_size": leaf.index,
    } | _numbered(leaf.nodes)


def posting_rows(result: Adjudication) -> dict[str, Any]:
    """What is added to running totals, one posting for each."""
    return _numbered(
        {
            "year": key.year,
            "pot": key.pot,
            "amount_fen": amount_fen,
            "cap_fen": cap_fen,
        }
        for key, amount_fen, cap_fen in result.postings
    )


def _numbered(table: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        f"{name}_{number}": value
        for number, row in enumerate(table)
        for name, value in row.items()
    }


def named(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters by their names in a statement that `statements` makes."""
    return {f"{name}_": value for part in parts for name, value in part.items()}

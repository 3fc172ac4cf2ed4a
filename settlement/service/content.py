"""What a record says: claims in clear, and the content sealed to the bureau.

The sealed content lets a verifier recompute the decision: bill, card, person
token, category and window used, roster version, pack with hash, accumulators
before, result, operator (API.md, Record).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from settlement.domain.calendar import rfc3339, shanghai_day
from settlement.domain.decision import AccumulatorKey, Adjudication, PolicyRef
from settlement.domain.eligibility import Window
from settlement.service.claims import Claim, ReversalClaim, SettleClaim
from settlement.store.rows import Original, PostingRow

ClearClaims = dict[str, int | str | bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stated:
    """What a record says in clear of the money and its rules."""

    total_fen: int = 0
    funds_fen: int = 0
    aid_fen: int = 0
    patient_pays_fen: int = 0
    roster_version: int = 0
    policy: str = ""
    policy_sha256: str = ""


def settle_claims(
    claim: SettleClaim, result: Adjudication, policy: PolicyRef
) -> ClearClaims:
    """What everybody who holds the record of a settlement may read."""
    bill = claim.bill
    stated = _Stated(
        total_fen=bill.total_fen,
        funds_fen=bill.funds_fen,
        aid_fen=result.aid_fen,
        patient_pays_fen=result.patient_pays_fen,
        roster_version=claim.roster.version if claim.roster else 0,
        policy=f"{policy.id}@{policy.version}",
        policy_sha256=policy.sha256,
    )
    return _clear(claim, "settle", "", stated)


def reversal_claims(claim: ReversalClaim, original: Original) -> ClearClaims:
    """The amounts are the original's: the op says that they are taken back."""
    stated = _Stated(
        total_fen=original.total_fen,
        funds_fen=original.funds_fen,
        aid_fen=original.aid_fen,
        patient_pays_fen=original.patient_pays_fen,
        roster_version=original.roster_version,
        policy=f"{original.policy_id}@{original.policy_version}",
        policy_sha256=original.policy_sha256 or "",
    )
    return _clear(claim, "reverse", original.id.hex(), stated)


def tombstone_claims(claim: ReversalClaim) -> ClearClaims:
    """A stopped key has no amounts."""
    return _clear(claim, "tombstone", "", _Stated())


def _clear(claim: Claim, op: str, ref: str, stated: _Stated) -> ClearClaims:
    claims: ClearClaims = {
        "v": 1,
        "sid": claim.id.hex(),
        "op": op,
        "ref": ref,
        "facility": claim.caller.party_code,
        "day": shanghai_day(claim.when.settled_at).isoformat(),
        "total_fen": stated.total_fen,
        "funds_fen": stated.funds_fen,
        "aid_fen": stated.aid_fen,
        "patient_pays_fen": stated.patient_pays_fen,
        "currency": "CNY",
        "roster_version": stated.roster_version,
        "policy": stated.policy,
        "policy_sha256": stated.policy_sha256,
    }
    if claim.when.sandbox:
        claims["sandbox"] = True
    return claims


def settle_content(
    claim: SettleClaim,
    claims: ClearClaims,
    result: Adjudication,
    used_before: dict[AccumulatorKey, int],
    window: Window | None,
    lasting: Callable[[bytes], bytes],
) -> bytes:
    """The sealed half of a settlement's record, JSON.

    `lasting`: tokens are named as in the first epoch, so that whoever opens records
    of several epochs sees one person as one.
    """
    person = claim.person
    return orjson.dumps(
        {
            **_sealed_head(claim, claims),
            "bill": claim.bill,
            "person": lasting(person.token).hex() if person else None,
            "household": lasting(person.household).hex() if person else None,
            "category": result.category,
            "window": _window(window),
            "facility_level": claim.caller.facility_level,
            "accumulators_before": [
                {"year": key.year, "pot": key.pot, "used_fen": used}
                for key, used in used_before.items()
            ],
            "result": {
                "reason": result.reason,
                "base_fen": result.base_fen,
                "aid": [
                    {"kind": part.kind, "amount_fen": part.amount_fen}
                    for part in result.aid
                ],
                "cash_fen": result.cash_fen,
                "account_return_fen": result.account_return_fen,
                "steps": [
                    [line.rule, line.input_fen, line.result_fen]
                    for line in result.explanation
                ],
            },
        }
    )


def reversal_content(
    claim: ReversalClaim, claims: ClearClaims, postings: list[PostingRow]
) -> bytes:
    """The sealed half of a reversal's or tombstone's record, JSON."""
    return orjson.dumps(
        {
            **_sealed_head(claim, claims),
            "reason": claim.order.reason,
            "original_idempotency_key": claim.order.original_key,
            "card": claim.order.card,
            "postings": [
                {"year": row.year, "pot": row.pot, "amount_fen": row.amount_fen}
                for row in postings
            ],
        }
    )


def _sealed_head(claim: Claim, claims: ClearClaims) -> dict[str, Any]:
    return {
        "claims": claims,
        "idempotency_key": claim.key,
        "settled_at": rfc3339(claim.when.settled_at),
        "operator": claim.caller.operator,
    }


def used_window(claim: SettleClaim, category: str | None) -> Window | None:
    """The roster window that the decision rests on."""
    if claim.person is None:
        return None
    for window in claim.pack.pack.identity_windows(claim.person, claim.bill):
        if window.category == category:
            return window
    return None


def _window(window: Window | None) -> dict[str, Any] | None:
    if window is None:
        return None
    return {
        "valid_from": window.valid_from,
        "valid_to": window.valid_to,
        "subdistrict": window.subdistrict,
    }

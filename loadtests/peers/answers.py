"""The DECISION of API.md, with the same members as ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from loadtests.peers.claim import Claim
from settlement.domain.calendar import rfc3339
from settlement.domain.decision import Adjudication, PolicyRef, Text
from settlement.domain.reasons import REASONS

Alert = tuple[str, Text]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The settlement that holds the visit already."""

    settlement_id: str
    aid_fen: int
    patient_pays_fen: int
    receipt: bytes
    is_same_bill: bool


def _text(text: Text) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}


#: The members about the reason, by code, encoded once.
#: As the gateway does when nobody sets it: 40 days.
_STALE_AFTER_S = 3_456_000
_OF_REASON = {
    code: {
        "reason": orjson.Fragment(
            orjson.dumps({"code": code, "text": _text(reason.text)})
        ),
        "next_step": orjson.Fragment(orjson.dumps(_text(reason.next_step))),
        "retry": {"allowed": reason.retry_allowed, "same_key": reason.same_key},
    }
    for code, reason in REASONS.items()
}


@lru_cache(maxsize=16)
def _instant(as_of: str) -> datetime:
    return datetime.fromisoformat(as_of)


def decision(
    claim: Claim,
    result: Adjudication,
    alerts: tuple[Alert, ...] = (),
    duplicate: Duplicate | None = None,
) -> bytes:
    """The DECISION of API.md as JSON, `receipt` apart."""
    policy, category = claim.pack.ref, result.category
    return orjson.dumps(
        {
            "decision": "approved" if result.approved else "declined",
            **_OF_REASON[result.reason],
            "settlement_id": claim.id.hex(),
            "settled_at": rfc3339(claim.settled_at),
            "aid_fen": result.aid_fen,
            "aid": [
                {"kind": part.kind, "amount_fen": part.amount_fen}
                for part in result.aid
            ],
            "aidable_base_fen": result.base_fen,
            **_collect(result, duplicate),
            "policy": _policy(policy),
            "category": category,
            "category_text": (
                _text(Text(*claim.pack.category_text(category))) if category else None
            ),
            "explanation": [
                {
                    "rule": line.rule,
                    "text": _text(line.text),
                    "input_fen": line.input_fen,
                    "result_fen": line.result_fen,
                    "source": line.source,
                }
                for line in result.explanation
            ],
            "quota": [
                {
                    "pot": pot.pot,
                    "year": pot.year,
                    "cap_fen": pot.cap_fen,
                    "used_fen": pot.used_fen,
                    "remaining_fen": pot.remaining_fen,
                }
                for pot in result.quota
            ],
            "roster": _roster(claim),
            "alerts": [{"code": code, "text": _text(text)} for code, text in alerts],
            "duplicate_of": duplicate and {
                "settlement_id": duplicate.settlement_id,
                "aid_fen": duplicate.aid_fen,
                "patient_pays_fen": duplicate.patient_pays_fen,
                "receipt": orjson.Fragment(duplicate.receipt),
            },
        }
    )  # fmt: skip


def _policy(ref: PolicyRef) -> dict[str, str]:
    return {"id": ref.id, "version": ref.version, "sha256": ref.sha256}


def _roster(claim: Claim) -> dict[str, Any] | None:
    if claim.roster is None:
        return None
    age = claim.settled_at - _instant(claim.roster.as_of)
    seconds = max(0, int(age.total_seconds()))
    return {
        "version": claim.roster.version,
        "as_of": claim.roster.as_of,
        "age_s": seconds,
        "stale": seconds >= _STALE_AFTER_S,
    }


def _collect(result: Adjudication, first: Duplicate | None) -> dict[str, int]:
    """What the cashier collects; for a bill settled before, the first one's amounts."""
    if first is None or not first.is_same_bill:
        return {
            "patient_pays_fen": result.patient_pays_fen,
            "cash_fen": result.cash_fen,
            "account_return_fen": result.account_return_fen,
        }
    account = result.patient_pays_fen - result.cash_fen + result.account_return_fen
    return {
        "patient_pays_fen": first.patient_pays_fen,
        "cash_fen": max(0, first.patient_pays_fen - account),
        "account_return_fen": max(0, account - first.patient_pays_fen),
    }

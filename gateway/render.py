"""The JSON of decisions, reversals and eligibility: the wire's names, made once.

Satisfies the renderer ports of the use cases. Answers are stored as these bytes, so
what stands here may gain members but never change the meaning of one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from gateway.statistics_json import statistics_document
from settlement.domain.calendar import rfc3339
from settlement.domain.decision import PotQuota, Text
from settlement.domain.eligibility import RosterVersion
from settlement.domain.reasons import REASONS
from settlement.service.aid_statistics import Statistics
from settlement.service.eligibility import EligibilityOutcome
from settlement.service.freshness import FreshnessLimits
from settlement.service.outcome import Alert, Outcome, ReversalOutcome


def _text(text: Text) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}


#: Reason, next step and retry advice of every code, encoded once.
_REASON = {
    code: orjson.Fragment(orjson.dumps({"code": code, "text": _text(reason.text)}))
    for code, reason in REASONS.items()
}
_NEXT_STEP = {
    code: orjson.Fragment(orjson.dumps(_text(reason.next_step)))
    for code, reason in REASONS.items()
}
_RETRY = {
    code: {"allowed": reason.retry_allowed, "same_key": reason.same_key}
    for code, reason in REASONS.items()
}


@lru_cache(maxsize=16)
def _as_of(text: str) -> datetime:
    """The roster's instant: the same text in every answer until the next file."""
    return datetime.fromisoformat(text)


class JsonRenderer:
    """One serves the whole process."""

    def __init__(self, freshness: FreshnessLimits | None = None) -> None:
        """Know from what age on a roster is marked as stale."""
        self._freshness = freshness or FreshnessLimits()

    def decision(self, outcome: Outcome) -> bytes:
        """A DECISION without the member `receipt`."""
        return orjson.dumps(decision_members(outcome, self._freshness))

    def reversal(self, outcome: ReversalOutcome) -> bytes:
        """The answer to a reversal without the member `receipt`."""
        return orjson.dumps(
            {
                "reversal_id": outcome.reversal_id,
                "settlement_id": outcome.settlement_id,
                "aid_fen": outcome.aid_fen,
                "state": outcome.state,
                "alerts": _alerts(outcome.alerts),
                "already": False,
            }
        )

    def eligibility(self, outcome: EligibilityOutcome) -> bytes:
        """Yes, no or cannot tell, with the roster's age."""
        window = outcome.window
        return orjson.dumps(
            {
                "status": outcome.status,
                "reason": _REASON[outcome.reason],
                "next_step": _NEXT_STEP[outcome.reason],
                "category": window.category if window else None,
                "category_text": (
                    _text(outcome.category_text) if outcome.category_text else None
                ),
                "household": outcome.household.hex() or None,
                "valid_from": window.valid_from if window else None,
                "valid_to": window.valid_to if window else None,
                "quota": None if outcome.quota is None else _quota(outcome.quota),
                "quota_reason": (_REASON["MA-2105"] if outcome.quota_failed else None),
                "quota_as_of": (
                    rfc3339(outcome.quota_as_of) if outcome.quota_as_of else None
                ),
                "roster": _roster(
                    outcome.roster, outcome.asked_at, is_stale=outcome.roster_is_stale
                ),
            }
        )

    def statistics(self, found: Statistics) -> bytes:
        """Counts and sums, and nothing of any person."""
        return orjson.dumps(statistics_document(found))


def decision_members(outcome: Outcome, freshness: FreshnessLimits) -> dict[str, Any]:
    """The members of a DECISION, `receipt` apart."""
    result, at = outcome.adjudication, outcome.settled_at
    is_stale = outcome.roster_is_stale or freshness.is_old(outcome.roster, at)
    is_quote = outcome.settlement_id is None
    members: dict[str, Any] = {
        "decision": "approved" if result.approved else "declined",
        "reason": _REASON[result.reason],
        "next_step": _NEXT_STEP[result.reason],
        "retry": _RETRY[result.reason],
        "settlement_id": outcome.settlement_id,
        "settled_at": None if is_quote else rfc3339(outcome.settled_at),
        "aid_fen": result.aid_fen,
        "aid": [
            {"kind": part.kind, "amount_fen": part.amount_fen} for part in result.aid
        ],
        "aidable_base_fen": result.base_fen,
        **_collect(outcome),
        "policy": _policy(outcome),
        "category": result.category,
        "category_text": (
            _text(outcome.category_text) if outcome.category_text else None
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
        "quota": _quota(result.quota),
        "roster": _roster(outcome.roster, at, is_stale=is_stale),
        "alerts": _alerts(outcome.alerts),
        "duplicate_of": _duplicate(outcome),
    }
    return members


def _collect(outcome: Outcome) -> dict[str, int]:
    """What the cashier collects; for a bill settled before, the first one's amounts.

    A system that reads nothing else of a repeated bill's answer must not charge the
    patient for the aid that the first settlement already took off.
    """
    result, first = outcome.adjudication, outcome.duplicate_of
    if first is None or not first.is_same_bill:
        return {
            "patient_pays_fen": result.patient_pays_fen,
            "cash_fen": result.cash_fen,
            "account_return_fen": result.account_return_fen,
        }
    # What the personal account holds against what is owed; the bills are the same.
    account = result.patient_pays_fen - result.cash_fen + result.account_return_fen
    return {
        "patient_pays_fen": first.patient_pays_fen,
        "cash_fen": max(0, first.patient_pays_fen - account),
        "account_return_fen": max(0, account - first.patient_pays_fen),
    }


def _policy(outcome: Outcome) -> dict[str, str] | None:
    ref = outcome.policy
    if ref is None:
        return None
    return {"id": ref.id, "version": ref.version, "sha256": ref.sha256}


def _quota(quota: Iterable[PotQuota]) -> list[dict[str, Any]]:
    return [
        {
            "pot": pot.pot,
            "year": pot.year,
            "cap_fen": pot.cap_fen,
            "used_fen": pot.used_fen,
            "remaining_fen": pot.remaining_fen,
        }
        for pot in quota
    ]


def _roster(
    roster: RosterVersion | None, at: datetime, *, is_stale: bool
) -> dict[str, Any] | None:
    """Version and age; the age is never negative, also where a sandbox travels."""
    if roster is None:
        return None
    age = at - _as_of(roster.as_of)
    return {
        "version": roster.version,
        "as_of": roster.as_of,
        "age_s": max(0, age.days * 86_400 + age.seconds),
        "stale": is_stale,
    }


def _alerts(alerts: Iterable[Alert]) -> list[dict[str, Any]]:
    return [{"code": alert.code, "text": _text(alert.text)} for alert in alerts]


def _duplicate(outcome: Outcome) -> dict[str, Any] | None:
    first = outcome.duplicate_of
    if first is None:
        return None
    return {
        "settlement_id": first.settlement_id,
        "aid_fen": first.aid_fen,
        "patient_pays_fen": first.patient_pays_fen,
        "receipt": orjson.Fragment(first.receipt),
    }

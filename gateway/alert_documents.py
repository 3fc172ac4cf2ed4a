"""Alerts and cases as JSON: one shape for the command, the calls and the webhook.

Tokens stand for persons and households; no document holds a name or a card.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from settlement.domain.calendar import rfc3339
from settlement.domain.decision import Text
from settlement.domain.watch.signal import Signal, Subject, SubjectKind
from settlement.domain.watch.wording import text_of, title_of
from settlement.service.watch.work import CaseClaim, ListedAlert, ListedCase, OpenedCase
from settlement.store.alert_lists import MutedPair


def alert_text(alert: ListedAlert) -> Text:
    """What the bureau reads of an alert."""
    facts = tuple((name, value) for name, value in json.loads(alert.facts))
    nobody = Subject(SubjectKind.PERSON)
    return text_of(Signal(alert.detector, nobody, (), b"", alert.score, facts))


def alert_document(alert: ListedAlert) -> dict[str, Any]:
    """One alert."""
    return {
        "alert_id": alert.id.hex(),
        "no": alert.no,
        "case_id": _hex(alert.case_id),
        "case_state": alert.case_state,
        "detector": alert.detector,
        "title": _both(title_of(alert.detector)),
        "score": alert.score,
        "state": alert.state,
        "text": _both(alert_text(alert)),
        "person_token": _hex(alert.person),
        "household_token": _hex(alert.household),
        "facility": alert.facility,
        "operator": alert.operator,
        "facilities": list(alert.facilities),
        "settlement_ids": [each.hex() for each in alert.settlement_ids],
        "visit_nos": list(alert.visit_nos),
        "latest_settlement_id": alert.latest.hex(),
        "aid_fen": alert.aid_fen,
        "rules": alert.rules,
        "raised_at": rfc3339(alert.raised_at),
        "changed_at": rfc3339(alert.changed_at),
    }


def case_document(case: ListedCase) -> dict[str, Any]:
    """One case as a list shows it."""
    return {
        "case_id": case.id.hex(),
        "state": case.state,
        "score": case.score,
        "assignee": case.assignee,
        "person_token": _hex(case.person),
        "household_token": _hex(case.household),
        "facility": case.facility,
        "alerts": case.alerts,
        "detectors": list(case.detectors),
        "opened_at": rfc3339(case.opened_at),
        "closed_at": None if case.closed_at is None else rfc3339(case.closed_at),
    }


def opened_document(opened: OpenedCase) -> dict[str, Any]:
    """One case with its alerts, its claims and its history."""
    return case_document(opened.case) | {
        "alert_list": [alert_document(alert) for alert in opened.alerts],
        "claims": [claim_document(claim) for claim in opened.claims],
        "history": [
            {
                "no": event.no,
                "at": rfc3339(event.at),
                "who": event.who,
                "action": event.action,
                "note": event.note,
            }
            for event in opened.history
        ],
    }


def mute_id(detector: str, subject: bytes) -> bytes:
    """What a silent pair of detector and subject is called."""
    return sha256(b"mute\n" + detector.encode() + b"\n" + subject).digest()[:16]


def mute_document(pair: MutedPair) -> dict[str, Any]:
    """One detector that is silent about somebody."""
    return {
        "mute_id": mute_id(pair.detector, pair.subject).hex(),
        "detector": pair.detector,
        "title": _both(title_of(pair.detector)),
        "person_token": _hex(pair.person),
        "household_token": _hex(pair.household),
        "facility": pair.facility,
        "operator": pair.operator,
        "dismissals": pair.dismissals,
        "muted_at": rfc3339(pair.muted_at),
        "alerts_since": pair.alerts,
    }


def claim_document(claim: CaseClaim) -> dict[str, Any]:
    """One claim of a case, and what became of it."""
    ordered, undone = claim.recovery_ordered_at, claim.reversed_at
    return {
        "settlement_id": claim.id.hex(),
        "visit_no": claim.visit_no,
        "facility": claim.facility,
        "place": claim.place,
        "person_token": _hex(claim.person),
        "operator": claim.operator,
        "care_type": claim.care_type,
        "service_start": claim.service_start.isoformat(),
        "service_end": claim.service_end.isoformat(),
        "occurred_at": rfc3339(claim.occurred_at),
        "settled_at": rfc3339(claim.settled_at),
        "total_fen": claim.total_fen,
        "aid_fen": claim.aid_fen,
        "state": _STATES[claim.state],
        "reason": claim.reason,
        "confirm_reason": claim.confirm_reason,
        "repeat_reason": claim.repeat_reason,
        "reversed_at": None if undone is None else rfc3339(undone),
        "recovery_ordered_at": None if ordered is None else rfc3339(ordered),
    }


_STATES = {b"s": "settled", b"r": "reversed", b"d": "declined"}


def _hex(token: bytes | None) -> str | None:
    return None if token is None else token.hex()


def _both(text: Text) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}

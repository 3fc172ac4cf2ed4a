"""Claims, rules and strategies for what watches them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

from hypothesis import strategies as st

from settlement import alert_rules
from settlement.domain.calendar import SHANGHAI
from settlement.domain.watch.rules import AlertRules, read_rules
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import SubjectKind

PERSON = b"person"


@cache
def document() -> bytes:
    """The rules that come with the program, as bytes."""
    return alert_rules.read(alert_rules.DEFAULT)


@cache
def rules() -> AlertRules:
    """The same, read."""
    return read_rules(document())


def seen(name: str, on: date = date(2026, 1, 5), **changes: Any) -> SeenClaim:
    """An approved outpatient claim of 100 yuan, changed as told."""
    at: time = changes.pop("at", time(9))
    total_fen = changes.pop("total_fen", 10_000)
    values: dict[str, Any] = {
        "id": name.encode(),
        "person": PERSON,
        "household": b"household",
        "facility": 1,
        "place": "990100001",
        "operator": "w1",
        "care_type": "outpatient",
        "service_start": on,
        "service_end": on,
        "occurred_at": datetime.combine(on, at, SHANGHAI).astimezone(UTC),
        "total_fen": total_fen,
        "funds_fen": 0,
        "base_fen": total_fen,
        "aid_fen": total_fen * 4 // 5,
        "reason": "MA-2000",
        "is_approved": True,
    }
    return SeenClaim(**(values | changes))


def undone(claim: SeenClaim, reason: str = "mistake") -> SeenClaim:
    """The claim, reversed a minute after."""
    at = claim.occurred_at + timedelta(minutes=1)
    return claim._replace(reversed_at=at, reversal_reason=reason)


def declined(claim: SeenClaim, reason: str) -> SeenClaim:
    """The claim, declined."""
    return claim._replace(is_approved=False, reason=reason, aid_fen=0)


_FIRST = date(2025, 12, 18)
_STATES = [
    *["stands"] * 8,
    *("mistake", "refund", "timeout"),
    *("MA-2001", "MA-2002", "MA-2101", "MA-2102", "MA-2202"),
]


@st.composite
def claims_of_one(
    draw: st.DrawFn, *, persons: int = 1, most: int = 14, days: int = 50
) -> list[SeenClaim]:
    """Claims of a person, or of several at one desk, close enough to make patterns."""
    return [
        _any_claim(draw, number, persons, days)
        for number in range(draw(st.integers(1, most)))
    ]


def _any_claim(draw: st.DrawFn, number: int, persons: int, days: int) -> SeenClaim:
    on = _FIRST + timedelta(days=draw(st.integers(0, days)))
    care = draw(st.sampled_from(["outpatient"] * 4 + ["emergency", "inpatient"]))
    nights = draw(st.integers(0, 9)) if care == "inpatient" else 0
    facility = draw(st.integers(1, 3)) if persons == 1 else 1
    diagnosis = draw(st.sampled_from(["", "I10", "J06", "N18"]))
    claim = seen(
        f"c{number:02d}",
        on,
        person=b"person%d" % draw(st.integers(1, persons)),
        at=draw(st.sampled_from([time(9), time(10, 1), time(10, 5), time(10, 9, 30)])),
        facility=facility,
        place=f"99010000{facility}",
        care_type=care,
        service_end=on + timedelta(days=nights),
        diagnoses=(diagnosis,) if diagnosis else (),
        prescription_days=draw(st.sampled_from([None, None, 7, 28, 84])),
        total_fen=draw(st.sampled_from([10_000, 10_100, 37_000, 62_400, 61_000])),
    )
    state = draw(st.sampled_from(_STATES))
    if state == "stands":
        return claim
    if state.startswith("MA"):
        return declined(claim, state)
    return undone(claim, state)


#: How claims of each kind of subject are drawn: close in time where minutes count.
SUBJECTS = {
    SubjectKind.PERSON: claims_of_one(),
    SubjectKind.OPERATOR: claims_of_one(persons=9, most=20, days=2),
    SubjectKind.HOUSEHOLD: claims_of_one(persons=3, most=30, days=12),
    SubjectKind.FACILITY: claims_of_one(persons=3),
}

"""What a desk does, one step after the other, and what should become of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import Enum, StrEnum
from typing import Any

from gateway.demo.district import Hospital
from settlement.domain.bill import Bill, Card
from settlement.domain.calendar import rfc3339


class Kind(StrEnum):
    """What is done, in the words of the outcome table."""

    ELIGIBILITY = "eligibility asked"
    QUOTE = "quoted before settling"
    SETTLE = "bill settled"
    LOST_ANSWER = "line cut, same key again"
    GIVEN_UP = "line cut, then reversed by key"
    SAME_AGAIN = "same bill, new key"
    OTHER_AMOUNTS = "same bill no., other amounts"
    KEY_REUSED = "same key, other content"
    REFUND = "refund"
    REFUND_TWICE = "refund asked again, new key"
    CORRECTION = "corrected bill after a refund"
    OVERTAKING = "reversal of a key never seen"
    LATE_ORIGINAL = "its original, arriving late"
    NO_AID = "bill with nothing to aid"
    STRANGER = "person not on the roster"
    EXPIRED = "roster entry expired"
    NOT_YET = "roster entry not begun"
    MALFORMED = "malformed or impossible bill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing a desk does with one bill.

    Steps of one person are done in their order; a hospital does its own in order.
    """

    number: int
    at: datetime
    """The instant, which the sandbox takes for the instant of settling."""
    hospital: Hospital
    person: int
    """Number of the resident."""
    kind: Kind
    key: str
    """The step's own idempotency key; empty: none is sent."""
    bill: Mapping[str, Any] | bytes | None = None
    """The body, ready to send; bytes where it is no JSON object."""
    original_key: str = ""
    """For a reversal: the key of the settlement to undo."""
    by_key: bool = False
    """For a reversal: name the settlement by that key instead of its id."""
    card: Mapping[str, str] | None = None
    asks_first: bool = False
    """Ask for eligibility and a quote before settling, and expect its aid."""
    expect: frozenset[str]
    """The outcomes that are right, as `gateway.demo.desk` words them."""


def bill_body(bill: Bill) -> dict[str, Any]:
    """The bill as the interface takes it; what may be left out is left out."""
    body: dict[str, Any] = {}
    for field in fields(bill):
        value = getattr(bill, field.name)
        if value is not None:
            body[field.name] = _wire(value)
    return body


def card_body(number: str) -> dict[str, str]:
    """A social security card as the interface takes it."""
    return {"kind": "social_security_card", "number": number}


def _wire(value: object) -> object:
    if isinstance(value, Card):
        return {"kind": value.kind.value, "number": value.number}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    return value

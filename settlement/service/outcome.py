"""What became of a claim inside a batch, before and after it has a receipt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import orjson

from crypto.receipt import Receipt
from settlement.domain.decision import Adjudication, PolicyRef, Text
from settlement.domain.eligibility import RosterVersion


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing the cashier should know; it blocks nothing."""

    code: str
    text: Text


@dataclass(frozen=True, slots=True)
class DuplicateOf:
    """The settlement that already holds the visit's bill."""

    settlement_id: str
    aid_fen: int
    patient_pays_fen: int
    receipt: bytes
    """JSON, exactly as the first answer had it."""
    is_same_bill: bool
    """Same dates and amounts: what is to be collected is the first one's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything that a DECISION shows, apart from its receipt."""

    settlement_id: str | None
    """`None` for a quote."""
    settled_at: datetime
    adjudication: Adjudication
    policy: PolicyRef | None
    category_text: Text | None
    roster: RosterVersion | None
    roster_is_stale: bool = False
    """Of a quote: what the cache holds may be behind; settling is never."""
    alerts: tuple[Alert, ...] = ()
    duplicate_of: DuplicateOf | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversalOutcome:
    """Everything that the answer to a reversal shows, apart from its receipt."""

    reversal_id: str
    settlement_id: str | None
    aid_fen: int
    state: str
    """`reversed`, `declined` or `tombstone`."""
    alerts: tuple[Alert, ...] = ()


class Renderer(Protocol):
    """Makes the JSON of answers; the wire's names live at the edge."""

    def decision(self, outcome: Outcome) -> bytes:
        """A DECISION as one JSON object without the member `receipt`."""
        ...

    def reversal(self, outcome: ReversalOutcome) -> bytes:
        """The answer to a reversal without the members `already` and `receipt`."""
        ...


#: How a receipt's JSON begins, up to the record.
_OPENING = b'{"record":"'


def without_receipt(body: bytes) -> bytes:
    """The answer of something that has no leaf: `receipt` is null."""
    return body[:-1] + b',"receipt":null}'


def around_record(body: bytes, receipt: Receipt) -> tuple[bytes, bytes]:
    """Head and tail of the answer; head + record + tail are its exact bytes.

    `receipt` comes without its record, which is stored once and stands between.
    """
    rest = orjson.dumps(receipt.to_document())
    return body[:-1] + b',"receipt":' + _OPENING, rest[len(_OPENING) :] + b"}"

"""What is matched: one item for each settlement of a period, on each side.

Amounts count with their sign: a settlement adds, a reversal takes away. Items are
tuples, because a month has a million of them on each side.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import NamedTuple


class NetState(StrEnum):
    """What is left of a settlement in the period, once pairs that cancel are gone."""

    SETTLED = "settled"
    """It was settled in the period and counts as it is."""
    REVERSED = "reversed"
    """Only its reversal lies in the period: its amounts are negative."""
    CANCELLED = "cancelled"
    """Settlement and reversal both lie in the period: nothing is left to count."""


class Amounts(NamedTuple):
    """What one side counts for a settlement in the period, with its sign."""

    total_fen: int
    aid_fen: int


class LedgerItem(NamedTuple):
    """One settlement of a facility in our ledger; at most one in a period."""

    settlement_id: bytes
    """16 bytes."""
    settled_on: date
    """Shanghai day of the settlement, also where only its reversal lies here."""
    care_type: str
    visit_no: str
    key: str
    """The settlement's idempotency key."""
    total_fen: int
    """Negative for `reversed`; for `cancelled` nothing is counted, whatever it is."""
    aid_fen: int
    state: NetState
    reversal_id: bytes | None = None
    reversal_key: str | None = None


class ListedItem(NamedTuple):
    """One line of the hospital's list, as far as the caller could resolve it."""

    line: int
    """Physical line of the file, from 1."""
    settlement_id: bytes | None
    """The settlement of this hospital that the line means; `None`: none of ours."""
    visit_no: str
    key: str
    total_fen: int
    """As listed: a refund is negative, or positive with `is_refund`."""
    aid_fen: int
    is_refund: bool
    elsewhere: date | None = None
    """The day to which it really belongs, where that lies outside of the period.

    May be given for each line: a refund's is the day of our reversal.
    """
    listed_id: str = ""
    """The id as the list has it, where it is none of ours."""


class BureauItem(NamedTuple):
    """One settlement as the bureau reads it from the records that it decrypted."""

    settlement_id: bytes
    total_fen: int
    """As in `LedgerItem`: negative for `reversed`, not counted for `cancelled`."""
    aid_fen: int
    state: NetState


@dataclass(slots=True)
class Side:
    """What one side adds up to."""

    count: int = 0
    """Settlements and reversals that count; a pair that cancels does not."""
    total_fen: int = 0
    aid_fen: int = 0

    def add(self, count: int, total_fen: int, aid_fen: int) -> None:
        """Count further ones."""
        self.count += count
        self.total_fen += total_fen
        self.aid_fen += aid_fen


@dataclass(slots=True)
class Tally:
    """What a match has counted; complete when the last difference was taken."""

    gateway: Side = field(default_factory=Side)
    hospital: Side = field(default_factory=Side)
    bureau: Side = field(default_factory=Side)
    flat: Side = field(default_factory=Side)
    """Settlements on which all sides that were given agree."""
    lines: int = 0
    """Lines of the hospital's list, before pairs that cancel are netted."""
    differences: int = 0

"""Rows that a batch reads and writes: plain values, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as it was given; `body` gives its exact bytes again."""

    id: bytes
    request: bytes
    head: bytes
    record: bytes | None
    tail: bytes

    @property
    def body(self) -> bytes:
        """The answer's exact bytes."""
        return self.head + (self.record or b"") + self.tail

    @property
    def receipt(self) -> bytes:
        """The receipt within the answer, as JSON."""
        return b'{"record":"' + (self.record or b"") + self.tail[:-1]


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What stands under a settle key."""

    month: int
    tombstone: bool
    state: bytes | None
    aid_fen: int | None
    patient_pays_fen: int | None
    reversed_at: datetime | None
    """When a reversal stopped the key; of tombstones only."""
    answer: StoredAnswer


@dataclass(frozen=True, slots=True)
class VisitInForce:
    """The settlement that holds an identity."""

    ordinal: int
    aid_fen: int
    patient_pays_fen: int
    answer: StoredAnswer


@dataclass(frozen=True, slots=True)
class Original:
    """A settlement about to be reversed, locked."""

    id: bytes
    month: int
    facility_id: int
    key: str
    state: bytes
    person: bytes | None
    visit_identity: bytes | None
    total_fen: int
    funds_fen: int
    aid_fen: int
    patient_pays_fen: int
    log_index: int | None
    roster_version: int
    policy_id: str | None
    policy_version: str | None
    policy_sha256: str | None


@dataclass(frozen=True, slots=True)
class FirstReversal:
    """The reversal that a settlement or key already has."""

    id: bytes
    settlement_id: bytes | None
    body: bytes


@dataclass(frozen=True, slots=True)
class LogHead:
    """The log's head row: size, root and right edge."""

    size: int
    root: bytes
    edge: bytes


@dataclass(frozen=True, slots=True)
class SettlementRow:
    """One row of `settlement`, in the order of its columns."""

    id: bytes
    month: int
    facility_id: int
    key: str
    state: bytes
    person: bytes | None
    visit_no: str
    visit_identity: bytes | None
    care_type: str
    service_start: date
    service_end: date
    occurred_at: datetime
    settled_at: datetime
    operator: str
    sandbox: bool
    category: str | None
    subdistrict: str
    roster_version: int
    policy_no: int | None
    reason: str
    repeat_reason: str | None
    total_fen: int
    funds_fen: int
    base_fen: int
    aid_fen: int
    tilt_fen: int
    patient_pays_fen: int
    log_index: int | None


@dataclass(frozen=True, slots=True)
class ReversalRow:
    """One row of `reversal`, in the order of its columns."""

    id: bytes
    month: int
    facility_id: int
    key: str
    settlement_id: bytes | None
    original_key: str | None
    person: bytes | None
    reason: str
    reversed_at: datetime
    operator: str
    sandbox: bool
    aid_fen: int
    log_index: int


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One row of `answer`."""

    month: int
    id: bytes
    request: bytes
    head: bytes
    tail: bytes


@dataclass(frozen=True, slots=True)
class LeafRow:
    """One record with its place in the log."""

    month: int
    log_index: int
    record: bytes
    entry: bytes
    id: bytes


@dataclass(frozen=True, slots=True)
class NodeRow:
    """The root of a full tile."""

    level: int
    node_index: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class PostingRow:
    """What one leaf adds to one accumulator; negative for a reversal."""

    log_index: int
    person: bytes
    year: int
    pot: str
    amount_fen: int
    cap_fen: int | None


@dataclass(frozen=True, slots=True)
class AccumulatorRow:
    """A running total after the batch."""

    person: bytes
    year: int
    pot: str
    used_fen: int
    cap_fen: int | None


@dataclass(frozen=True, slots=True)
class NewHead:
    """The head after the batch, swapped in only where `old_size` still holds."""

    size: int
    root: bytes
    edge: bytes
    checkpoint: str
    old_size: int

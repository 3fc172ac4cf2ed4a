"""Rows that a batch reads and writes: plain values, no behaviour.

Those that are written are tuples in the order of their table's columns: asyncpg
sends them as arrays of the table's own row type, at a third of the cost of one array
for each column.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple


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

    id: bytes
    """Of the settlement, or of the reversal that stopped the key."""
    tombstone: bool
    has_late_original: bool
    answer: StoredAnswer
    """Of the settlement or the late original; of the reversal where neither came."""

    @property
    def awaits_original(self) -> bool:
        """Whether a reversal stopped the key and its original has not come yet."""
        return self.tombstone and not self.has_late_original


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
    request: bytes | None


@dataclass(frozen=True, slots=True)
class FirstReversal:
    """The reversal that a settlement or key already has."""

    facility_id: int
    settlement_id: bytes | None
    """`None` for a tombstone."""
    body: bytes


@dataclass(frozen=True, slots=True)
class LogHead:
    """The log's head row: size, root and right edge."""

    size: int
    root: bytes
    edge: bytes


class SettlementRow(NamedTuple):
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
    confirm_reason: str | None


class ReversalRow(NamedTuple):
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


class AnswerRow(NamedTuple):
    """One row of `answer`."""

    month: int
    id: bytes
    request: bytes
    head: bytes
    tail: bytes


class RecordRow(NamedTuple):
    """One row of `sealed_record`."""

    month: int
    log_index: int
    record: bytes


class LeafRow(NamedTuple):
    """One row of `log_leaf`: the record's hash and what it stands for."""

    log_index: int
    entry: bytes
    id: bytes
    month: int


class DiagnosisRow(NamedTuple):
    """One row of `clinical.diagnosis`."""

    settlement_id: bytes
    codes: list[str]
    prescription_days: int | None


class KeyRow(NamedTuple):
    """One row of `settle_key`."""

    facility_id: int
    key: str
    id: bytes
    month: int
    tombstone: bool
    late_id: None = None
    late_month: None = None


class ReversalKeyRow(NamedTuple):
    """One row of `reversal_key`."""

    facility_id: int
    key: str
    id: bytes
    month: int


class VisitRow(NamedTuple):
    """One row of `visit`."""

    identity: bytes
    ordinal: int
    id: bytes


class NodeRow(NamedTuple):
    """The root of a full tile."""

    level: int
    node_index: int
    hash: bytes


class PostingRow(NamedTuple):
    """What one leaf adds to one accumulator; negative for a reversal."""

    log_index: int
    person: bytes
    year: int
    pot: str
    amount_fen: int
    cap_fen: int | None


class AccumulatorRow(NamedTuple):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRows:
    """Everything that one batch writes."""

    settlements: list[SettlementRow]
    answers: list[AnswerRow]
    records: list[RecordRow]
    leaves: list[LeafRow]
    nodes: list[NodeRow]
    postings: list[PostingRow]
    diagnoses: list[DiagnosisRow]
    accumulators: list[AccumulatorRow]
    head: NewHead

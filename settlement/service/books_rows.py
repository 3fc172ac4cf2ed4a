"""Each row against the answer that was given for it, its request and its record.

A row is what look-ups and statistics read; the answer is what the hospital was told.
Whatever stands in both must be the same in both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson

from crypto.claims import Claim
from settlement.domain.calendar import rfc3339, shanghai_day
from settlement.domain.decision import PolicyRef
from settlement.service.claims import month_number
from settlement.service.request import (
    BILL_FIELDS,
    REVERSAL_FIELDS,
    Tokenizer,
    visit_identity,
)
from settlement.store.books import BookAnswer, BookLeaf, Row

Claims = Mapping[str, Claim]
#: Equal to no value: the column cannot be right, whatever it says.
_NEVER = object()
_STATES = {True: (b"s", b"r"), False: (b"d",)}
"""States of a settlement that was approved, and of one that was not."""
#: Declines that need no person: not on the roster, and a key that was stopped.
_PERSON_UNKNOWN = frozenset({"MA-2101", "MA-2205"})
_FUNDS = (
    "basic_insurance_fen",
    "serious_illness_fen",
    "other_funds_fen",
    "medical_aid_fen",
)
_SETTLE_COLUMNS = (
    ("total_fen", "total_fen"),
    ("funds_fen", "funds_fen"),
    ("aid_fen", "aid_fen"),
    ("patient_pays_fen", "patient_pays_fen"),
    ("roster_version", "roster_version"),
)


class RowChecker:
    """Compares; what it gives are names of columns, never a value."""

    def __init__(
        self, packs: Mapping[int, PolicyRef], tokenizer: Tokenizer | None
    ) -> None:
        """`tokenizer`: the gateway's, where its key is at hand: checks diagnoses."""
        self._packs = packs
        self._tokenizer = tokenizer

    def settlement(
        self, book: BookAnswer, row: Row, shown: Mapping[str, Any]
    ) -> Iterator[str]:
        """Columns of `settlement` that are not what was asked and answered."""
        values = orjson.loads(book.request or b"[]")
        request = dict(zip(BILL_FIELDS, values, strict=False))
        expected = self._as_asked(row, request, values) | self._as_answered(
            book, row, shown
        )
        yield from _differing("settlement", row, expected)
        yield from self._diagnoses(book, request)

    def _as_asked(
        self, row: Row, request: Mapping[str, Any], values: list[Any]
    ) -> dict[str, Any]:
        occurred = request["occurred_at"]
        funds = sum(request[name] for name in _FUNDS)
        identity = None
        if row["state"] != b"d":
            identity = visit_identity(row["facility_id"], row["person"] or b"", values)
        return {
            "visit_no": request["visit_no"],
            "visit_identity": identity,
            "care_type": request["care_type"],
            "service_start": datetime.fromisoformat(request["service_start"]).date(),
            "service_end": datetime.fromisoformat(request["service_end"]).date(),
            "occurred_at": (
                datetime.fromisoformat(occurred) if occurred else row["settled_at"]
            ),
            "repeat_reason": request["repeat_reason"],
            # Requests that were stored before claims could be held do not have it.
            "confirm_reason": request.get("confirm_reason"),
            "total_fen": request["total_fen"],
            "funds_fen": funds,
            "month": month_number(row["settled_at"]),
        }

    def _as_answered(
        self, book: BookAnswer, row: Row, shown: Mapping[str, Any]
    ) -> dict[str, Any]:
        is_approved = shown["decision"] == "approved"
        tilt = [part["amount_fen"] for part in shown["aid"] if part["kind"] == "tilt"]
        pack = self._packs.get(row["policy_no"])
        same_pack = pack is not None and shown["policy"] == {
            "id": pack.id,
            "version": pack.version,
            "sha256": pack.sha256,
        }
        expected = {
            "id": bytes.fromhex(shown["settlement_id"]),
            "category": shown["category"],
            "reason": shown["reason"]["code"],
            "base_fen": shown["aidable_base_fen"],
            "aid_fen": shown["aid_fen"],
            "tilt_fen": sum(tilt),
            "roster_version": shown["roster"]["version"] if shown["roster"] else 0,
            "policy_no": row["policy_no"] if same_pack else _NEVER,
        }
        if is_approved:
            # A repeated bill shows what the first one left to collect.
            expected["patient_pays_fen"] = shown["patient_pays_fen"]
        if row["state"] not in _STATES[is_approved]:
            expected["state"] = _NEVER
        if rfc3339(row["settled_at"]) != shown["settled_at"]:
            expected["settled_at"] = _NEVER
        if not _may_be(row["person"], shown["reason"]["code"], book):
            expected["person"] = _NEVER
        if shown["category"] is None:
            expected["subdistrict"] = ""
        return expected

    def _diagnoses(self, book: BookAnswer, request: Mapping[str, Any]) -> Iterator[str]:
        digest, days = request["diagnoses"], request["prescription_days"]
        codes = book.diagnoses
        # A prescription alone has a row only since the days stand there.
        may_be = bool(digest) or days is not None
        if (digest and codes is None) or (codes is not None and not may_be):
            yield "clinical.diagnosis.settlement_id"
        elif codes is not None:
            # Rows that were made before the days stood beside the codes have none.
            if book.prescription_days not in {None, days}:
                yield "clinical.diagnosis.prescription_days"
            text = " ".join(codes)
            if self._tokenizer is not None and (
                (self._tokenizer.digest("diagnoses", text).hex() if text else "")
                != digest
            ):
                yield "clinical.diagnosis.codes"

    def settlement_record(
        self, leaf: BookLeaf, row: Row, claims: Claims
    ) -> Iterator[str]:
        """Columns of `settlement` that are not what its record says in clear."""
        pack = self._packs.get(row["policy_no"])
        stated = (claims["policy"], claims["policy_sha256"])
        expected: dict[str, Any] = {
            column: claims[claim] for column, claim in _SETTLE_COLUMNS
        }
        if pack is None or stated != (f"{pack.id}@{pack.version}", pack.sha256):
            expected["policy_no"] = _NEVER
        yield from _differing(
            "settlement",
            row,
            expected | _header(leaf, claims, row["settled_at"]),
        )

    def reversal(
        self, leaf: BookLeaf, row: Row, shown: Mapping[str, Any]
    ) -> Iterator[str]:
        """Columns of `reversal` that are not what was asked and answered."""
        values = orjson.loads(leaf.request or b"[]")
        request = dict(zip(REVERSAL_FIELDS, values, strict=False))
        undone = shown["settlement_id"]
        expected: dict[str, Any] = {
            "id": bytes.fromhex(shown["reversal_id"]),
            "settlement_id": None if undone is None else bytes.fromhex(undone),
            "aid_fen": shown["aid_fen"],
            "reason": request["reason"],
            "original_key": request["original_idempotency_key"],
            "month": month_number(row["reversed_at"]),
        }
        if request["settlement_id"] not in {None, undone}:
            expected["settlement_id"] = _NEVER
        if leaf.original is not None:
            expected["person"] = leaf.original["person"]
        elif not leaf.is_on_roster:
            # A card that no roster knows stands for its person.
            card = request["card"]
            expected["person"] = None if card is None else bytes.fromhex(card)
        yield from _differing("reversal", row, expected)

    def reversal_record(
        self, leaf: BookLeaf, row: Row, claims: Claims
    ) -> Iterator[str]:
        """Columns of `reversal` that are not what its record says in clear."""
        ref = str(claims["ref"])
        expected = {
            "settlement_id": bytes.fromhex(ref) if ref else None,
            "aid_fen": claims["aid_fen"],
        }
        yield from _differing(
            "reversal", row, expected | _header(leaf, claims, row["reversed_at"])
        )


def _may_be(person: bytes | None, reason: str, book: BookAnswer) -> bool:
    """Nobody only where the card was unknown; else somebody the roster has known."""
    if person is None:
        return reason in _PERSON_UNKNOWN
    return book.is_on_roster or reason in _PERSON_UNKNOWN


def _header(leaf: BookLeaf, claims: Claims, at: datetime) -> dict[str, Any]:
    """What every record says in clear of where, when and in which world it arose."""
    expected: dict[str, Any] = {
        "id": bytes.fromhex(str(claims["sid"])),
        "sandbox": "sandbox" in claims,
        "log_index": leaf.log_index,
    }
    if leaf.facility is not None and leaf.facility != claims["facility"]:
        expected["facility_id"] = _NEVER
    if shanghai_day(at).isoformat() != claims["day"]:
        expected["settled_at" if leaf.reversal is None else "reversed_at"] = _NEVER
    return expected


def _differing(table: str, row: Row, expected: Mapping[str, Any]) -> Iterator[str]:
    for column, value in expected.items():
        if row[column] != value:
            yield f"{table}.{column}"

"""Each decision once more, from its sealed content, by the pack that it names.

Only the bureau's key opens the contents. Nothing of the tables decides here: bill,
category, totals before and pack come from the record, and the rows must agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import orjson

from crypto.keys import OpeningKey
from crypto.record import VerifiedRecord, check_sealed_copies, open_record
from settlement.domain.bill import (
    Bill,
    Card,
    CardKind,
    CareType,
    ConfirmReason,
    NationalFacts,
    Place,
    RepeatReason,
)
from settlement.domain.calendar import rfc3339, shanghai_day
from settlement.domain.decision import AccumulatorKey, Adjudication
from settlement.domain.policy import CompiledPack
from settlement.service.request import Tokenizer, bill_values, canonical
from settlement.store.books import BookLeaf, BookPosting, Row

_Posted = Mapping[tuple[int, str], BookPosting]


def sealed_bill(values: Mapping[str, Any]) -> Bill:
    """The bill as it was sealed."""
    plain = dict(values)
    card = plain["card"]
    occurred, repeat = plain["occurred_at"], plain["repeat_reason"]
    # Records that were sealed before claims could be held do not have it.
    confirm = plain.get("confirm_reason")
    # Nor those from before the national envelope was spoken.
    national = plain.get("national")
    return Bill(
        **plain
        | {
            "card": Card(kind=CardKind(card["kind"]), number=card["number"]),
            "care_type": CareType(plain["care_type"]),
            "place": Place(plain["place"]),
            "diagnoses": tuple(plain["diagnoses"]),
            "service_start": date.fromisoformat(plain["service_start"]),
            "service_end": date.fromisoformat(plain["service_end"]),
            "occurred_at": datetime.fromisoformat(occurred) if occurred else None,
            "repeat_reason": RepeatReason(repeat) if repeat else None,
            "confirm_reason": ConfirmReason(confirm) if confirm else None,
            "national": NationalFacts(**national) if national else None,
        }
    )


def sealed_content(verified: VerifiedRecord, key: OpeningKey) -> dict[str, Any]:
    """What a record holds for the bureau alone; raises `CryptoError`."""
    content_bytes = open_record(verified, key)
    check_sealed_copies(verified, content_bytes)
    content: dict[str, Any] = orjson.loads(content_bytes)
    return content


def decide_again(
    pack: CompiledPack, bill: Bill, content: Mapping[str, Any]
) -> Adjudication:
    """What the pack gives for a record's content: its bill, category and totals."""
    return pack.adjudicate(
        bill,
        (content["category"],),
        totals_before(content),
        content["facility_level"],
        settled_on=shanghai_day(datetime.fromisoformat(content["settled_at"])),
    )


def totals_before(content: Mapping[str, Any]) -> dict[AccumulatorKey, int]:
    """The person's running totals that the decision met, as they were sealed."""
    return {
        AccumulatorKey(row["year"], row["pot"]): row["used_fen"]
        for row in content["accumulators_before"]
    }


class DecisionChecker:
    """Opens records and applies the pure core; gives names of what disagrees."""

    def __init__(
        self,
        key: OpeningKey,
        packs: Mapping[str, CompiledPack],
        tokenizer: Tokenizer | None,
        *,
        is_first_epoch: bool,
    ) -> None:
        """`packs` by SHA-256 of their documents; `tokenizer` as for the rows.

        `is_first_epoch`: the database names persons as records do. In later epochs
        only the tokenizer tells whether a row is of the person in its record.
        """
        self._key = key
        self._packs = packs
        self._tokenizer = tokenizer
        self._is_first_epoch = is_first_epoch
        #: Contents opened and recomputed so far.
        self.checked = 0

    def check(
        self, leaf: BookLeaf, verified: VerifiedRecord, posted: Sequence[BookPosting]
    ) -> Iterator[str]:
        """What is not as it was sealed; raises `CryptoError` for what does not open."""
        content = sealed_content(verified, self._key)
        self.checked += 1
        if content["claims"] != dict(verified.claims):
            yield "the sealed claims"
        by_pot = {(row.year, row.pot): row for row in posted}
        if leaf.settlement is not None:
            yield from self._settlement(leaf, leaf.settlement, content, by_pot)
        elif leaf.reversal is not None:
            yield from _reversal(leaf.reversal, content, by_pot)

    def _settlement(
        self,
        leaf: BookLeaf,
        row: Row,
        content: Mapping[str, Any],
        posted: _Posted,
    ) -> Iterator[str]:
        bill = sealed_bill(content["bill"])
        window = content["window"]
        expected = {
            "key": content["idempotency_key"],
            "operator": content["operator"],
            "category": content["category"],
            "subdistrict": window["subdistrict"] if window else "",
            "base_fen": content["result"]["base_fen"],
            "reason": content["result"]["reason"],
        }
        person = bytes.fromhex(content["person"])
        if self._tokenizer is not None:
            expected["person"] = self._tokenizer.of_today(person)
        elif self._is_first_epoch:
            expected["person"] = person
        yield from _unlike("settlement", row, expected)
        if rfc3339(row["settled_at"]) != content["settled_at"]:
            yield "settlement.settled_at"
        if tuple(leaf.diagnoses or ()) != bill.diagnoses:
            yield "clinical.diagnosis.codes"
        if self._tokenizer is not None:
            token = self._tokenizer.card(bill.card.kind, bill.card.number)
            if canonical(bill_values(bill, token, self._tokenizer)) != leaf.request:
                yield "answer.request"
        yield from self._recompute(bill, content, posted)

    def _recompute(
        self, bill: Bill, content: Mapping[str, Any], posted: _Posted
    ) -> Iterator[str]:
        pack = self._packs.get(content["claims"]["policy_sha256"])
        if pack is None:
            yield "policy_pack: the pack that decided is not installed"
            return
        before = totals_before(content)
        result = decide_again(pack, bill, content)
        if not is_same_decision(result, content):
            yield "the decision: the pack gives another one"
        made = {
            (p.key.year, p.key.pot): (p.amount_fen, p.cap_fen) for p in result.postings
        }
        if made != {pot: (row.amount_fen, row.cap_fen) for pot, row in posted.items()}:
            yield "posting: the pack posts other amounts or caps"
        for (year, pot), row in posted.items():
            if before.get(AccumulatorKey(year, pot)) != row.before_fen:
                yield "posting: the pot held another sum than was sealed"


def is_same_decision(result: Adjudication, content: Mapping[str, Any]) -> bool:
    """Whether a decision is the one that was sealed, step by step."""
    return _told(result) == _sealed(content)


def _told(result: Adjudication) -> tuple[Any, ...]:
    return (
        result.reason,
        result.aid_fen,
        result.patient_pays_fen,
        result.base_fen,
        [(part.kind, part.amount_fen) for part in result.aid],
        result.cash_fen,
        result.account_return_fen,
        [[line.rule, line.input_fen, line.result_fen] for line in result.explanation],
    )


def _sealed(content: Mapping[str, Any]) -> tuple[Any, ...]:
    claims, result = content["claims"], content["result"]
    return (
        result["reason"],
        claims["aid_fen"],
        claims["patient_pays_fen"],
        result["base_fen"],
        [(part["kind"], part["amount_fen"]) for part in result["aid"]],
        result["cash_fen"],
        result["account_return_fen"],
        _steps_of_chosen(result, claims["aid_fen"]),
    )


def _steps_of_chosen(result: Mapping[str, Any], aid_fen: int) -> list[Any]:
    """The sealed steps without the one that chose among several identities.

    The record names the identity that was chosen, and not the others: so it is
    decided again as the only one, and that step, which changes no amount, is not made.
    """
    chosen = ["best_identity", result["base_fen"], aid_fen]
    steps = list(result["steps"])
    if chosen in steps:
        steps.remove(chosen)
    return steps


def _reversal(row: Row, content: Mapping[str, Any], posted: _Posted) -> Iterator[str]:
    expected = {
        "key": content["idempotency_key"],
        "operator": content["operator"],
        "reason": content["reason"],
        "original_key": content["original_idempotency_key"],
    }
    yield from _unlike("reversal", row, expected)
    if rfc3339(row["reversed_at"]) != content["settled_at"]:
        yield "reversal.reversed_at"
    taken_back = {
        (each["year"], each["pot"]): -each["amount_fen"] for each in content["postings"]
    }
    if taken_back != {pot: each.amount_fen for pot, each in posted.items()}:
        yield "posting: other amounts than the reversal's record says"


def _unlike(table: str, row: Row, expected: Mapping[str, Any]) -> Iterator[str]:
    for column, value in expected.items():
        if row[column] != value:
            yield f"{table}.{column}"

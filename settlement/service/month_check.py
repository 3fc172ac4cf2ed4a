"""A month's decrypted records, decided once more: needs no gateway and no database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from settlement.domain.bill import bill_faults
from settlement.domain.calendar import shanghai_day
from settlement.domain.decision import Adjudication
from settlement.domain.month_entry import BillFigures
from settlement.domain.month_lines import Disclosed
from settlement.domain.policy import CompiledPack, compile_pack
from settlement.service.books_decisions import (
    decide_again,
    is_same_decision,
    sealed_bill,
    totals_before,
)

_RESIDENT_ID = "resident_id"


@dataclass(frozen=True, slots=True)
class Link:
    """What one entry did to one running total of a person."""

    person: str
    year: int
    pot: str
    before_fen: int | None
    """What the decision met; a reversal's record does not say."""
    posted_fen: int


@lru_cache(maxsize=64)
def compiled(document: bytes) -> CompiledPack:
    """A policy document, compiled once in a process; raises `PolicyError`."""
    return compile_pack(document)


def figures_of(content: Mapping[str, Any]) -> BillFigures:
    """What a settlement's sealed content says, as the month's lists tell it."""
    bill, result, claims = content["bill"], content["result"], content["claims"]
    window = content["window"]
    return BillFigures(
        policy=claims["policy"],
        category=content["category"] or "",
        subdistrict=window["subdistrict"] if window else "",
        care_type=bill["care_type"],
        service_start=bill["service_start"],
        service_end=bill["service_end"],
        total_fen=claims["total_fen"],
        funds_fen=claims["funds_fen"],
        in_policy_fen=bill["in_policy_fen"],
        basic_insurance_fen=bill["basic_insurance_fen"],
        serious_illness_fen=bill["serious_illness_fen"],
        other_funds_fen=bill["other_funds_fen"],
        base_fen=result["base_fen"],
        aid_fen=claims["aid_fen"],
        tilt_fen=sum(p["amount_fen"] for p in result["aid"] if p["kind"] == "tilt"),
        patient_pays_fen=claims["patient_pays_fen"],
        commercial_fen=bill["commercial_fen"],
        charity_fen=bill["charity_fen"],
        personal_account_fen=bill["personal_account_fen"],
    )


def disclosed_of(content: Mapping[str, Any]) -> Disclosed:
    """What staff see of a settlement beyond the package's own list."""
    card = content["bill"]["card"]
    identity = card["number"] if card["kind"] == _RESIDENT_ID else ""
    return Disclosed(identity, tuple(content["bill"]["diagnoses"]))


def decide(pack: CompiledPack, content: Mapping[str, Any]) -> Adjudication:
    """What the pack gives for the settlement's content."""
    return decide_again(pack, sealed_bill(content["bill"]), content)


def settlement_findings(
    pack: CompiledPack,
    result: Adjudication,
    content: Mapping[str, Any],
    claims: Mapping[str, Any],
) -> Iterator[str]:
    """What a settlement's record says otherwise than its pack, or than its claims."""
    yield from _head_findings(content, claims)
    if not is_same_decision(result, content):
        yield "the named policy pack gives another decision for the sealed bill"
    bill = sealed_bill(content["bill"])
    if not pack.covers(pack.policy_day(bill)):
        yield "the named policy pack was not in force for the sealed bill"
    if bill.total_fen != claims["total_fen"]:
        yield "its total is not that of the sealed bill"
    if bill_faults(bill, today=date.fromisoformat(claims["day"])):
        yield "the sealed bill is one that cannot be"
    # A total that is left out would count as 0, and a cap would not bind.
    before = totals_before(content)
    read = pack.accumulator_keys(bill, (content["category"],))
    if any(not _is_total(before.get(key)) for key in read):
        yield "a running total that the decision rests on is not in it, or is none"
    if read and not _is_token(content["person"]):
        yield "it does not say whose running totals it rests on"


def _head_findings(
    content: Mapping[str, Any], claims: Mapping[str, Any]
) -> Iterator[str]:
    if content["claims"] != dict(claims):
        yield "the sealed claims are not the clear ones"
    instant = datetime.fromisoformat(content["settled_at"])
    if shanghai_day(instant).isoformat() != claims["day"]:
        yield "the sealed instant is not of its day"


def _is_total(used_fen: object) -> bool:
    return type(used_fen) is int and used_fen >= 0


def _is_token(person: object) -> bool:
    return isinstance(person, str) and len(bytes.fromhex(person)) > 0


def settlement_links(
    result: Adjudication, content: Mapping[str, Any]
) -> Iterator[Link]:
    """What the settlement met of each running total, and what it added."""
    posted = {posting.key: posting.amount_fen for posting in result.postings}
    for key, before_fen in totals_before(content).items():
        yield Link(content["person"], key.year, key.pot, before_fen, posted.get(key, 0))


def reversal_findings(
    original_result: Adjudication,
    content: Mapping[str, Any],
    claims: Mapping[str, Any],
) -> Iterator[str]:
    """What a reversal's record says otherwise than its claims or its original."""
    yield from _head_findings(content, claims)
    taken_back = {
        (each["year"], each["pot"]): each["amount_fen"] for each in content["postings"]
    }
    posted = {
        (posting.key.year, posting.key.pot): posting.amount_fen
        for posting in original_result.postings
    }
    if taken_back != posted:
        yield "it takes back other amounts from running totals than were added"


def reversal_links(
    original_result: Adjudication, original: Mapping[str, Any]
) -> Iterator[Link]:
    """What the reversal took off each running total."""
    for posting in original_result.postings:
        key = posting.key
        yield Link(original["person"], key.year, key.pot, None, -posting.amount_fen)

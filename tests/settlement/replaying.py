"""Replay the log through the pure core, from the sealed contents alone.

A second way to the same numbers: nothing of the tables is read but the records.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date, datetime
from typing import Any

from crypto.record import open_record, verify_record
from settlement.domain.bill import Bill, Card, CardKind, CareType, Place, RepeatReason
from settlement.domain.decision import AccumulatorKey
from settlement.domain.policy import compile_pack
from settlement.store import books
from tests.settlement.house import DEMO_PACK, House

Totals = defaultdict[tuple[str, int, str], int]


def bill_of(values: dict[str, Any]) -> Bill:
    """The bill as it was sealed."""
    plain = dict(values)
    card = plain.pop("card")
    plain["card"] = Card(kind=CardKind(card["kind"]), number=card["number"])
    plain["care_type"] = CareType(plain["care_type"])
    plain["place"] = Place(plain["place"])
    plain["diagnoses"] = tuple(plain["diagnoses"])
    for name in ("service_start", "service_end"):
        plain[name] = date.fromisoformat(plain[name])
    if plain["occurred_at"] is not None:
        plain["occurred_at"] = datetime.fromisoformat(plain["occurred_at"])
    if plain["repeat_reason"] is not None:
        plain["repeat_reason"] = RepeatReason(plain["repeat_reason"])
    return Bill(**plain)


async def replay_log(house: House) -> Totals:
    """Recompute every leaf in index order; the totals that must stand at the end.

    Asserts that each settlement's sealed starting totals are the running ones, and
    that the pure core gives the same fen.
    """
    pack = compile_pack(DEMO_PACK.read_bytes())
    totals: Totals = defaultdict(int)
    posted: dict[str, list[tuple[tuple[str, int, str], int]]] = {}
    async with books.snapshot(house.database) as session:
        async for leaf in books.leaves(session):
            assert leaf.record is not None
            verified = verify_record(leaf.record, house.trust)
            content = json.loads(open_record(verified, house.opening))
            claims = content["claims"]
            if claims["op"] == "settle":
                posted[claims["sid"]] = _settle(pack, content, totals)
            elif claims["op"] == "reverse":
                for key, amount in posted.pop(claims["ref"]):
                    totals[key] -= amount
    return totals


def _settle(
    pack: Any, content: dict[str, Any], totals: Totals
) -> list[tuple[tuple[str, int, str], int]]:
    person, claims = content["person"], content["claims"]
    used = {
        AccumulatorKey(row["year"], row["pot"]): row["used_fen"]
        for row in content["accumulators_before"]
    }
    for key, fen in used.items():
        assert totals[person, key.year, key.pot] == fen
    result = pack.adjudicate(
        bill_of(content["bill"]),
        (content["category"],),
        used,
        content["facility_level"],
    )
    assert result.aid_fen == claims["aid_fen"]
    assert result.patient_pays_fen == claims["patient_pays_fen"]
    made = []
    for posting in result.postings:
        place = (person, posting.key.year, posting.key.pot)
        totals[place] += posting.amount_fen
        assert posting.cap_fen is None or totals[place] <= posting.cap_fen
        made.append((place, posting.amount_fen))
    return made

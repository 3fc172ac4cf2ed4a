"""What the engine gave before bands, levels and shares came: unchanged, to the fen.

`former-engine.jsonl.gz` was made once with the engine of commit 64a900a, from seeded
random bills under both packs of that time, and never again: one JSON object a line,
amounts in fen. Each twentieth vector holds its sentences, the others their SHA-256.
"""

import gzip
import hashlib
import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from settlement import policies
from settlement.domain.bill import CareType, Place
from settlement.domain.decision import AccumulatorKey, Adjudication
from settlement.domain.policy import compile_pack
from tests.policy.strategies import bill_of

_FILE = Path(__file__).with_name("former-engine.jsonl.gz")
VECTORS: list[dict[str, Any]] = [
    json.loads(line) for line in gzip.decompress(_FILE.read_bytes()).splitlines()
]
PACKS = sorted({vector["pack"] for vector in VECTORS})


def _outcome(result: Adjudication, sentences: list[str] | str) -> dict[str, Any]:
    """The result as the vectors write it, the sentences in the form given."""
    lines = result.explanation
    said = [[line.text.zh, line.text.en, line.source] for line in lines]
    joined = "\n".join(text for line in said for text in line)
    digest = hashlib.sha256(joined.encode()).hexdigest()[:16]
    return {
        "approved": result.approved,
        "reason": result.reason,
        "category": result.category,
        "base": result.base_fen,
        "aid": [[part.kind, part.amount_fen] for part in result.aid],
        "patient_pays": result.patient_pays_fen,
        "cash": result.cash_fen,
        "account_return": result.account_return_fen,
        "postings": [
            [posting.key.year, posting.key.pot, posting.amount_fen, posting.cap_fen]
            for posting in result.postings
        ],
        "quota": [
            [pot.year, pot.pot, pot.cap_fen, pot.used_fen] for pot in result.quota
        ],
        "lines": [[line.rule, line.input_fen, line.result_fen] for line in lines],
        "sentences": said if isinstance(sentences, list) else digest,
    }


@pytest.mark.parametrize("name", PACKS)
def test_packs_of_before_give_what_they_gave(name: str) -> None:
    """Amounts, reason, category, postings, quota and every sentence, 1,500 bills."""
    pack = compile_pack(policies.read(name))
    for number, vector in enumerate(VECTORS):
        if vector["pack"] != name:
            continue
        bill = bill_of(
            care_type=CareType(vector["care"]),
            place=Place(vector["place"]),
            referred=vector["referred"],
            service_start=date.fromisoformat(vector["from"]),
            service_end=date.fromisoformat(vector["to"]),
            **{f"{key}_fen": fen for key, fen in vector["fen"].items()},
        )
        year = pack.policy_day(bill).year
        used = {AccumulatorKey(year, pot): fen for pot, fen in vector["used"].items()}
        result = pack.adjudicate(bill, vector["categories"], used, 2)
        expected = vector["expect"]
        assert _outcome(result, expected["sentences"]) == expected, number


def test_the_vectors_reach_every_step_and_every_reason() -> None:
    """Otherwise what they do not reach could change unseen."""
    outcomes = [vector["expect"] for vector in VECTORS]
    assert Counter(vector["pack"] for vector in VECTORS) == dict.fromkeys(PACKS, 1_500)
    reasons = Counter(outcome["reason"] for outcome in outcomes)
    assert set(reasons) == {
        "MA-2000", "MA-2001", "MA-2002", "MA-2003", "MA-2004", "MA-2201", "MA-2206",
    }  # fmt: skip
    rules = Counter(line[0] for outcome in outcomes for line in outcome["lines"])
    assert set(rules) == {
        "already_paid", "base", "best_identity", "deductible", "not_covered",
        "patient_pays", "rate", "referral", "tilt", "tilt_cap", "visit_cap", "year_cap",
    }  # fmt: skip
    assert min(*reasons.values(), *rules.values()) >= 20

"""The deduction beside the same rule in zen-engine and OpenFisca, amounts first.

Both run in an environment of their own, which `make bench` makes; without it the
comparison is left out, and says so.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from settlement.domain.bill import Bill, CareType
from settlement.domain.decision import AccumulatorKey
from settlement.domain.policy import CompiledPack
from tests.bench.deduction import demo_pack, ordinary_bill

_SCRIPT = Path(__file__).with_name("rule_engines.py")
#: Made by `make bench` beside the project's own environment.
ENVIRONMENT = Path(f"{sys.prefix}-peers")
_BILLS = 300


@dataclass(frozen=True, slots=True)
class Peer:
    """What another engine took for the ordinary bill, or why it was not measured."""

    name: str
    us: float | None
    note: str


def measure(environment: Path = ENVIRONMENT) -> list[Peer]:
    """Both engines. Raises `ValueError` where an amount differs from ours."""
    python = environment / "bin" / "python"
    names = ("zen", "openfisca")
    if not python.exists():
        note = "not measured: the other engines are not installed"
        return [Peer(name, None, note) for name in names]
    answer = subprocess.run(
        [python, "-I", _SCRIPT],
        input=json.dumps(job()).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    results = json.loads(answer.stdout)
    return [_peer(name, results[name]) for name in names]


def _peer(name: str, result: dict[str, Any]) -> Peer:
    if "wrong" in result:
        raise ValueError(f"{name}: {result['wrong']} amounts differ: {result['first']}")
    if "missing" in result:
        return Peer(name, None, f"not measured: {result['missing']} is not installed")
    return Peer(name, result["us"], f"{result['checked']} bills agree to the fen")


def job() -> dict[str, Any]:
    """The numbers of the rule, bills of outpatient care, and what we give for each."""
    pack, ordinary = demo_pack(), ordinary_bill()
    rules = _rules(pack)
    chance = random.Random(1)
    bills, aid_fen = [], []
    for number in range(_BILLS):
        bill, category, used = ordinary, "dibao", 0
        if number:
            category = chance.choice(sorted(rules))
            bill, used = _drawn(ordinary, chance), chance.choice([0, 590_000, 700_000])
        key = AccumulatorKey(pack.policy_day(bill).year, "outpatient")
        result = pack.adjudicate(bill, [category], {key: used}, 2)
        aid_fen.append(result.aid_fen)
        bills.append(
            {
                "category": category,
                "total": bill.total_fen,
                "in_policy": bill.in_policy_fen,
                "funds": bill.funds_fen,
                "commercial": bill.commercial_fen,
                "used": used,
            }
        )
    return {"rules": rules, "bills": bills, "aid_fen": aid_fen}


def _rules(pack: CompiledPack) -> dict[str, dict[str, int | None]]:
    """Rate, visit cap and yearly cap of outpatient care, by category with any."""
    rules: dict[str, dict[str, int | None]] = {}
    for category in pack.document.categories:
        benefit = pack.document.benefits[category.id, CareType.OUTPATIENT]
        if benefit.rate.value is None:
            continue
        if benefit.deductible.value is not None:
            continue
        visit_cap = benefit.visit_cap.value.amount
        year_cap = pack.document.year_caps[category.id, "outpatient"].value.amount
        rules[category.id] = {
            "rate_ppm": benefit.rate.value.flat_ppm,
            "visit_cap": visit_cap if isinstance(visit_cap, int) else None,
            "year_cap": year_cap if isinstance(year_cap, int) else None,
        }
    return rules


def _drawn(ordinary: Bill, chance: random.Random) -> Bill:
    in_policy = chance.choice([chance.randint(1, 300), chance.randint(1, 200_000)])
    own = chance.randint(0, 5_000)
    return replace(
        ordinary,
        in_policy_fen=in_policy,
        self_funded_fen=own,
        pre_selfpay_fen=0,
        over_limit_fen=0,
        total_fen=in_policy + own,
        basic_insurance_fen=in_policy * chance.randint(0, 100) // 100,
        serious_illness_fen=0,
        other_funds_fen=0,
        personal_account_fen=0,
        commercial_fen=chance.choice([0, 0, 100]),
    )

"""Made-up runs: samples, cases and answers as a sound run leaves them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from loadtests.findings import Finding
from loadtests.ledger import Case
from loadtests.plan import Phase, Plan
from loadtests.samples import Latest, Samples, Tally

SECONDS = 60


def plan(**changes: Any) -> Plan:
    """Sixty seconds at ten visits a second."""
    values: dict[str, Any] = {
        "name": "made", "zh": "编造", "en": "made up", "busiest_minute": 600,
        "phases": (Phase(SECONDS, 1.0, 1.0),),
    }  # fmt: skip
    return Plan(**values | changes)


def samples(
    *,
    ms: dict[str, float] | None = None,
    errors: int = 0,
    late_ms: float = 1.0,
    cpu: float = 0.3,
    slow_from_s: int = SECONDS,
    slow_ms: float = 0,
) -> Samples:
    """Ten answers a second of each call, all as quick as `ms` says."""
    latencies = {
        "eligibility": 5.0, "quote": 8.0, "settle": 12.0, "reverse": 12.0,
        "look_up": 6.0, "decided": 12.0,
    } | (ms or {})  # fmt: skip
    made = Samples()
    for second in range(SECONDS):
        made.seconds[second] = {}
        for call, latency in latencies.items():
            tally = made.seconds[second][call] = Tally()
            for _ in range(10):
                tally.add(slow_ms if second >= slow_from_s else latency, "200")
        late = Tally()
        late.add(late_ms, "")
        made.latest[second] = Latest(late_ms, 1.0, 0.0)
        made.late[second] = Counter({next(iter(late.buckets)): 50})
    failed = made.seconds[0]["settle"]
    failed.codes.subtract({"200": errors})
    failed.codes["!MA-5101"] = errors
    made.cpu["one"] = dict.fromkeys(range(SECONDS), cpu)
    return made


def finding(*, holds: bool = True) -> Finding:
    """A check's result."""
    faults = () if holds else ("LT-1: is there 2 times",)
    return Finding("once", "只有一笔", "Once", 10, faults)


def case(key: str = "LT-1", **changes: Any) -> Case:
    """A settlement that was approved: 250 yuan, 160 paid, aid 72, patient 18."""
    made = Case(
        key, 0, 0, "outpatient", 2026, 25_000, 16_000, sha="sha", answers=1,
        decision="approved", sid=f"sid-{key}", day="2026-11-22", aid_fen=7_200,
        pays_fen=1_800,
    )  # fmt: skip
    for name, value in changes.items():
        setattr(made, name, value)
    return made

"""The deduction alone: the pure core, in process, explanation rendered."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

from settlement.domain.policy import compile_pack
from tests.settlement.house import bill

_PACK = (
    Path(__file__).resolve().parents[2]
    / "settlement" / "policies" / "demo-district.yaml"
)  # fmt: skip
_CALLS = 2_000
_ROUNDS = 15


def median_us() -> float:
    """Median microseconds of one adjudication with its sentences in two languages."""
    pack = compile_pack(_PACK.read_bytes())
    one = bill()
    rounds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        for _ in range(_CALLS):
            pack.adjudicate(one, ("dibao",), {}, 2)
        rounds.append((time.perf_counter() - started) / _CALLS * 1e6)
    return median(rounds)

"""The deduction alone: the pure core, in process, an ordinary outpatient bill."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from settlement.domain.bill import Bill
from settlement.domain.policy import CompiledPack, compile_pack
from tests.settlement.house import bill

_PACK = (
    Path(__file__).resolve().parents[2]
    / "settlement" / "policies" / "demo-district.yaml"
)  # fmt: skip
_CALLS = 2_000
_ROUNDS = 15


def demo_pack() -> CompiledPack:
    """The demo district's pack, compiled."""
    return compile_pack(_PACK.read_bytes())


def ordinary_bill() -> Bill:
    """One visit outside hospital after basic insurance."""
    return bill()


def coded_us() -> list[float]:
    """Microseconds of one adjudication, explained in codes and numbers; by round."""
    pack, one = demo_pack(), ordinary_bill()
    return _rounds(lambda: pack.adjudicate(one, ("dibao",), {}, 2))


def rendered_us() -> list[float]:
    """The same with every sentence made, in two languages."""
    pack, one = demo_pack(), ordinary_bill()

    def explained() -> object:
        lines = pack.adjudicate(one, ("dibao",), {}, 2).explanation
        return [line.text for line in lines]

    return _rounds(explained)


def _rounds(call: Callable[[], object]) -> list[float]:
    rounds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        for _ in range(_CALLS):
            call()
        rounds.append((time.perf_counter() - started) / _CALLS * 1e6)
    return rounds

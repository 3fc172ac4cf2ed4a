"""Rising load: the rate grows up to the knee and holds; the excess is told at once.

`verdict` is pure: it judges what crowds of 64 to 4,000 callers got.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.crowd import Crowd, run_crowd
from tests.bench.ground import (
    CONNECTIONS,
    Bench,
    Desks,
    console,
    gateway,
    percentile,
    settle,
)
from tests.bench.measures import Measure

#: The last two stand behind the knee of every gateway of one worker.
LEVELS = (CONNECTIONS, 256, 1_000, 4_000)
_BEHIND_THE_KNEE = 1_000
#: Of the best rate, so much is left where the load is too much.
HOLDS = 0.8
_EXPECTED = frozenset({b"201", b"503"})
#: The defaults, 4,096 connections and 2,048 of one address, are raised as an operator
#: would for so many: all of these callers come from one machine. What one hospital may
#: have under way (500), and how many claims may wait (2,000), stay as they are.
SETTINGS = "connections = 5000\nconnections_per_address = 5000\n"
#: A gateway that has just been started is slower for a moment.
_WARM_S = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one pass through the levels shows."""

    refused: str
    """What must never happen and did; else empty."""
    held: float
    """The lowest rate behind the knee over the best of all levels."""
    at_once: float | None
    """p99 of the refusals over the median of the settlements beside them, where that
    is largest; `None` where nobody was refused."""


def verdict(crowds: Sequence[Crowd]) -> Verdict:
    """Judge one pass; the crowds may come in any order."""
    wrong = [fault for crowd in crowds for fault in _faults(crowd)]
    best = max(crowd.settled_rate for crowd in crowds)
    behind = [c.settled_rate for c in crowds if c.connections >= _BEHIND_THE_KNEE]
    shares = [
        percentile(crowd.refusals_s, 99) / median(crowd.latencies_s)
        for crowd in crowds
        if crowd.refusals_s and crowd.latencies_s
    ]
    return Verdict(
        "; ".join(wrong),
        min(behind) / best if best else 0.0,
        max(shares, default=None),
    )


def _faults(crowd: Crowd) -> list[str]:
    others = {
        status.decode("ascii", "replace"): count
        for status, count in crowd.by_status.items()
        if status not in _EXPECTED
    }
    told = (
        (crowd.dropped, f"{crowd.dropped} dropped"),
        (
            crowd.without_retry_after,
            f"{crowd.without_retry_after} refusals without Retry-After",
        ),
        (others, f"answers of status {others}"),
    )
    return [f"{crowd.connections} connections: {text}" for found, text in told if found]


async def measure(bench: Bench, desks: Desks, rounds: int) -> list[Measure]:
    """Both figures: whether the rate holds, and how soon the excess is told."""
    levels = ", ".join(f"{level:,}" for level in LEVELS)
    held = Measure(
        "rising_load", HOLDS, at_least=True, scale=f"{levels} connections",
        title="settle under rising load: the lowest rate behind the knee, to the best",
    )  # fmt: skip
    told = Measure(
        "rising_load_refusals", 1.0, at_least=False, scale=f"{levels} connections",
        title="the excess is told at once: p99 of a 503, to the median settlement",
    )  # fmt: skip
    config = bench.sandbox.data_dir / "rising.toml"
    config.write_text(SETTINGS, encoding="utf-8")
    for number in range(rounds):
        crowds = await _pass(bench, desks, config, number)
        found = verdict(crowds)
        held.refused = told.refused = held.refused or found.refused
        held.ratios.append(found.held)
        held.note = ", ".join(f"{crowd.settled_rate:,.0f}/s" for crowd in crowds)
        console.print(f"{held.name}: {held.ratios[-1]:.2f} ({held.note})")
        if found.at_once is not None:
            told.ratios.append(found.at_once)
            told.note = _refusals(crowds)
            console.print(f"{told.name}: {told.ratios[-1]:.2f} ({told.note})")
    if not told.ratios:
        told.refused = told.refused or "not measured: nobody was refused"
    return [held, told]


async def _pass(bench: Bench, desks: Desks, config: Path, number: int) -> list[Crowd]:
    async with gateway(bench, config=config) as port:
        await settle(bench, port, desks.bills(f"c{number}"), _WARM_S)
        crowds = []
        for level in LEVELS:
            before = await bench.begin()
            crowd = await run_crowd(
                port,
                desks.bills(f"c{number}x{level}"),
                connections=level,
                seconds=bench.seconds,
            )
            added = await bench.entries() - before
            if added != crowd.settled:
                crowd.by_status[b"lost"] = abs(crowd.settled - added)
            crowds.append(crowd)
        return crowds


def _refusals(crowds: Sequence[Crowd]) -> str:
    parts = []
    for crowd in crowds:
        if crowd.refusals_s:
            p50, p99 = (percentile(crowd.refusals_s, each) * 1e3 for each in (50, 99))
            settled = median(crowd.latencies_s) * 1e3
            parts.append(
                f"at {crowd.connections:,} connections {len(crowd.refusals_s):,} x 503,"
                f" median {p50:.0f} ms, p99 {p99:.0f} ms, beside {settled:.0f} ms to"
                " settle"
            )
    return "; ".join(parts)

"""Figures as ratios: each to its yardstick in the same round, with their spread."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from tests.bench.machine import machine


@dataclass(slots=True)
class Measure:
    """One figure: several rounds of ours against the yardstick."""

    name: str
    target: float
    at_least: bool
    scale: str
    ratios: list[float] = field(default_factory=list)
    note: str = ""
    title: str = ""
    """What it is, for people; the name where there is none."""
    unit: str = ""
    """Of a figure that is no ratio."""
    refused: str = ""
    """Why the figure says nothing: what should never happen did. Counts as missed."""

    @property
    def ratio(self) -> float:
        """The median of the rounds; 0 where a refused one has none."""
        return median(self.ratios) if self.ratios or not self.refused else 0.0

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest of the rounds."""
        rounds = self.ratios or [self.ratio]
        return min(rounds), max(rounds)

    @property
    def is_met(self) -> bool:
        """Whether the median keeps the target, and is one."""
        if self.refused:
            return False
        return self.ratio >= self.target if self.at_least else self.ratio <= self.target

    def document(self) -> dict[str, Any]:
        """The figure as `var/bench.json` has it."""
        return {
            "ratio": round(self.ratio, 4),
            "target": self.target,
            "at_least": self.at_least,
            "spread": [round(edge, 4) for edge in self.spread],
            "scale": self.scale,
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "note": self.note,
            "title": self.title or self.name,
            "unit": self.unit,
            "refused": self.refused,
            "is_met": self.is_met,
            "machine": machine(),
        }


def write(measures: list[Measure], path: Path) -> None:
    """Write `bench.json`: all figures of the run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {measure.name: measure.document() for measure in measures}
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")

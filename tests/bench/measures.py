"""Figures as ratios: each to its yardstick in the same round, with their spread."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import orjson


@dataclass(slots=True)
class Measure:
    """One figure: several rounds of ours against the yardstick."""

    name: str
    target: float
    at_least: bool
    scale: str
    ratios: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def ratio(self) -> float:
        """The median of the rounds."""
        return median(self.ratios)

    @property
    def is_met(self) -> bool:
        """Whether the median keeps the target."""
        return self.ratio >= self.target if self.at_least else self.ratio <= self.target

    def document(self) -> dict[str, Any]:
        """The figure as `var/bench.json` has it."""
        return {
            "ratio": round(self.ratio, 4),
            "target": self.target,
            "at_least": self.at_least,
            "spread": [round(min(self.ratios), 4), round(max(self.ratios), 4)],
            "scale": self.scale,
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "note": self.note,
        }


def write(measures: list[Measure], path: Path) -> None:
    """Write `bench.json`: all figures of the run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {measure.name: measure.document() for measure in measures}
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")

"""What the gateway says of itself, and the machine's processors: for the charts."""

from __future__ import annotations

import json
import re
import ssl
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

_LINE = re.compile(r"^(medaid_[a-z_]+)(?:\{[^}]*\})? ([-+0-9.eE]+)$")
#: Sums over labels of these are kept.
_KEPT = {
    "medaid_settle_commit_duration_seconds_sum": "commit_s",
    "medaid_settle_commit_duration_seconds_count": "commits",
    "medaid_settle_batch_claims_sum": "claims",
    "medaid_process_cpu_seconds_total": "cpu_s",
    "medaid_process_resident_bytes": "memory",
    "medaid_event_loop_delay_seconds": "loop_s",
    "medaid_settle_waiting": "waiting",
    "medaid_roster_lag_seconds": "roster_lag_s",
    "medaid_workers": "workers",
}
_STAT = Path("/proc/stat")


def scrape(url: str) -> dict[str, float]:
    """Read the metrics once; what cannot be had is absent, and never an error."""
    values = _machine()
    if not url:
        return values
    try:
        with urllib.request.urlopen(  # the operator's own address
            url, timeout=5, context=ssl.create_default_context()
        ) as answer:
            text = answer.read().decode("utf-8", "replace")
    except (OSError, ValueError):
        return values
    for line in text.splitlines():
        match = _LINE.match(line)
        if match and match[1] in _KEPT:
            name = _KEPT[match[1]]
            values[name] = values.get(name, 0.0) + float(match[2])
    return values


def _machine() -> dict[str, float]:
    """Busy and total ticks of all processors of the machine that conducts."""
    try:
        ticks = [int(n) for n in _STAT.read_text("ascii").split("\n", 1)[0].split()[1:]]
    except (OSError, ValueError):
        return {}
    return {"ticks": sum(ticks[:8]), "idle": ticks[3] + ticks[4]}


@dataclass(frozen=True, slots=True)
class Point:
    """What lies between two looks at the metrics."""

    s: float
    machine_cpu: float | None = None
    gateway_cpu: float | None = None
    commit_ms: float | None = None
    batch: float | None = None
    loop_ms: float | None = None
    waiting: float | None = None
    roster_lag_s: float | None = None
    memory_mb: float | None = None


def read_points(folder: Path) -> list[Point]:
    """The run's metrics as rates between one look and the next."""
    path = folder / "metrics.jsonl"
    if not path.exists():
        return []
    looks = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return list(_between(looks))


def _between(looks: list[dict[str, float]]) -> Iterator[Point]:
    for before, now in pairwise(looks):
        seconds = now["s"] - before["s"]
        if seconds <= 0:
            continue

        def grown(
            name: str, *, before: dict[str, float] = before, now: dict[str, float] = now
        ) -> float | None:
            if name not in before or name not in now or now[name] < before[name]:
                return None
            return now[name] - before[name]

        ticks, idle = grown("ticks"), grown("idle")
        commits, commit_s, claims = grown("commits"), grown("commit_s"), grown("claims")
        cpu_s = grown("cpu_s")
        yield Point(
            s=now["s"],
            machine_cpu=1 - idle / ticks if ticks and idle is not None else None,
            gateway_cpu=cpu_s / seconds if cpu_s is not None else None,
            commit_ms=commit_s / commits * 1000 if commits and commit_s else None,
            batch=claims / commits if commits and claims is not None else None,
            loop_ms=_times(now.get("loop_s"), 1000),
            waiting=now.get("waiting"),
            roster_lag_s=now.get("roster_lag_s"),
            memory_mb=_times(now.get("memory"), 1e-6),
        )


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor

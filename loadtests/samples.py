"""Latencies and codes, second by second: small enough for hours, exact to 2 %.

A line of a samples file is one second of one call of one process; lines of the same
second and call add up.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtests.notes import Sink

_BASE = math.log(1.02)
_SMALLEST_MS = 0.05


def bucket_of(latency_ms: float) -> int:
    """Number of the bucket, 2 % wide; 0 holds all below 0.05 ms."""
    if latency_ms <= _SMALLEST_MS:
        return 0
    return 1 + int(math.log(latency_ms / _SMALLEST_MS) / _BASE)


def upper_ms(bucket: int) -> float:
    """The highest latency of a bucket, in milliseconds."""
    return _SMALLEST_MS * math.exp(bucket * _BASE)


@dataclass(slots=True)
class Tally:
    """Answers of one call: how long they took, and how they ended."""

    buckets: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        """Requests that ended, in whatever way."""
        return sum(self.codes.values())

    def add(self, latency_ms: float, code: str) -> None:
        """Count one request by its scheduled time's latency and its code."""
        self.buckets[bucket_of(latency_ms)] += 1
        self.codes[code] += 1

    def merge(self, other: Tally) -> None:
        """Take another one in."""
        self.buckets.update(other.buckets)
        self.codes.update(other.codes)

    def percentile_ms(self, percent: float) -> float | None:
        """The latency that so many percent do not exceed; `None` of nothing."""
        total = sum(self.buckets.values())
        if total == 0:
            return None
        rank, seen = math.ceil(total * percent / 100), 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= rank:
                return upper_ms(bucket)
        return None


class SampleWriter:
    """Gathers a process's samples and writes each second's when it is asked to."""

    def __init__(self, sink: Sink) -> None:
        """Write to it, and close it at the end."""
        self._sink = sink
        self._pending: dict[tuple[int, str], Tally] = {}
        self._lines: list[str] = []

    def add(self, due_s: float, call: str, latency_ms: float, code: str) -> None:
        """Count a request under the second in which it was due."""
        self._pending.setdefault((int(due_s), call), Tally()).add(latency_ms, code)

    def not_sent(self, due_s: float) -> None:
        """Count a start that asked for nothing, or hung up on purpose."""
        self._pending.setdefault((int(due_s), "late"), Tally()).codes["not sent"] += 1

    def gauge(self, at_s: float, **values: float) -> None:
        """Write what is measured once a second, such as the generator's CPU."""
        self._write({"s": int(at_s), **values})

    def flush(self) -> None:
        """Write what was counted since the last time."""
        for (second, call), tally in sorted(self._pending.items()):
            self._write(
                {
                    "s": second,
                    "call": call,
                    "b": sorted(tally.buckets.items()),
                    "codes": tally.codes,
                }
            )
        self._pending.clear()
        lines, self._lines = "".join(self._lines), []
        self._sink.write(lines.encode())

    def _write(self, line: dict[str, object]) -> None:
        self._lines.append(json.dumps(line, separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Write the rest."""
        self.flush()
        self._sink.close()


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest start of a second, and what its process did in the time before it."""

    late_ms: float
    own_ms: float
    """Processor time of the generator itself since it last was in time."""
    gc_ms: float
    """Of that: collecting garbage."""
    queued_ms: float = 0.0
    """Waiting for a processor that others had; the rest, for a disk or a machine that
    stood still."""


@dataclass(slots=True)
class Samples:
    """All processes' samples of a run."""

    seconds: dict[int, dict[str, Tally]] = field(default_factory=dict)
    late: dict[int, Counter[int]] = field(default_factory=dict)
    """Starts of each second by how late they were, in the same buckets."""
    latest: dict[int, Latest] = field(default_factory=dict)
    """The latest start of a second, where it was notable at all."""
    not_sent: int = 0
    """Of those: hung up on purpose, or with nothing to ask for any more."""
    cpu: dict[str, dict[int, float]] = field(default_factory=dict)
    """Share of a core by process and second."""
    width_s: int = 1
    """`seconds` and `late` go in such steps: a long run is kept in fewer pieces."""

    def by_call(self, seconds: Iterable[int] | None = None) -> dict[str, Tally]:
        """Sums over these seconds, or all."""
        sums: dict[str, Tally] = {}
        for second in self.seconds if seconds is None else seconds:
            for call, tally in self.seconds.get(second, {}).items():
                sums.setdefault(call, Tally()).merge(tally)
        return sums

    def started(self, until_s: float = math.inf) -> int:
        """Requests that were started, of those due before that second."""
        return sum(n.total() for second, n in self.late.items() if second < until_s)

    def late_beyond(self, ms: float, until_s: float = math.inf) -> int:
        """Requests that started later than that after their time.

        Exact in whether there is one at all: a bucket that the limit lies within counts
        where the latest start of that time was beyond it.
        """
        beyond = 0
        for second, late in self.late.items():
            if second >= until_s:
                continue
            latest = self._latest_ms(second)
            for bucket, count in late.items():
                is_whole = bucket > 0 and upper_ms(bucket - 1) >= ms
                if is_whole or (upper_ms(bucket) > ms and latest > ms):
                    beyond += count
        return beyond

    def _latest_ms(self, begin_s: int) -> float:
        times = range(begin_s, begin_s + self.width_s)
        known = (self.latest[s].late_ms for s in times if s in self.latest)
        return max(known, default=0)

    def latest_start(self, until_s: float = math.inf) -> tuple[int, Latest] | None:
        """The latest of all starts that were notably late, and its second."""
        known = [(s, one) for s, one in self.latest.items() if s < until_s]
        return max(known, key=lambda one: one[1].late_ms, default=None)

    def busiest_cpu(self, until_s: float = math.inf, window_s: int = 10) -> float:
        """The highest share of a core that a process had over such a time."""
        highest = 0.0
        for series in self.cpu.values():
            values = [
                share for second, share in sorted(series.items()) if second < until_s
            ]
            width = min(window_s, len(values))
            for begin in range(len(values) - width + 1 if width else 0):
                highest = max(highest, sum(values[begin : begin + width]) / width)
        return highest


def read_samples(folder: Path, *, width_s: int = 1) -> Samples:
    """Add up every `samples-*.jsonl` of a run; a torn last line is left out.

    `width_s` seconds are one piece, so that hours need no more memory than an hour.
    """
    samples = Samples(width_s=width_s)
    for path in sorted(folder.glob("samples-*.jsonl")):
        for line in _lines(path):
            second = line["s"] // width_s * width_s
            if "cpu" in line:
                samples.cpu.setdefault(path.stem, {})[line["s"]] = line["cpu"]
            elif "late_ms" in line:
                _take_latest(samples.latest, line.pop("s"), Latest(**line))
            elif line["call"] == "late":
                late = samples.late.setdefault(second, Counter())
                late.update({int(b): n for b, n in line["b"]})
                samples.not_sent += line["codes"].get("not sent", 0)
            else:
                calls = samples.seconds.setdefault(second, {})
                tally = calls.setdefault(line["call"], Tally())
                tally.buckets.update({int(b): n for b, n in line["b"]})
                tally.codes.update(line["codes"])
    return samples


def _take_latest(latest: dict[int, Latest], second: int, one: Latest) -> None:
    known = latest.get(second)
    if known is None or known.late_ms < one.late_ms:
        latest[second] = one


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for text in file:
            try:
                yield json.loads(text)
            except ValueError:
                return

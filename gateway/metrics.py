"""What Prometheus reads. In several workers the client library merges their files.

`PROMETHEUS_MULTIPROC_DIR` is set by the supervisor before a worker starts; the
library decides at its import, so this module is imported late.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
#: Seconds; fine below 10 ms, where the answers at the desk should be.
_BOUNDS = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2,
    0.5, 1.0, 2.0, 5.0, 10.0,
)  # fmt: skip


_Mode = Literal["livesum", "livemax", "livemin"]


class Metrics:
    """The edge's own metrics, with each label's child looked up once."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "medaid_http_request_duration_seconds",
            "Time from the parsed head of a request to its response, by call and"
            " status.",
            ["call", "status"],
            buckets=_BOUNDS,
            registry=self.registry,
        )
        self._refused = Counter(
            "medaid_http_refusals_total",
            "Requests that ended in a problem document, by call and reason code.",
            ["call", "code"],
            registry=self.registry,
        )
        self._in_flight = Gauge(
            "medaid_http_settling_in_flight",
            "Settlements and reversals handed to the use case and not answered yet.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._waiting = self._gauge(
            "medaid_settle_waiting",
            "Settlements and reversals waiting for a batch.",
            "livesum",
        )
        self._stopped = self._gauge(
            "medaid_settle_stopped",
            "1 where a safety check has stopped settlement.",
            "livemax",
        )
        self._roster_version = self._gauge(
            "medaid_roster_version",
            "Roster version of the worker furthest behind.",
            "livemin",
        )
        self._roster_as_of = self._gauge(
            "medaid_roster_as_of_seconds",
            "Instant that the roster describes, in seconds since 1970.",
            "livemin",
        )
        self._batches = Counter(
            "medaid_settle_batches_total", "Batches committed.", registry=self.registry
        )
        self._batched = Counter(
            "medaid_settle_batched_total",
            "Settlements and reversals in those batches.",
            registry=self.registry,
        )
        self._children: dict[tuple[str, int], Histogram] = {}

    def _gauge(self, name: str, text: str, mode: _Mode) -> Gauge:
        return Gauge(name, text, registry=self.registry, multiprocess_mode=mode)

    def observe(self, call: str, status: int, seconds: float) -> None:
        """Count one request of a call (its name, never its path)."""
        child = self._children.get((call, status))
        if child is None:
            child = self._seconds.labels(call, str(status))
            self._children[call, status] = child
        child.observe(seconds)

    def refused(self, call: str, code: str) -> None:
        """Count one refusal."""
        self._refused.labels(call, code).inc()

    def settling(self, count: int) -> None:
        """Say how many settlements and reversals are under way in this worker."""
        self._in_flight.set(count)

    def settlement_state(
        self, *, waiting: int, is_stopped: bool, batches: int, batched: int
    ) -> None:
        """Say how the sequencer stands; the last two are added to what was."""
        self._waiting.set(waiting)
        self._stopped.set(is_stopped)
        self._batches.inc(batches)
        self._batched.inc(batched)

    def roster_state(self, version: int, as_of: datetime) -> None:
        """Say which roster this worker's cache holds."""
        self._roster_version.set(version)
        self._roster_as_of.set(as_of.timestamp())

    def exposition(self) -> bytes:
        """The text that Prometheus reads, of all workers."""
        directory = os.environ.get(DIRECTORY_VARIABLE)
        return merged(Path(directory)) if directory else generate_latest(self.registry)


def merged(directory: Path) -> bytes:
    """The sum of what all workers have written into the folder."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory))  # type: ignore[no-untyped-call]
    return generate_latest(registry)

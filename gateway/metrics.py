"""What Prometheus reads. In several workers the client library merges their files.

`PROMETHEUS_MULTIPROC_DIR` is set by the supervisor before a worker starts; the
library decides at its import, so this module is imported late.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from gateway.metric_list import METRICS, SUPERVISOR_METRICS, Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# Each counter's birth as a series of its own: nobody asks, and workers have none.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types


class Metrics:
    """One process's metrics: those of the list, set and counted by their names.

    A name that is not in the list is a `KeyError`: a bug, met by the first report.
    """

    def __init__(self, metrics: Sequence[Metric] = METRICS) -> None:
        self.registry = CollectorRegistry()
        self._unset = {each.name: each for each in metrics if each.kind == "gauge"}
        self._gauges: dict[str, Gauge] = {}
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        for metric in metrics:
            self._make(metric)
        self._calls: dict[tuple[str, int], Histogram] = {}
        self._refusals: dict[tuple[str, str], Counter] = {}
        self._totals: dict[tuple[str, tuple[str, ...]], float] = {}

    def _make(self, metric: Metric) -> None:
        name, text, labels = metric.name, metric.text, metric.labels
        if metric.kind == "counter":
            self._counters[name] = Counter(name, text, labels, registry=self.registry)
        elif metric.kind == "histogram":
            self._histograms[name] = Histogram(
                name, text, labels, registry=self.registry, buckets=metric.buckets
            )

    def _gauge(self, name: str) -> Gauge:
        """Made when it has its first value: what is not known is absent, not 0."""
        gauge = self._gauges.get(name)
        if gauge is None:
            metric = self._unset[name]
            gauge = self._gauges[name] = Gauge(
                name,
                metric.text,
                metric.labels,
                registry=self.registry,
                multiprocess_mode=metric.mode,
            )
        return gauge

    def observe_call(self, call: str, status: int, seconds: float) -> None:
        """Count one request of a call (its name, never its path)."""
        child = self._calls.get((call, status))
        if child is None:
            calls = self._histograms["medaid_http_request_duration_seconds"]
            child = self._calls[call, status] = calls.labels(call, str(status))
        child.observe(seconds)

    def refused(self, call: str, code: str) -> None:
        """Count one refusal."""
        child = self._refusals.get((call, code))
        if child is None:
            refusals = self._counters["medaid_http_refusals_total"]
            child = self._refusals[call, code] = refusals.labels(call, code)
        child.inc()

    def say(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge."""
        gauge = self._gauge(name)
        (gauge.labels(*labels) if labels else gauge).set(value)

    def total(self, name: str, value: float, *labels: str) -> None:
        """Bring a counter to what its owner has counted since this process began."""
        counter = self._counters[name]
        child = counter.labels(*labels) if labels else counter
        child.inc(value - self._totals.get((name, labels), 0))
        self._totals[name, labels] = value

    def count(self, name: str, *labels: str) -> None:
        """Count one more."""
        self._counters[name].labels(*labels).inc()

    def observe(self, name: str, value: float) -> None:
        """Put one value into a histogram without labels."""
        self._histograms[name].observe(value)

    def exposition(self) -> bytes:
        """The text that Prometheus reads, of all workers."""
        directory = os.environ.get(DIRECTORY_VARIABLE)
        return merged(Path(directory)) if directory else generate_latest(self.registry)


def merged(directory: Path) -> bytes:
    """The sum of what all workers have written into the folder."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory))  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def supervisor_metrics(workers: int) -> Metrics:
    """Those of the process that starts workers; in its memory alone."""
    metrics = Metrics(SUPERVISOR_METRICS)
    metrics.say("medaid_workers_wanted", workers)
    return metrics

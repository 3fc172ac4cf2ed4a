"""Every metric, once: name, kind, labels, how workers are added up, one sentence.

docs/metrics.md says in addition what is normal and what to do; a test compares both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
#: How a gauge's values of several workers become one; `live`: of those that run.
#: With `liveall` they do not: each has a series of its own, told by the label `pid`.
Mode = Literal["liveall", "livesum", "livemax", "livemin", "max", "mostrecent"]


@dataclass(frozen=True, slots=True)
class Metric:
    """What is known of a metric before it has a value."""

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...] = ()
    mode: Mode = "livemax"
    """Of gauges."""
    buckets: tuple[float, ...] = ()
    """Of histograms."""


#: Fine below 10 ms, where the answers at the desk should be.
_SECONDS = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2,
    0.5, 1.0, 2.0, 5.0, 10.0,
)  # fmt: skip
_CLAIMS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, "counter", text, labels)


def _gauge(name: str, mode: Mode, text: str, *labels: str) -> Metric:
    return Metric(name, "gauge", text, labels, mode=mode)


def _histogram(
    name: str, buckets: tuple[float, ...], text: str, *labels: str
) -> Metric:
    return Metric(name, "histogram", text, labels, buckets=buckets)


_REQUESTS = (
    _histogram(
        "medaid_http_request_duration_seconds",
        _SECONDS,
        "Time from the parsed head of a request to its response, by call and status.",
        "call",
        "status",
    ),
    _counter(
        "medaid_http_refusals_total",
        "Requests that ended in a problem document, by call and reason code.",
        "call",
        "code",
    ),
    _counter(
        "medaid_his_transactions_total",
        "Transactions of the national envelope, by their number and infcode.",
        "infno",
        "infcode",
    ),
    _gauge(
        "medaid_his_clients",
        "max",
        "Hospitals that may speak the national envelope, by profile and whether weak.",
        "profile",
        "weak",
    ),
    _gauge("medaid_http_connections", "livesum", "Connections open."),
    _gauge("medaid_http_connections_limit", "livesum", "Connections that may be open."),
    _counter(
        "medaid_http_connections_refused_total", "Connections that were one too many."
    ),
    _counter(
        "medaid_http_connections_cut_total",
        "Connections closed for being slow, by what was slow.",
        "what",
    ),
    _gauge(
        "medaid_http_under_way",
        "livesum",
        "Calls of parties under way, by class.",
        "class",
    ),
    _gauge(
        "medaid_http_settling_in_flight",
        "livesum",
        "Settlements and reversals handed to the use case and not answered yet.",
    ),
    _counter(
        "medaid_access_signatures_refused_total",
        "Message signatures that did not hold, by reason.",
        "reason",
    ),
    _counter(
        "medaid_access_nonces_replayed_total",
        "Signed requests that came a second time.",
    ),
    _gauge(
        "medaid_access_sessions",
        "livemax",
        "Sessions that the worker with the most has seen and remembers.",
    ),
)
_SETTLING = (
    _gauge("medaid_settle_waiting", "livesum", "Claims waiting for a batch."),
    _gauge("medaid_settle_waiting_limit", "livesum", "Claims that may wait."),
    _gauge(
        "medaid_settle_oldest_waiting_seconds",
        "livemax",
        "How long the oldest waiting claim has waited.",
    ),
    _gauge(
        "medaid_settle_batch_age_seconds",
        "livemax",
        "How long the batch under way has taken until now; 0 between batches.",
    ),
    _gauge(
        "medaid_settle_stopped",
        "livemax",
        "1 where a safety check has stopped settlement.",
    ),
    _histogram("medaid_settle_batch_claims", _CLAIMS, "Claims in a committed batch."),
    _histogram(
        "medaid_settle_commit_duration_seconds",
        _SECONDS,
        "Time from a batch's BEGIN to the answer of its COMMIT.",
    ),
    _histogram(
        "medaid_settle_sealing_duration_seconds",
        _SECONDS,
        "Of a batch's time: applying the policy, sealing and signing its records.",
    ),
    _gauge(
        "medaid_settle_last_commit_timestamp_seconds",
        "max",
        "When a batch was last committed, to the second.",
    ),
    _counter(
        "medaid_settle_commits_unknown_total",
        "Commits whose answer did not come.",
    ),
    _counter(
        "medaid_settle_commits_resolved_total",
        "What the database told of them later.",
        "outcome",
    ),
    _counter(
        "medaid_settle_conflicts_total",
        "Deadlocks and serialization failures; the batch was run again.",
    ),
    _counter(
        "medaid_settle_batches_divided_total",
        "Batches that raised and were run again in halves.",
    ),
    _counter("medaid_settle_claims_failed_total", "Claims that met a bug, alone."),
    _counter(
        "medaid_settle_claims_late_total",
        "Claims whose deadline passed before their batch began.",
    ),
    _counter(
        "medaid_settle_pool_full_total",
        "Claims refused because too many waited.",
    ),
)
_DATABASE = (
    _gauge(
        "medaid_database_up", "livemin", "1 where PostgreSQL answered the last look."
    ),
    _counter("medaid_database_lost_total", "Batches that found no database."),
    _counter(
        "medaid_database_connects_total",
        "Connections opened for settling.",
    ),
    _gauge(
        "medaid_database_pool_in_use",
        "livesum",
        "Pool connections that work now.",
    ),
    _gauge("medaid_database_pool_limit", "livesum", "Pool connections allowed."),
    _gauge(
        "medaid_database_pool_waiting",
        "livesum",
        "Calls that wait for a pool connection.",
    ),
    _gauge(
        "medaid_database_clock_skew_seconds",
        "livemax",
        "Distance between this machine's clock and the database's, either way.",
    ),
    _gauge(
        "medaid_database_months_ahead",
        "livemin",
        "Months with partitions after this one; -1 where this month has none.",
    ),
    _gauge(
        "medaid_quota_waiting",
        "livesum",
        "Eligibility answers that wait for running totals.",
    ),
)
_ROSTER = (
    _gauge(
        "medaid_roster_version",
        "livemin",
        "Roster version of the worker furthest behind.",
    ),
    _gauge(
        "medaid_roster_lag_versions",
        "livemax",
        "Versions by which a worker's cache is behind the database.",
    ),
    _gauge(
        "medaid_roster_lag_seconds",
        "livemax",
        "For how long a worker's cache has been behind the database.",
    ),
    _gauge(
        "medaid_roster_worker_lag_seconds",
        "liveall",
        "Seconds since a worker last saw its cache equal to the database.",
    ),
    _gauge(
        "medaid_roster_stale",
        "livemax",
        "Whether a worker's answers are marked, or refused, as of a stale roster.",
    ),
    _gauge(
        "medaid_roster_as_of_timestamp_seconds",
        "livemin",
        "Instant that the roster in force describes.",
    ),
    _gauge(
        "medaid_roster_refused_rows",
        "livemax",
        "Rows refused in the roster file taken last.",
    ),
    _gauge(
        "medaid_roster_cache_held_bytes",
        "livemax",
        "Bytes of the roster's cache that are kept in memory.",
    ),
    _counter(
        "medaid_roster_follow_faults_total",
        "Attempts to follow the roster into the cache that failed.",
    ),
)
_LOG = (
    _gauge("medaid_log_entries", "livemax", "Entries of the log."),
    _gauge(
        "medaid_mark_failing",
        "livemax",
        "1 where the mark could not be read or written the last time.",
    ),
    _counter(
        "medaid_mark_failures_total", "Attempts to read or write the mark that failed."
    ),
    _gauge(
        "medaid_mark_written_timestamp_seconds",
        "livemax",
        "When the mark was last written.",
    ),
    _gauge(
        "medaid_books_checked_timestamp_seconds",
        "livemax",
        "When check-books last ended on this machine; absent before the first time.",
    ),
    _gauge(
        "medaid_books_violations",
        "livemax",
        "Violations that check-books found then.",
    ),
)
_ALERTS = (
    _gauge("medaid_alert_streams", "livesum", "Streams of alerts open."),
    _counter(
        "medaid_alert_streams_slow_total",
        "Streams ended because they were not read in time.",
    ),
    _counter("medaid_alert_stream_events_total", "Alert events read for streams."),
    _gauge(
        "medaid_alert_webhook_waiting",
        "livemax",
        "Alert events that wait for the webhook furthest behind.",
    ),
    _gauge(
        "medaid_alert_webhook_oldest_seconds",
        "livemax",
        "Age of the oldest event that waits for a webhook; 0 without any.",
    ),
    _gauge("medaid_alert_webhooks_paused", "livemax", "Webhooks that are paused."),
)
_MACHINE = (
    _gauge("medaid_ready", "livemin", "1 where every worker can settle."),
    _gauge(
        "medaid_finding",
        "livemax",
        "1 for each finding of /readyz that holds.",
        "code",
        "stops",
    ),
    _gauge("medaid_workers", "livesum", "Workers that run."),
    _gauge(
        "medaid_work_ended",
        "livemax",
        "1 where work that must run beside the requests has ended.",
        "work",
    ),
    _gauge(
        "medaid_event_loop_delay_seconds",
        "livemax",
        "How late the worker furthest behind wakes up.",
    ),
    _gauge(
        "medaid_data_folder_free_bytes", "livemin", "Free on the data folder's disk."
    ),
    _gauge("medaid_data_folder_size_bytes", "livemin", "Size of that disk."),
    _gauge(
        "medaid_tls_certificate_expires_timestamp_seconds",
        "livemin",
        "When the certificate ends; absent without --tls-cert.",
    ),
    _counter("medaid_process_cpu_seconds_total", "Processor time of all workers."),
    _gauge("medaid_process_resident_bytes", "livesum", "Memory of all workers."),
    _gauge("medaid_process_open_files", "livemax", "Open files of one worker."),
    _gauge("medaid_process_open_files_limit", "livemin", "Files it may open."),
    _gauge(
        "medaid_process_start_timestamp_seconds",
        "livemin",
        "When the oldest running worker started.",
    ),
    _counter(
        "medaid_log_lines_suppressed_total",
        "Lines of repeated events that were counted and not written.",
    ),
    _gauge(
        "medaid_build_info",
        "livemax",
        "1, with the versions that run.",
        "version",
        "python",
        "postgresql",
    ),
)
#: Kept by every worker.
METRICS = (
    *_REQUESTS, *_SETTLING, *_DATABASE, *_ROSTER, *_LOG, *_ALERTS, *_MACHINE,
)  # fmt: skip
#: Kept by the process that started them.
SUPERVISOR_METRICS = (
    _gauge("medaid_workers_wanted", "livemax", "Workers that should run."),
    _counter(
        "medaid_worker_deaths_total",
        "Workers that ended without being told to, and were replaced.",
    ),
)

"""Copies what the parts have counted into the metrics: each second, off every path.

Parts bump plain integers; only here do these become metrics. What has to be looked
at (database, disk, certificate) is looked at more rarely.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
import resource
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING

from gateway.background import ENDED, running_beside
from gateway.books_stamp import read_stamp
from gateway.in_time import in_time
from gateway.logs import REPEATS
from gateway.tls import TlsFault, certificate_ends
from settlement.domain.errors import RequestRefused
from settlement.service.findings import KINDS
from settlement.service.signatures import REFUSALS
from settlement.service.watch.hooks import hooks
from settlement.store.errors import (
    BatchConflictError,
    BatchRefusedError,
    StoreUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.edge import Edge
    from gateway.his.access import EnvelopeAccess
    from gateway.metrics import Metrics
    from gateway.wiring import Gateway
    from settlement.service.access import Sessions
    from settlement.service.health import Look
    from settlement.service.signatures import Signatures

_log = logging.getLogger(__name__)

COUNT_EVERY_S = 1.0
LOOK_EVERY_S = 5.0
#: A database that hangs holds up no look.
_HOOKS_WITHIN_S = 2.0
_AWAY = (
    RequestRefused,
    StoreUnavailableError,
    BatchConflictError,
    BatchRefusedError,
)
_PAGE = resource.getpagesize()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One worker's report. Nothing here raises because a database is away."""

    edge: Edge
    sessions: Sessions
    signatures: Signatures
    envelope: EnvelopeAccess
    data_dir: Path
    certificate: Path | None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Report as long as the block runs."""
        async with (
            running_beside(self.count(), name="metrics"),
            running_beside(self.look(), name="health"),
        ):
            yield

    async def count(self) -> None:
        """Every second until cancelled: what the parts have counted."""
        loop = asyncio.get_running_loop()
        self.metrics.say("medaid_workers", 1)
        self.metrics.say("medaid_process_start_timestamp_seconds", self._now())
        while True:
            self._listening()
            self._settling()
            self._settled()
            self._access()
            self._database()
            self._streams()
            self._process()
            self._work()
            asleep = loop.time()
            await asyncio.sleep(COUNT_EVERY_S)
            late_s = loop.time() - asleep - COUNT_EVERY_S
            self.metrics.say("medaid_event_loop_delay_seconds", max(0.0, late_s))

    async def look(self) -> None:
        """Every five seconds until cancelled: what has to be looked at."""
        while True:
            try:
                # Here too: the other half of this report may be what has ended.
                self._work()
                self._seen(await self._gateway.health.look())
                await asyncio.to_thread(self._read_files)
                await self._webhooks()
                await self.envelope.look()
            except (OSError, TlsFault) as error:
                # Our own sentence, or the system's: neither quotes a request.
                _log.warning("report.failed", extra={"reason": str(error)})
            await asyncio.sleep(LOOK_EVERY_S)

    @property
    def metrics(self) -> Metrics:
        """Where everything goes."""
        return self.edge.metrics

    def _now(self) -> float:
        """Seconds since 1970, as Prometheus tells instants."""
        return self._gateway.now().timestamp()

    @property
    def _gateway(self) -> Gateway:
        return self.edge.gateway

    def _work(self) -> None:
        """What must run beside the requests, and whether it has ended."""
        for work, has_ended in ENDED.items():
            self.metrics.say("medaid_work_ended", has_ended, work)

    def _listening(self) -> None:
        """Connections and calls against their limits."""
        say, total = self.metrics.say, self.metrics.total
        for call_class, count in self.edge.limits.under_way().items():
            say("medaid_http_under_way", count, call_class.value)
        connections = self.edge.connections
        if connections is None:
            return
        say("medaid_http_connections", len(connections))
        say("medaid_http_connections_limit", connections.limits.connections)
        total("medaid_http_connections_refused_total", connections.refused)
        for what in ("head", "write"):
            count = connections.cut[what]
            total("medaid_http_connections_cut_total", count, what)

    def _settling(self) -> None:
        """How settling stands."""
        say, sequencer = self.metrics.say, self._gateway.sequencer
        began = sequencer.batch_began
        say("medaid_http_settling_in_flight", self.edge.settling)
        say("medaid_settle_waiting", sequencer.waiting)
        say("medaid_settle_waiting_limit", sequencer.limit)
        say("medaid_settle_oldest_waiting_seconds", sequencer.waited_s)
        say("medaid_settle_batch_age_seconds", perf_counter() - began if began else 0)
        say("medaid_settle_stopped", sequencer.stopped is not None)

    def _settled(self) -> None:
        """What settling has done, and what went wrong."""
        total, tally = self.metrics.total, self._gateway.sequencer.tally
        if tally.committed:
            self.metrics.say("medaid_settle_last_commit_timestamp_seconds", self._now())
        while tally.committed:
            batch = tally.committed.popleft()
            observe = self.metrics.observe
            observe("medaid_settle_batch_claims", batch.claims)
            observe("medaid_settle_commit_duration_seconds", batch.seconds)
            observe("medaid_settle_sealing_duration_seconds", batch.sealing_s)
        total("medaid_settle_commits_unknown_total", tally.unknown)
        for outcome, count in (
            ("kept", tally.unknown_kept),
            ("not_kept", tally.unknown_not_kept),
            ("unresolved", tally.unknown_unresolved),
        ):
            total("medaid_settle_commits_resolved_total", count, outcome)
        total("medaid_settle_conflicts_total", tally.conflicts)
        total("medaid_settle_batches_divided_total", tally.divided)
        total("medaid_settle_claims_failed_total", tally.claims_failed)
        total("medaid_settle_claims_late_total", tally.claims_late)
        total("medaid_settle_pool_full_total", tally.pool_full)
        total("medaid_database_lost_total", tally.database_lost)

    def _access(self) -> None:
        """Who was let in, and who was not."""
        self.metrics.say("medaid_access_sessions", self.sessions.count)
        replays = self.sessions.replays + self.envelope.nonces.replays
        self.metrics.total("medaid_access_nonces_replayed_total", replays)
        for (profile, weak), count in self.envelope.counts().items():
            self.metrics.say("medaid_his_clients", count, profile, weak)
        for reason in REFUSALS:
            count = self.signatures.refused[reason]
            self.metrics.total("medaid_access_signatures_refused_total", count, reason)

    def _database(self) -> None:
        """The pool, the queues before it, the roster that came through it."""
        say, total, gateway = self.metrics.say, self.metrics.total, self._gateway
        pool = gateway.database.pool_state()
        say("medaid_database_pool_in_use", pool.in_use)
        say("medaid_database_pool_limit", pool.limit)
        say("medaid_database_pool_waiting", pool.waiting)
        say("medaid_quota_waiting", gateway.eligibility_use_case.quota_waiting)
        total(
            "medaid_database_connects_total", sum(line.opened for line in gateway.lines)
        )
        total("medaid_roster_follow_faults_total", gateway.follower.faults)
        say("medaid_roster_cache_held_bytes", gateway.follower.held_bytes)
        total("medaid_mark_failures_total", gateway.publisher.failures)
        say("medaid_mark_failing", gateway.publisher.fault is not None)
        roster = gateway.cache.roster_version()
        if roster is not None:
            say("medaid_roster_version", roster.version)
            as_of = datetime.fromisoformat(roster.as_of)
            say("medaid_roster_as_of_timestamp_seconds", as_of.timestamp())
        freshness = gateway.freshness
        say("medaid_roster_worker_lag_seconds", freshness.unconfirmed_s)
        say("medaid_roster_stale", freshness.is_stale(roster, gateway.now()))

    def _streams(self) -> None:
        """Who listens to alerts."""
        streams, hub = self.edge.streams, self._gateway.alerts.hub
        self.metrics.say("medaid_alert_streams", len(streams))
        self.metrics.total("medaid_alert_streams_slow_total", streams.too_slow)
        self.metrics.total("medaid_alert_stream_events_total", hub.events)

    async def _webhooks(self) -> None:
        """How far behind webhooks are; of a database that is away nothing."""
        try:
            found = await in_time(hooks(self._gateway.database), _HOOKS_WITHIN_S)
        except _AWAY:
            return
        running = [hook for hook in found if hook.is_on]
        since = [hook.oldest_at.timestamp() for hook in running if hook.oldest_at]
        say = self.metrics.say
        say("medaid_alert_webhook_waiting", max((h.lag for h in running), default=0))
        age_s = self._now() - min(since) if since else 0
        say("medaid_alert_webhook_oldest_seconds", max(0, age_s))
        say("medaid_alert_webhooks_paused", len(found) - len(running))

    def _process(self) -> None:
        """This process itself."""
        self.metrics.total("medaid_process_cpu_seconds_total", process_time())
        self.metrics.total("medaid_log_lines_suppressed_total", REPEATS.suppressed)

    def _seen(self, look: Look) -> None:
        """What a look has seen; of an absent database only that it is absent."""
        say, vitals = self.metrics.say, look.vitals
        codes = {finding.code for finding in look.findings}
        say("medaid_ready", not any(finding.stops for finding in look.findings))
        for code, kind in KINDS.items():
            say("medaid_finding", code in codes, code, str(kind.stops).lower())
        say("medaid_database_up", vitals is not None)
        say("medaid_data_folder_free_bytes", look.disk_free)
        say("medaid_data_folder_size_bytes", look.disk_size)
        if look.mark_written_at is not None:
            say("medaid_mark_written_timestamp_seconds", look.mark_written_at)
        if vitals is None:
            return
        say("medaid_database_clock_skew_seconds", look.skew_s)
        say("medaid_database_months_ahead", look.months_ahead)
        say("medaid_roster_lag_versions", look.lag_versions)
        say("medaid_roster_lag_seconds", look.lag_s)
        say("medaid_roster_refused_rows", vitals.roster_refused)
        say("medaid_log_entries", vitals.log_entries)
        ours, python = version("medaid-gateway"), platform.python_version()
        say("medaid_build_info", 1, ours, python, vitals.server)

    def _read_files(self) -> None:
        """What stands in files; in a thread, because a disk may hang."""
        say = self.metrics.say
        resident_pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        say("medaid_process_resident_bytes", int(resident_pages) * _PAGE)
        say(
            "medaid_process_open_files", sum(1 for _ in Path("/proc/self/fd").iterdir())
        )
        say(
            "medaid_process_open_files_limit",
            resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        )
        stamp = read_stamp(self.data_dir)
        if stamp is not None:
            say("medaid_books_checked_timestamp_seconds", stamp.ended_at.timestamp())
            say("medaid_books_violations", stamp.violations)
        if self.certificate is not None:
            say(
                "medaid_tls_certificate_expires_timestamp_seconds",
                certificate_ends(self.certificate).timestamp(),
            )

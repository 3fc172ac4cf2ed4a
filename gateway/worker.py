"""One worker process: its use cases, its door, its listener, from start to drain."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from aiohttp import web

from crypto.trust import trust_file
from gateway.access import Door
from gateway.app import build_server
from gateway.background import running_beside
from gateway.collector import spare_the_collector
from gateway.config import ServeSettings
from gateway.edge import Edge
from gateway.endings import WorkEndedFault
from gateway.his.access import EnvelopeAccess
from gateway.his.desk import HisDesk
from gateway.installation import Installation, check_trust, load_trust
from gateway.keyfiles import GatewayKeys, load_keys
from gateway.limit_settings import Allowed
from gateway.listening import Site, connection_limits
from gateway.location import open_database
from gateway.metrics import Metrics
from gateway.report import Report
from gateway.wiring import Gateway, GatewayLimits, open_gateway
from settlement.service.access import Sessions
from settlement.service.signatures import Signatures
from settlement.store.access import AccessStore
from settlement.store.errors import StoreUnavailableError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a worker finds its keys and its database."""

    data_dir: Path
    dsn: str | None


class _Ending:
    """Whether a worker ends because it was told to."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop
        self._is_fault = False

    def by_fault(self) -> None:
        """End because of a fault, unless it was told to end before."""
        if not self._stop.is_set():
            self._is_fault = True
            self._stop.set()

    def check(self) -> None:
        """Raise `WorkEndedFault` where it was a fault."""
        if self._is_fault:
            raise WorkEndedFault(
                "something that must run beside the requests has ended (work.ended in"
                " the log names it); what was under way was finished; start the gateway"
                " again, and report it with the log"
            )


async def run_worker(
    settings: ServeSettings,
    place: Place,
    bound: socket.socket,
    *,
    metrics: Metrics,
    on_ready: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    """Serve on a bound socket until `stop`, then finish what is under way.

    `on_ready` is called when the listener answers. Raises `KeyFileFault`,
    `InstallationFault`, `FatalError`, `PolicyError` or `click.ClickException`, each
    with one sentence, when the worker cannot start, and `WorkEndedFault` when it had
    to stop without being told to.
    """
    ending = _Ending(stop)
    async with open_edge(settings, place, metrics, on_fault=ending.by_fault) as edge:
        runner = web.ServerRunner(
            build_server(
                edge,
                max_body_bytes=settings.max_body_bytes,
                limits=connection_limits(settings),
            ),
            shutdown_timeout=settings.drain_s,
        )
        await runner.setup()
        try:
            await Site(
                runner,
                bound,
                settings.tls_context(),
                handshake_s=settings.head_s,
                connections=edge.connections,
            ).start()
            spare_the_collector()
            on_ready()
            _log.info("worker.ready")
            await stop.wait()
            edge.draining = True
            _log.info("worker.draining")
        finally:
            # Stops accepting, then waits for the requests under way.
            await runner.cleanup()
            await edge.settled()
    _log.info("worker.drained")
    ending.check()


@contextlib.asynccontextmanager
async def open_edge(
    settings: ServeSettings,
    place: Place,
    metrics: Metrics,
    *,
    on_fault: Callable[[], None],
) -> AsyncIterator[Edge]:
    """The use cases and the door of one process; closed when the block ends.

    `on_fault` is called when something that must run beside them has ended.
    """
    installation = Installation.load(place.data_dir)
    keys = load_keys(place.data_dir)
    trust = load_trust(place.data_dir)
    own = [keys.record_sign.kid, keys.checkpoint_sign.kid, keys.bureau_seal.kid]
    check_trust(place.data_dir, trust, installation.origin, own)
    async with (
        open_database(
            place.data_dir, place.dsn, max_size=settings.database_connections
        ) as database,
        open_gateway(
            data_dir=place.data_dir,
            database=database,
            keys=keys,
            origin=installation.origin,
            sandbox=installation.sandbox,
            published_keys=json.loads(trust_file(trust)),
            limits=GatewayLimits(freshness=settings.freshness()),
            on_fault=on_fault,
        ) as gateway,
        _open_door(settings, place, gateway, keys, metrics, on_fault=on_fault) as edge,
    ):
        yield edge


@contextlib.asynccontextmanager
async def _open_door(
    settings: ServeSettings,
    place: Place,
    gateway: Gateway,
    keys: GatewayKeys,
    metrics: Metrics,
    *,
    on_fault: Callable[[], None],
) -> AsyncIterator[Edge]:
    """Who may come in, and the report of what goes on; for as long as the block."""
    store = AccessStore(gateway.database)
    sessions = await _sessions(settings, store)
    await _warn_of_unknown_parties(settings, store)
    signatures = Signatures(store, keys.party_secret_key)
    allowed = Allowed(settings, sandbox=gateway.sandbox)
    attempts = allowed.attempts()
    envelope = EnvelopeAccess.of(
        gateway,
        keys.party_secret_key,
        sessions=sessions,
        signatures=signatures,
        attempts=attempts,
    )
    edge = Edge(
        gateway=gateway,
        his=HisDesk(envelope.door, envelope.files),
        door=Door(sessions, signatures, gateway.now, attempts),
        metrics=metrics,
        access_log=settings.access_log,
        limits=allowed.limits(),
    )
    report = Report(
        edge=edge,
        sessions=sessions,
        signatures=signatures,
        envelope=envelope,
        data_dir=place.data_dir,
        certificate=settings.tls_cert,
    )
    watch = sessions.watch(gateway.now, on_change=envelope.clients.forget)
    async with (
        running_beside(watch, name="access", on_fault=on_fault),
        running_beside(envelope.nonces.run(), name="nonces", on_fault=on_fault),
        report.running(),
    ):
        yield edge


async def _sessions(settings: ServeSettings, store: AccessStore) -> Sessions:
    sessions = Sessions(
        store,
        random=os.urandom,
        lifetime=timedelta(hours=settings.session_hours),
    )
    await sessions.begin()
    return sessions


async def _warn_of_unknown_parties(settings: ServeSettings, store: AccessStore) -> None:
    """Say which `[parties.CODE]` is nobody's: a slip of the pen has no limits.

    No more than a warning: a party may be registered while the gateway runs.
    """
    if not settings.parties:
        return
    try:
        known = {party.code for party in await store.parties()}
    except StoreUnavailableError:
        return
    unknown = sorted(set(settings.parties) - known)
    if unknown:
        _log.warning("limits.party_unknown", extra={"codes": unknown})

"""`medaid serve` from settings to the last drained request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from aiohttp import web

from gateway.app import build_metrics_server
from gateway.config import ServeSettings, SettingsFault
from gateway.installation import Installation
from gateway.keyfiles import load_keys
from gateway.listening import BACKLOG, bound_socket, port_of, reserve, url_of
from gateway.location import open_database, server_dsn
from gateway.metrics import Metrics, supervisor_metrics
from gateway.protocol import parser_is_compiled
from gateway.supervisor import Supervisor
from gateway.watch_process import watching
from gateway.worker import Place, run_worker
from gateway.worker_process import until_told

_LOOPBACK = "127.0.0.1"

_log = logging.getLogger(__name__)


async def serve_gateway(
    settings: ServeSettings,
    place: Place,
    say: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT, then drain; says `ready URL` when it answers.

    Raises what `run_worker` raises, `SettingsFault` and `NotStartedFault`, each with
    one sentence.
    """
    stop = asyncio.Event()
    await until_told(stop)
    # Faults that any worker would meet are found here, once.
    installation = Installation.load(place.data_dir)
    load_keys(place.data_dir)
    _check_parser(sandbox=installation.sandbox)
    if settings.workers == 1:
        await _serve_alone(settings, place, say, stop)
    else:
        await _serve_many(settings, place, say, stop)


def _check_parser(*, sandbox: bool) -> None:
    """Refuse to serve by aiohttp's pure-Python parser; raises `SettingsFault`.

    It lets through what llhttp refuses, and is slow. A sandbox may go without.
    """
    if parser_is_compiled():
        return
    if not sandbox:
        raise SettingsFault(
            "aiohttp has no compiled parser here, and its other one is not safe to"
            " serve with; install aiohttp as a wheel, and do not set"
            " AIOHTTP_NO_EXTENSIONS"
        )
    _log.warning("parser.not_compiled")


async def _serve_alone(
    settings: ServeSettings,
    place: Place,
    say: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    bound = bound_socket(settings.host, settings.port, shared=False)
    url = url_of(settings.scheme, settings.host, port_of(bound))
    metrics = Metrics()
    beside = supervisor_metrics(workers=1)
    serves = asyncio.Event()

    def on_ready() -> None:
        serves.set()
        say(f"ready {url}")

    async with (
        server_dsn(place.data_dir, place.dsn) as dsn,
        _metrics_listener(
            settings, lambda: metrics.exposition() + beside.exposition(), say
        ),
        watching(Place(data_dir=place.data_dir, dsn=dsn), settings, serves),
    ):
        await run_worker(
            settings,
            place,
            bound,
            metrics=metrics,
            on_ready=on_ready,
            stop=stop,
        )


async def _serve_many(
    settings: ServeSettings,
    place: Place,
    say: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    held = reserve(settings.host, settings.port)
    port = port_of(held)
    url = url_of(settings.scheme, settings.host, port)
    try:
        async with server_dsn(place.data_dir, place.dsn) as dsn:
            # Opened once before the workers, so that one sentence is said, not many.
            async with open_database(place.data_dir, dsn, max_size=1):
                pass
            supervisor = Supervisor(
                settings.model_copy(update={"port": port}),
                Place(data_dir=place.data_dir, dsn=dsn),
            )
            async with _metrics_listener(settings, supervisor.exposition, say):
                await supervisor.run(on_ready=lambda: say(f"ready {url}"), stop=stop)
    finally:
        held.close()


@contextlib.asynccontextmanager
async def _metrics_listener(
    settings: ServeSettings,
    exposition: Callable[[], bytes],
    say: Callable[[str], None],
) -> AsyncIterator[None]:
    """Serve `/metrics` on loopback while the block runs, where a port is given."""
    if settings.metrics_port is None:
        yield
        return
    bound = bound_socket(_LOOPBACK, settings.metrics_port, shared=False)
    runner = web.ServerRunner(build_metrics_server(exposition), shutdown_timeout=1)
    await runner.setup()
    try:
        await web.SockSite(runner, bound, backlog=BACKLOG).start()
        say(f"metrics {url_of('http', _LOOPBACK, port_of(bound))}/metrics")
        yield
    finally:
        await runner.cleanup()


def place_of(data_dir: Path, dsn: str | None) -> Place:
    """Where the workers find their keys and their database."""
    return Place(data_dir=data_dir, dsn=dsn)

"""Several workers on one machine: started together, replaced when they die."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

from eligibility_cache.environment import CacheFolder
from gateway.child import Child, spawn
from gateway.config import ServeSettings
from gateway.endings import NotStartedFault
from gateway.metrics import DIRECTORY_VARIABLE, merged, supervisor_metrics
from gateway.watch_process import WATCH, spawn_watch
from gateway.worker import Place

_MEMORY_SIGNALS = frozenset({signal.SIGBUS, signal.SIGSEGV})
#: After the drain itself, for closing connections and the pool.
_END_WITHIN_S = 15.0

_log = logging.getLogger(__name__)


class Supervisor:
    """Runs workers until told to stop. They share a port that the caller holds."""

    def __init__(self, settings: ServeSettings, place: Place) -> None:
        """`settings.port` is the real port; `place.dsn` must be known."""
        self._settings = settings
        self._place = place
        self.metrics_folder = _empty_folder(place.data_dir / "run" / "metrics")
        self._order = {
            "settings": settings.model_dump(mode="json"),
            "data_dir": str(place.data_dir),
            "dsn": place.dsn,
        }
        self._stopping = False
        self._metrics = supervisor_metrics(settings.workers)
        self._deaths = 0

    async def run(self, *, on_ready: Callable[[], None], stop: asyncio.Event) -> None:
        """Start all workers, call `on_ready` when every one answers, end on `stop`.

        Raises `NotStartedFault` with the first sentence of a worker that cannot start;
        a worker that dies later is replaced.
        """
        workers = [
            self._child(number, partial(self._spawn, number))
            for number in range(1, self._settings.workers + 1)
        ]
        try:
            async with asyncio.TaskGroup() as starting:
                for worker in workers:
                    starting.create_task(worker.start())
        except* NotStartedFault as faults:
            await self._end(workers)
            raise faults.exceptions[0] from None
        on_ready()
        # Not before: a start that fails is one sentence, a worker's.
        watch = self._child(
            WATCH, partial(spawn_watch, self._place, self._settings.log_level)
        )
        keeping = [
            asyncio.create_task(worker.keep(), name=f"worker-{number}")
            for number, worker in enumerate(workers)
        ]
        keeping.append(asyncio.create_task(watch.start_and_keep(), name=WATCH))
        await stop.wait()
        self._stopping = True
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        await self._end([*workers, watch])

    async def _end(self, workers: list[Child]) -> None:
        self._stopping = True
        within_s = self._settings.drain_s + _END_WITHIN_S
        await asyncio.gather(*(worker.end(within_s) for worker in workers))

    def _child(self, name: int | str, start: Callable[[], Awaitable[Process]]) -> Child:
        return Child(
            name, start, on_death=self._note_death, is_stopping=lambda: self._stopping
        )

    async def _spawn(self, worker: int) -> Process:
        """A worker process that has been told what to do."""
        return await spawn(
            "gateway.worker_process",
            self._order | {"worker": worker},
            {DIRECTORY_VARIABLE: str(self.metrics_folder)},
        )

    def exposition(self) -> bytes:
        """The metrics of all workers and of this process."""
        self._metrics.total("medaid_worker_deaths_total", self._deaths)
        return merged(self.metrics_folder) + self._metrics.exposition()

    def _note_death(self, pid: int, status: int) -> None:
        """A process ended; where nobody told it to, that counts.

        Its gauges no longer count; its counters stay. One that was ended for reading
        memory that is not there may have read a damaged map, and so would the next:
        the cache is built anew.
        """
        mark_process_dead(pid, str(self.metrics_folder))  # type: ignore[no-untyped-call]
        if self._stopping:
            return
        self._deaths += 1
        if -status in _MEMORY_SIGNALS:
            _log.warning("roster.cache_suspected", extra={"status": status})
            CacheFolder(self._place.data_dir / "cache").suspect()


def _empty_folder(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder

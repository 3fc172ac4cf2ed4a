"""Several workers on one machine: started together, replaced when they die."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

from eligibility_cache.environment import CacheFolder
from gateway.config import ServeSettings
from gateway.endings import NotStartedFault
from gateway.metrics import DIRECTORY_VARIABLE, merged, supervisor_metrics
from gateway.worker import Place
from gateway.worker_process import FAILED, READY

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
#: A worker that lived so long was well; the next one need not wait.
_WELL_AFTER_S = 60.0
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
        workers = [_Worker(self, n + 1) for n in range(self._settings.workers)]
        try:
            async with asyncio.TaskGroup() as starting:
                for worker in workers:
                    starting.create_task(worker.start())
        except* NotStartedFault as faults:
            await self._end(workers)
            raise faults.exceptions[0] from None
        on_ready()
        keeping = [
            asyncio.create_task(worker.keep(), name=f"worker-{number}")
            for number, worker in enumerate(workers)
        ]
        await stop.wait()
        self._stopping = True
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        await self._end(workers)

    async def _end(self, workers: list[_Worker]) -> None:
        self._stopping = True
        within_s = self._settings.drain_s + _END_WITHIN_S
        await asyncio.gather(*(worker.end(within_s) for worker in workers))

    async def spawn(self, worker: int) -> asyncio.subprocess.Process:
        """A worker process that has been told what to do."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway.worker_process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {DIRECTORY_VARIABLE: str(self.metrics_folder)},
            # A terminal's Ctrl-C reaches the supervisor alone, which then drains.
            start_new_session=True,
        )
        if process.stdin is not None:
            order = json.dumps(self._order | {"worker": worker})
            process.stdin.write(order.encode() + b"\n")
            await process.stdin.drain()
        return process

    def exposition(self) -> bytes:
        """The metrics of all workers and of this process."""
        self._metrics.total("medaid_worker_deaths_total", self._deaths)
        return merged(self.metrics_folder) + self._metrics.exposition()

    def note_death(self, status: int) -> None:
        """A worker ended without being told to.

        One that was ended for reading memory that is not there may have read a damaged
        map, and so would the next: the cache is built anew.
        """
        self._deaths += 1
        if -status in _MEMORY_SIGNALS:
            _log.warning("roster.cache_suspected", extra={"status": status})
            CacheFolder(self._place.data_dir / "cache").suspect()

    @property
    def stopping(self) -> bool:
        """Whether dead workers are not to be replaced any more."""
        return self._stopping


class _Worker:
    """One place for a worker, filled by one process after another."""

    def __init__(self, supervisor: Supervisor, number: int) -> None:
        self._supervisor = supervisor
        self._number = number
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start a process and wait until it answers; raises `NotStartedFault`."""
        self._process = process = await self._supervisor.spawn(self._number)
        line = ""
        if process.stdout is not None:
            line = (await process.stdout.readline()).decode().rstrip("\n")
        if line == READY:
            _log.info(
                "worker.started", extra={"worker": self._number, "pid": process.pid}
            )
            return
        status = await process.wait()
        raise NotStartedFault(
            line.removeprefix(FAILED) or "a worker ended before it could serve", status
        )

    async def keep(self) -> None:
        """Replace the process each time it dies, ever more slowly if it cannot live."""
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_PAUSE_S
        while self._process is not None:
            began = loop.time()
            status = await self._process.wait()
            self._forget_metrics(self._process.pid)
            if self._supervisor.stopping:
                return
            if loop.time() - began >= _WELL_AFTER_S:
                pause_s = _FIRST_PAUSE_S
            self._supervisor.note_death(status)
            about = {"worker": self._number, "pid": self._process.pid}
            _log.error(
                "worker.died", extra={**about, "status": status, "pause_s": pause_s}
            )
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            try:
                await self.start()
            except NotStartedFault as fault:
                _log.error(
                    "worker.not_started",
                    extra={"worker": self._number, "reason": str(fault)},
                )

    async def end(self, within_s: float) -> None:
        """Let the process drain, and end it for sure."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(within_s):
                await process.wait()
        except TimeoutError:
            _log.error(
                "worker.not_drained", extra={"worker": self._number, "pid": process.pid}
            )
            process.kill()
            await process.wait()

    def _forget_metrics(self, pid: int) -> None:
        """Gauges of a dead process no longer count; its counters stay."""
        mark_process_dead(pid, str(self._supervisor.metrics_folder))  # type: ignore[no-untyped-call]


def _empty_folder(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder

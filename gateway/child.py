"""A process that is kept: started, replaced when it dies, drained at the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from gateway.endings import NotStartedFault

#: What a child writes to standard output: that it works, or why it does not.
READY = "ready"
FAILED = "failed "

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
#: A process that lived so long was well; the next one need not wait.
_WELL_AFTER_S = 60.0

_log = logging.getLogger(__name__)


async def spawn(
    module: str,
    order: Mapping[str, object],
    environment: Mapping[str, str],
    *,
    keeping: Sequence[int] = (),
) -> asyncio.subprocess.Process:
    """Run `python -m module` and tell it its order, one line of JSON.

    Its standard input stays open; the end of it means that we are gone. `keeping`:
    descriptors that it has open, too.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | environment,
        pass_fds=tuple(keeping),
        # A terminal's Ctrl-C reaches the parent alone, which then drains.
        start_new_session=True,
    )
    if process.stdin is not None:
        process.stdin.write(json.dumps(order).encode() + b"\n")
        # One that has ended before it read its order tells by how it ended.
        with contextlib.suppress(ConnectionError):
            await process.stdin.drain()
    return process


class Child:
    """One place for a process, filled by one process after another."""

    def __init__(
        self,
        name: int | str,
        start: Callable[[], Awaitable[asyncio.subprocess.Process]],
        *,
        on_death: Callable[[int, int], None],
        is_stopping: Callable[[], bool],
    ) -> None:
        """`name` tells it apart in the log; `on_death` takes process id and status."""
        self._name = name
        self._spawn = start
        self._on_death = on_death
        self._is_stopping = is_stopping
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start a process and wait until it answers; raises `NotStartedFault`."""
        self._process = process = await self._spawn()
        line = ""
        if process.stdout is not None:
            line = (await process.stdout.readline()).decode().rstrip("\n")
        if line == READY:
            _log.info(
                "worker.started", extra={"worker": self._name, "pid": process.pid}
            )
            return
        status = await process.wait()
        raise NotStartedFault(
            line.removeprefix(FAILED) or "a worker ended before it could serve", status
        )

    async def start_and_keep(self) -> None:
        """The same as `keep`, which also begins anew where the first one ended."""
        with suppress(NotStartedFault):
            await self.start()
        await self.keep()

    async def keep(self) -> None:
        """Replace the process each time it dies, ever more slowly if it cannot live."""
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_PAUSE_S
        while self._process is not None:
            began = loop.time()
            status = await self._process.wait()
            pid = self._process.pid
            self._on_death(pid, status)
            if self._is_stopping():
                return
            if loop.time() - began >= _WELL_AFTER_S:
                pause_s = _FIRST_PAUSE_S
            about = {"worker": self._name, "pid": pid}
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
                    extra={"worker": self._name, "reason": str(fault)},
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
                "worker.not_drained", extra={"worker": self._name, "pid": process.pid}
            )
            process.kill()
            await process.wait()

"""Work that runs beside a block and ends with it; ending by itself is a fault."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

_log = logging.getLogger(__name__)

#: Work of this process by name, and whether it ended while it should run, for metrics.
ENDED: dict[str, bool] = {}


def nobody_told() -> None:
    """For those who only want the fault logged."""


@contextlib.asynccontextmanager
async def running_beside(
    work: Coroutine[Any, Any, None],
    *,
    name: str,
    on_fault: Callable[[], None] = nobody_told,
) -> AsyncIterator[None]:
    """Run the work as long as the block.

    `on_fault` is called when it ends before: a worker without its roster, or
    without news of revoked keys, is better replaced.
    """
    task = asyncio.create_task(work, name=name)
    ENDED[name] = False
    ended = False

    def note(done: asyncio.Task[None]) -> None:
        if ended or done.cancelled():
            return
        ENDED[name] = True
        fault = done.exception()
        # Without its message, which might quote values.
        _log.critical("work.ended", extra={"work": name, "fault": type(fault).__name__})
        on_fault()

    task.add_done_callback(note)
    try:
        yield
    finally:
        ended = True
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task

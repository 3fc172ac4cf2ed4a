"""An end to waiting for answers that nothing depends on: reads, never money."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from settlement.domain.errors import RequestRefused

_T = TypeVar("_T")
#: As long as a settlement waits to be begun where its caller names no deadline.
WITHIN_S = 10.0
_BUSY = "MA-5101"


async def in_time(answering: Coroutine[Any, Any, _T], within_s: float = WITHIN_S) -> _T:
    """The answer; raises MA-5101 when it does not come in time.

    What was asked is cancelled then, but not waited for: a database that hangs does
    not answer a cancellation either.
    """
    task = asyncio.ensure_future(answering)
    try:
        done, _ = await asyncio.wait({task}, timeout=within_s)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if done:
        return task.result()
    task.add_done_callback(_take_outcome)
    task.cancel()
    raise RequestRefused(_BUSY, retry_after_s=1)


def _take_outcome(task: asyncio.Task[Any]) -> None:
    """So that a fault nobody waits for is not reported as never retrieved."""
    if not task.cancelled():
        task.exception()

"""The lanes of a sequencer: one batch decides while the one before it is committed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from settlement.store.line import Line


class Lane:
    """Batch after batch on one line; the lanes of a sequencer share one turn.

    Whoever has the turn gathers claims, locks what they need and decides them. It is
    passed on when only posting and COMMIT are left, which is mostly the database's
    work: meanwhile the next batch decides.
    """

    __slots__ = ("_has_turn", "_turn", "began", "line")

    def __init__(self, line: Line, turn: asyncio.Lock) -> None:
        """No batch is under way."""
        self.line = line
        self._turn = turn
        self._has_turn = False
        #: `time.perf_counter()` at the BEGIN of the batch under way.
        self.began: float | None = None

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Have the turn until it is passed on, or to the block's end."""
        await self._turn.acquire()
        self._has_turn = True
        try:
            yield
        finally:
            self.pass_on()

    def pass_on(self) -> None:
        """Let the next batch decide; nothing where that was done."""
        if self._has_turn:
            self._has_turn = False
            self._turn.release()

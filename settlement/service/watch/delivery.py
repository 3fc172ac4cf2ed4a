"""Alert events on their way to streams: read once in each process, for all readers.

One connection hears of every commit (and looks four times a second in case it did
not). What it reads stays in a bounded shelf; each reader knows the number of the last
event that it was given, so nothing is lost and nothing doubled, however often it is
cut. A reader that resumes behind the shelf is given the pages between from the
database, one page at a time for all readers of the process together; one that falls
behind it while it reads is too slow, and is told so.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from settlement.domain.errors import RequestRefused
from settlement.store.alert_delivery import (
    AlertEvent,
    events_after,
    hearing_of_events,
    last_event,
)
from settlement.store.errors import (
    BatchConflictError,
    BatchRefusedError,
    StoreUnavailableError,
)
from settlement.store.find import reading_faults
from settlement.store.transaction import our_errors

if TYPE_CHECKING:
    from settlement.store.database import Connection, Database

#: Between two looks at the database where no commit was heard of.
POLL_S = 0.25
#: Events read at once, and given to a reader at once.
PAGE = 200
#: What is kept for readers that are a little behind: at most so much in memory.
SHELF_EVENTS = 4_096
SHELF_BYTES = 16 * 1024 * 1024
#: Where the database is away.
_PAUSE_S = 1.0
#: How long a new reader waits to know where it begins.
_BEGIN_WITHIN_S = 5.0

__all__ = ["AlertEvent", "AlertHub", "Reader", "Shelf", "TooSlowError"]

_log = logging.getLogger(__name__)

#: One event as it is sent, made once for all readers.
Render = Callable[[AlertEvent], bytes]


class TooSlowError(Exception):
    """The reader has fallen behind what is kept; it may resume by its number."""


class Shelf:
    """The newest events, rendered: all of them behind `floor`, up to `head`."""

    def __init__(self, most: int = SHELF_EVENTS, most_bytes: int = SHELF_BYTES) -> None:
        """Nothing has been read."""
        self._most = most
        self._most_bytes = most_bytes
        self.floor = self.head = 0
        self._seqs: list[int] = []
        self._told: list[bytes] = []
        self._bytes = 0

    def begin(self, seq: int) -> None:
        """Forget everything; what comes next comes behind this event."""
        self.floor = self.head = seq
        self._seqs, self._told, self._bytes = [], [], 0

    def put(self, events: Sequence[tuple[int, bytes]]) -> None:
        """Append the events behind `head`, in order."""
        for seq, told in events:
            self._seqs.append(seq)
            self._told.append(told)
            self._bytes += len(told)
            self.head = seq
        while len(self._seqs) > self._most or self._bytes > self._most_bytes:
            # A quarter at a time, so that forgetting costs little.
            gone = max(1, len(self._seqs) // 4)
            self._bytes -= sum(map(len, self._told[:gone]))
            self.floor = self._seqs[gone - 1]
            del self._seqs[:gone], self._told[:gone]

    def after(self, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """At most `limit` events behind `seq`, which is not below `floor`."""
        first = bisect_right(self._seqs, seq)
        last = first + limit
        return list(zip(self._seqs[first:last], self._told[first:last], strict=True))


class Reader:
    """One stream's place among the events. Made by `AlertHub.join`."""

    def __init__(self, hub: AlertHub, position: int) -> None:
        """The next event is the one behind `position`."""
        self._hub = hub
        self.position = position
        self.news = asyncio.Event()
        """Set when there may be something to take."""
        self._is_live = False

    async def take(self) -> list[bytes]:
        """The next events, at most `PAGE`; empty where all have been given.

        Raises `TooSlowError`, and `RequestRefused` MA-5101 or MA-5105 while what lies
        behind cannot be read.
        """
        shelf = self._hub.shelf
        if self.position >= shelf.floor:
            self._is_live = True
            found = shelf.after(self.position, PAGE)
        elif self._is_live:
            raise TooSlowError
        else:
            found = await self._hub.page_after(self.position)
        if found:
            self.position = found[-1][0]
        return [told for _, told in found]


class AlertHub:
    """All readers of one process, and the one who reads for them."""

    def __init__(
        self, database: Database, render: Render, shelf: Shelf | None = None
    ) -> None:
        """Without readers nothing is read, and no connection is open."""
        self._database = database
        self._render = render
        self.shelf = shelf or Shelf()
        self._readers: set[Reader] = set()
        self._wanted = asyncio.Event()
        self._heard = asyncio.Event()
        self._has_begun = asyncio.Event()
        self._catching_up = asyncio.Semaphore(1)
        self.events = 0
        """Events read so far, for metrics."""

    def __len__(self) -> int:
        """Readers now."""
        return len(self._readers)

    async def join(self, after: int | None) -> Reader:
        """A reader that begins behind `after`, or now; `leave` has to follow.

        Whatever is committed after this has returned, it is given. Raises
        `RequestRefused` MA-5105 while the database does not answer.
        """
        reader = Reader(self, 0)
        self._readers.add(reader)
        self._wanted.set()
        try:
            async with asyncio.timeout(_BEGIN_WITHIN_S):
                await self._has_begun.wait()
        except TimeoutError:
            self.leave(reader)
            raise RequestRefused("MA-5105", retry_after_s=2) from None
        except asyncio.CancelledError:
            self.leave(reader)
            raise
        head = self.shelf.head
        if after is not None and after > head:
            # Another process may have read further, and given it.
            head = await self._newest(reader)
        # A number that was never given is taken for the newest: nothing is skipped.
        reader.position = head if after is None else min(after, head)
        return reader

    async def _newest(self, reader: Reader) -> int:
        try:
            with reading_faults():
                async with self._database.pool.acquire() as session:
                    return await last_event(session)
        except BaseException:
            self.leave(reader)
            raise

    def leave(self, reader: Reader) -> None:
        """Forget a reader."""
        self._readers.discard(reader)

    async def page_after(self, seq: int) -> list[tuple[int, bytes]]:
        """The events behind one, from the database; raises MA-5101 and MA-5105."""
        async with self._catching_up:
            with reading_faults():
                async with self._database.pool.acquire() as session:
                    found = await events_after(session, seq, PAGE)
        return await self._rendered(found)

    async def run(self) -> None:
        """Read for the readers, for ever; faults of the database pass."""
        while True:
            await self._wanted.wait()
            try:
                with our_errors():
                    async with hearing_of_events(
                        self._database, self._heard.set
                    ) as connection:
                        await self._follow(connection)
            except (StoreUnavailableError, BatchConflictError, BatchRefusedError) as e:
                _log.warning(
                    "alerts.stream_not_read", extra={"fault": type(e).__name__}
                )
                await asyncio.sleep(_PAUSE_S)

    async def _follow(self, connection: Connection) -> None:
        """Read as long as anybody reads; what was missed meanwhile is read, too."""
        newest = await last_event(connection)
        if newest < self.shelf.head or not self._has_begun.is_set():
            # Where a failover has lost events, their numbers are given anew.
            self.shelf.begin(newest)
            for reader in self._readers:
                reader.position = min(reader.position, newest)
            self._has_begun.set()
        while self._readers:
            self._heard.clear()
            while await self._read(connection):
                pass
            try:
                async with asyncio.timeout(POLL_S):
                    await self._heard.wait()
            except TimeoutError:
                pass
        self._wanted.clear()
        self._has_begun.clear()

    async def _read(self, connection: Connection) -> bool:
        """Read one page and wake the readers; whether there may be another."""
        found = await events_after(connection, self.shelf.head, PAGE)
        if not found:
            return False
        self.shelf.put(await self._rendered(found))
        self.events += len(found)
        for reader in self._readers:
            reader.news.set()
        return len(found) == PAGE

    async def _rendered(self, found: list[AlertEvent]) -> list[tuple[int, bytes]]:
        """Made beside the event loop: a page is some hundred kilobytes."""
        if not found:
            return []
        return await asyncio.to_thread(
            lambda: [(event.seq, self._render(event)) for event in found]
        )

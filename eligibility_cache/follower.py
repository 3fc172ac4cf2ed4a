"""Follow the roster in PostgreSQL into the cache: one writer per machine.

Every gateway process runs a follower. One of them holds the writer's lock and
writes; the others see what it wrote, because the map is shared, and one of them
takes over when it dies. Whatever was missed meanwhile is caught up from the cursor
that the cache holds; where that is not possible the cache is built anew beside the
one in force.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import lmdb

from eligibility_cache.building import (
    BuildFailedError,
    Snapshot,
    build,
    in_thread,
    meta_of,
)
from eligibility_cache.environment import CacheFolder, CacheMeta
from eligibility_cache.packing import CacheCorruptError
from eligibility_cache.resident import HeldInMemory
from eligibility_cache.store import EligibilityCache
from settlement.domain.roster import RosterChanges, RosterHead, RosterUnreachableError

#: Changes applied in one transaction; a review of a city strikes 3,207 persons.
BATCH = 5_000
#: A roster of more windows is built by another process: it takes seconds and minutes,
#: in which this one has answers to give.
LARGE = 50_000
#: The bell may be missed, a look every second may not.
POLL_SECONDS = 1.0
#: How soon a process that only reads goes over to a generation built anew.
WATCH_SECONDS = 0.25
_BACKOFF_SECONDS = 0.5
#: A build that failed has read and written for minutes, perhaps till the disk was full.
_BUILD_BACKOFF_SECONDS = 30.0

#: The database away, the disk full, a file damaged: tried again until it works.
_MAY_PASS = (
    BuildFailedError,
    RosterUnreachableError,
    CacheCorruptError,
    lmdb.Error,
    OSError,
)

#: Builds the cache in this folder for the process that holds its lock, and returns when
#: it is in force. Raises `BuildFailedError` or `RosterUnreachableError`.
BuildElsewhere = Callable[[CacheFolder], Awaitable[None]]

_log = logging.getLogger(__name__)


class Feed(Protocol):
    """Where changes come from; calls raise `RosterUnreachableError`."""

    async def changes(self, after: int, limit: int) -> RosterChanges:
        """What changed after a cursor, from one snapshot."""
        ...

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """The whole roster."""
        ...

    async def wait(self, seconds: float) -> None:
        """Until something changed, or the time is over."""
        ...

    async def close(self) -> None:
        """Give the connection up."""
        ...


class Follower:
    """Keeps the cache at the roster's newest version until cancelled."""

    def __init__(
        self,
        feed: Feed,
        cache: EligibilityCache,
        build_elsewhere: BuildElsewhere | None = None,
        held: HeldInMemory | None = None,
    ) -> None:
        """Nothing happens before `run` or `catch_up`.

        Without `build_elsewhere` a large roster is built in this process, too;
        without `held` nobody keeps the map in memory while `run` writes it.
        """
        self._feed = feed
        self._cache = cache
        self._build_elsewhere = build_elsewhere
        self._held = held
        self._has_looked = asyncio.Event()
        self._is_damaged = False
        """Whether the map in force can no longer be written to."""
        self.is_writer = False
        """Whether this process writes the machine's cache."""
        self.faults = 0
        """Attempts that failed, for metrics."""

    @property
    def held_bytes(self) -> int:
        """How much of the map this process keeps in memory for all of the machine."""
        return 0 if self._held is None else self._held.held_bytes

    async def run(self) -> None:
        """Follow for ever; end by cancelling. Nothing is left half applied then."""
        try:
            while True:
                async with _writer_lock(self._cache.folder) as is_writer:
                    if is_writer:
                        await self._write()
                # Somebody else writes; look again soon whether they still do.
                await self._refresh()
                self._has_looked.set()
                await asyncio.sleep(WATCH_SECONDS)
        finally:
            # Whoever waits for the first look would otherwise wait for ever.
            self._has_looked.set()
            await self._feed.close()

    async def looked_once(self) -> None:
        """Wait until the cache was compared with the roster once, or found taken.

        A database that cannot be reached counts: the cache then answers as it is. So
        does a `run` that has ended: whoever runs it is told of that otherwise.
        """
        await self._has_looked.wait()

    async def catch_up(self) -> None:
        """Bring the cache to the roster's present version. For the writer alone.

        Raises `RosterUnreachableError`; the cache then is at some version between.
        """
        await self._refresh()
        while not await self._advance():
            pass

    async def _write(self) -> None:
        self.is_writer = True
        try:
            while True:
                try:
                    self._cache.free_dead_readers()
                    await self.catch_up()
                    await self._hold()
                except _MAY_PASS as error:
                    self.faults += 1
                    _log.warning("roster.not_followed", extra={"fault": _kind(error)})
                    await asyncio.sleep(_pause(error))
                self._has_looked.set()
                await self._feed.wait(POLL_SECONDS)
        finally:
            self.is_writer = False
            if self._held is not None:
                self._held.release()

    async def _hold(self) -> None:
        if self._held is None:
            return
        file = self._cache.file
        if file is not None:
            await in_thread(self._held.hold, file)

    async def _advance(self) -> bool:
        """One batch, or a build; whether nothing newer remains."""
        meta = self._cache.meta
        if meta is None or self._is_damaged:
            return await self._build()
        changes = await self._feed.changes(meta.cursor, BATCH)
        if changes.head.version is None or not _continues(meta, changes.head):
            return await self._build()
        if changes.cursor != meta.cursor or _is_newer(changes.head, meta):
            await self._apply(meta, changes)
            _log.info(
                "roster.changes_taken",
                extra={"version": changes.head.version.version},
            )
        return changes.is_complete

    async def _apply(self, meta: CacheMeta, changes: RosterChanges) -> None:
        # A batch that ends within a version does not claim that version yet.
        new = (
            meta_of(changes.head, changes.cursor)
            if changes.is_complete
            else _at_cursor(meta, changes.cursor)
        )
        try:
            await in_thread(self._cache.apply, new, changes.persons, changes.cards)
        except CacheCorruptError:
            # Tried again it would fail for ever. Look-ups go on meanwhile: whatever
            # they read of a damaged map is checked, and settling asks PostgreSQL for
            # what the cache is too old for.
            self._is_damaged = True
            raise
        await self._refresh()

    async def _build(self) -> bool:
        """Build a new generation from the whole roster and go over to it.

        If we stop anywhere before it is put in force, the old one stays.
        """
        async with self._feed.snapshot() as snapshot:
            if snapshot.head.version is None:
                return True
            elsewhere = self._build_elsewhere
            if elsewhere is not None and not await snapshot.has_more_than(LARGE):
                elsewhere = None
            if elsewhere is None:
                await build(snapshot, self._cache.folder)
        if elsewhere is not None:
            # Who waits for the first look has no reason to wait for minutes.
            self._has_looked.set()
            await elsewhere(self._cache.folder)
        self._is_damaged = False
        await self._refresh()
        meta = self._cache.meta
        if meta is None:
            raise CacheCorruptError("the cache cannot be read after building it anew")
        _log.info("roster.cache_built", extra={"version": meta.version})
        return False

    async def _refresh(self) -> None:
        # Files are read in a thread; what serves is changed in this one.
        state = await in_thread(self._cache.folder.state)
        opened = await in_thread(self._cache.open_beside, state)
        for left in self._cache.adopt(state, opened):
            await in_thread(left.close)


def _continues(meta: CacheMeta, head: RosterHead) -> bool:
    """Whether the changes after the cache's cursor lead from it to the head.

    Not after another database was put in place, one restored to an older state, or
    a file so large that its changes were not listed.
    """
    return (
        meta.roster_id == head.roster_id.hex()
        and meta.key_check == head.key_check.hex()
        and head.scan_floor <= meta.cursor <= head.last_change
        and head.version is not None
        and meta.version <= head.version.version
    )


def _kind(fault: Exception) -> str:
    """The class alone: a driver's text may quote values."""
    return str(fault) if isinstance(fault, BuildFailedError) else type(fault).__name__


def _pause(fault: Exception) -> float:
    is_of_build = isinstance(fault, BuildFailedError)
    return _BUILD_BACKOFF_SECONDS if is_of_build else _BACKOFF_SECONDS


def _is_newer(head: RosterHead, meta: CacheMeta) -> bool:
    return head.version is not None and head.version != meta.roster_version


def _at_cursor(meta: CacheMeta, cursor: int) -> CacheMeta:
    return CacheMeta(
        roster_id=meta.roster_id,
        version=meta.version,
        as_of=meta.as_of,
        cursor=cursor,
        key_check=meta.key_check,
    )


@asynccontextmanager
async def _writer_lock(folder: CacheFolder) -> AsyncIterator[bool]:
    """Whether this process is the machine's one writer while the block runs."""
    try:
        yield await in_thread(folder.try_lock)
    finally:
        folder.unlock()

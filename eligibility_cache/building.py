"""Build the cache from the whole roster, beside the generation in force."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import ParamSpec, Protocol, TypeVar

from eligibility_cache.environment import CacheFolder, CacheMeta
from eligibility_cache.packing import (
    FIRST_KEY,
    LAST_KEY,
    card_end,
    pack_card,
    pack_person,
    person_end,
)
from settlement.domain.eligibility import RosterPerson
from settlement.domain.roster import RosterHead

P = ParamSpec("P")
T = TypeVar("T")


class BuildFailedError(Exception):
    """The cache could not be built; the text is the kind of the fault alone."""


class Snapshot(Protocol):
    """The whole roster as one moment saw it."""

    head: RosterHead

    async def has_more_than(self, windows: int) -> bool:
        """Whether the roster has more windows than this; cheap for any size."""
        ...

    def persons(self) -> AsyncIterator[list[RosterPerson]]:
        """Everybody with a window, ascending by token."""
        ...

    def cards(self) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        """Every card token with its person's, ascending."""
        ...


async def build(snapshot: Snapshot, folder: CacheFolder) -> CacheMeta:
    """Build a generation from the roster and put it in force. For the writer alone.

    If we stop anywhere before it is put in force, the old one stays, and on a fault
    what was built so far is removed. Raises what the snapshot raises, and
    `lmdb.Error` and `OSError` of the disk.
    """
    meta = meta_of(snapshot.head, snapshot.head.last_change)
    begun = await in_thread(CacheBuild, folder)
    try:
        async for persons in snapshot.persons():
            await in_thread(begun.put_persons, persons)
        async for cards in snapshot.cards():
            await in_thread(begun.put_cards, cards)
        await in_thread(begun.put_in_force, meta)
    finally:
        begun.close()
    return meta


def meta_of(head: RosterHead, cursor: int) -> CacheMeta:
    """What a cache at the head contains; raises `ValueError` without a version."""
    if head.version is None:
        raise ValueError("a roster without a version has no cache")
    return CacheMeta(
        roster_id=head.roster_id.hex(),
        version=head.version.version,
        as_of=head.version.as_of,
        cursor=cursor,
        key_check=head.key_check.hex(),
    )


class CacheBuild:
    """A generation being built beside the one in force. For the writer alone."""

    def __init__(self, folder: CacheFolder) -> None:
        """Begin an empty generation."""
        self._folder = folder
        self._generation = folder.begin()
        self._is_in_force = False
        try:
            self._put_ends(FIRST_KEY)
        except BaseException:
            self.close()
            raise

    def put_persons(self, persons: Sequence[RosterPerson]) -> None:
        """Append persons, ascending by token over all calls."""
        generation = self._generation
        with generation.environment.begin(write=True, db=generation.persons) as writer:
            for person in persons:
                writer.put(person.token, pack_person(person), append=True)

    def put_cards(self, cards: Sequence[tuple[bytes, bytes]]) -> None:
        """Append cards, ascending by token over all calls."""
        generation = self._generation
        with generation.environment.begin(write=True, db=generation.cards) as writer:
            for card, person in cards:
                writer.put(card, pack_card(card, person), append=True)

    def put_in_force(self, meta: CacheMeta) -> None:
        """End the build; every process goes over to it."""
        generation = self._generation
        self._put_ends(LAST_KEY)
        with generation.environment.begin(write=True) as writer:
            generation.write_meta(writer, meta)
        self._folder.put_in_force(generation)
        self._is_in_force = True
        self._folder.clear_suspicion()

    def close(self) -> None:
        """Give the map back; what was not put in force is removed."""
        self._generation.close()
        if not self._is_in_force:
            self._folder.discard(self._generation)

    def _put_ends(self, key: bytes) -> None:
        generation = self._generation
        with generation.environment.begin(write=True) as writer:
            for end, table in (
                (person_end, generation.persons),
                (card_end, generation.cards),
            ):
                writer.put(key, end(key), append=True, db=table)


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Await a thread's work; when cancelled, only after the thread has ended.

    Otherwise a write could go on after the writer's lock was given up.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        # What the thread raised is of no interest to somebody who leaves.
        await asyncio.gather(task, return_exceptions=True)
        raise

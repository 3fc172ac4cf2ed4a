"""Compare the cache with the roster in PostgreSQL, row by row."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from eligibility_cache.building import Snapshot
from eligibility_cache.packing import pack_card, pack_person
from eligibility_cache.store import EligibilityCache
from settlement.domain.eligibility import RosterVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many rows of one kind agree, and in which way others do not."""

    equal: int = 0
    missing: int = 0
    """In the roster, not in the cache."""
    surplus: int = 0
    """In the cache, not in the roster."""
    different: int = 0

    @property
    def agrees(self) -> bool:
        """Whether every row is the same on both sides."""
        return self.missing == self.surplus == self.different == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What `verify` found."""

    cache_version: RosterVersion
    roster_version: RosterVersion | None
    persons: Tally
    cards: Tally

    @property
    def agrees(self) -> bool:
        """Whether the cache says exactly what the roster says."""
        return (
            self.cache_version == self.roster_version
            and self.persons.agrees
            and self.cards.agrees
        )


async def verify(snapshot: Snapshot, cache: EligibilityCache) -> Comparison:
    """Read both sides once, in the order of tokens, in bounded memory.

    The cache must have caught up, or the difference in versions is what is found.
    Raises `CacheCorruptError` where there is no cache, `RosterUnreachableError`
    where the roster cannot be read.
    """
    with cache.contents() as contents:
        persons = await _compare(_packed_persons(snapshot), contents.persons)
        cards = await _compare(_packed_cards(snapshot), contents.cards)
    return Comparison(
        cache_version=contents.meta.roster_version,
        roster_version=snapshot.head.version,
        persons=persons,
        cards=cards,
    )


async def _compare(
    roster: AsyncIterator[tuple[bytes, bytes]], cache: Iterator[tuple[bytes, bytes]]
) -> Tally:
    """Walk two ascending lists side by side."""
    equal = missing = surplus = different = 0
    held = next(cache, None)
    async for token, packed in roster:
        while held is not None and held[0] < token:
            surplus += 1
            held = next(cache, None)
        if held is None or held[0] != token:
            missing += 1
            continue
        if held[1] == packed:
            equal += 1
        else:
            different += 1
        held = next(cache, None)
    surplus += (held is not None) + sum(1 for _ in cache)
    return Tally(equal=equal, missing=missing, surplus=surplus, different=different)


async def _packed_persons(snapshot: Snapshot) -> AsyncIterator[tuple[bytes, bytes]]:
    async for persons in snapshot.persons():
        for person in persons:
            yield person.token, pack_person(person)


async def _packed_cards(snapshot: Snapshot) -> AsyncIterator[tuple[bytes, bytes]]:
    async for cards in snapshot.cards():
        for card, person in cards:
            yield card, pack_card(card, person)

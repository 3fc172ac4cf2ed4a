"""Look-ups in the cache: microseconds, without the database, without waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lmdb

from crypto.tokens import TOKEN_BYTES, Tokenizer
from eligibility_cache.environment import (
    CacheFolder,
    CacheMeta,
    FolderState,
    Generation,
)
from eligibility_cache.packing import (
    FIRST_KEY,
    LAST_KEY,
    CacheCorruptError,
    check_card,
    check_person,
    pack_card,
    pack_person,
    unpack_person,
)
from settlement.domain.bill import Card, CardKind
from settlement.domain.eligibility import RosterPerson, RosterVersion

_ENDS = (FIRST_KEY, LAST_KEY)
#: What keeps a write from being made although the map is sound.
_NO_DAMAGE = (
    lmdb.DiskError,
    lmdb.LockError,
    lmdb.MapFullError,
    lmdb.MapResizedError,
    lmdb.MemoryError,
    lmdb.ReadersFullError,
    lmdb.ReadonlyError,
    lmdb.TlsFullError,
    lmdb.TxnFullError,
)


@dataclass(frozen=True, slots=True)
class CacheAnswer:
    """What one snapshot of the cache says of a card."""

    person: RosterPerson | None
    can_tell: bool
    """False before the first roster, for a broken cache, for another token key."""
    version: RosterVersion | None
    """The version of the same snapshot."""


@dataclass(frozen=True, slots=True)
class CacheContents:
    """Everything in the cache: tokens with their packed bytes, ascending."""

    meta: CacheMeta
    persons: Iterator[tuple[bytes, bytes]]
    cards: Iterator[tuple[bytes, bytes]]


def key_check(tokenizer: Tokenizer) -> bytes:
    """Tells whether a roster was written with this token key; shows nothing of it."""
    return tokenizer.digest("roster-key-check", "1")


class EligibilityCache:
    """The machine's cache as one process sees it; satisfies `EligibilitySource`.

    Holds one LMDB environment; each look-up takes a snapshot and lets it go. Look-ups
    and `refresh` belong to one thread; `apply` may run in another one, but not while
    `refresh` or `close` do.
    """

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        """Open what is there; nothing need be there yet."""
        self.folder = CacheFolder(folder)
        self._tokenizer = tokenizer
        self._key_check = key_check(tokenizer).hex()
        self._generation: Generation | None = None
        self._broken: Generation | None = None
        self._version: RosterVersion | None = None
        self._is_ours = False
        """Whether the tokens were made with this process's key."""
        self._snapshot = -1
        self._meta: CacheMeta | None = None
        self.refresh()

    def person_of_card(self, card: Card) -> tuple[RosterPerson | None, bool]:
        """The person with this card, and whether the cache can tell at all."""
        kind = card.kind
        token = self._tokenizer.card(kind, card.number)
        return self._find(token, is_person=kind is CardKind.RESIDENT_ID)

    def person(self, token: bytes) -> tuple[RosterPerson | None, bool]:
        """The person with this token, and whether the cache can tell at all."""
        return self._find(token, is_person=True)

    @property
    def file(self) -> Path | None:
        """Where the map in force lies; `None` without one."""
        return None if self._generation is None else self._generation.file

    def roster_version(self) -> RosterVersion | None:
        """The version that the last look-up or `refresh` saw.

        It is never newer than what that look-up answered. Ask it in the same step,
        with no `await` between, or take it from `look_up`.
        """
        return self._version

    def look_up(self, card: Card) -> CacheAnswer:
        """Person and roster version from one snapshot."""
        person, can_tell = self.person_of_card(card)
        return CacheAnswer(person, can_tell, self._version if can_tell else None)

    def _find(
        self, token: bytes, *, is_person: bool
    ) -> tuple[RosterPerson | None, bool]:
        generation = self._generation
        if generation is None:
            return None, False
        try:
            with generation.environment.begin() as reader:
                if reader.id() != self._snapshot:
                    self._take_meta(generation, reader)
                if not self._is_ours:
                    return None, False
                return _read(generation, reader, token, is_person=is_person), True
        except lmdb.ReadersFullError:
            return None, False
        except (lmdb.Error, CacheCorruptError):
            self._abandon()
            return None, False

    def refresh(self) -> None:
        """Go over to the generation in force, and see its newest state.

        Reads files; where that must not wait, call the steps one by one.
        """
        state = self.folder.state()
        for left in self.adopt(state, self.open_beside(state)):
            left.close()

    def open_beside(self, state: FolderState) -> Generation | None:
        """Open the generation in force where it is not the one that serves.

        A generation that some process found broken is not opened again. Changes
        nothing here, so another thread may do it.
        """
        serving = None if self._generation is None else self._generation.name
        if state.name is None or state.name == serving or state.is_suspect:
            return None
        try:
            return self.folder.open(state.name)
        except (lmdb.Error, OSError):
            # Not broken when it has just been replaced and removed.
            if self.folder.current() == state.name:
                self.folder.suspect()
            return None

    def adopt(
        self, state: FolderState, opened: Generation | None
    ) -> Sequence[Generation]:
        """Serve from what was opened for this state, and see its newest content.

        Gives back what serves no more, for the caller to close: unmapping a city's
        takes milliseconds, which another thread has.
        """
        left: Sequence[Generation] = ()
        if opened is not None or state.is_suspect or state.name is None:
            left = self._leave()
            self._generation = opened
        self._see_newest()
        return left

    @property
    def meta(self) -> CacheMeta | None:
        """What the snapshot last seen contains; `None` where nothing can be read."""
        return self._meta

    def apply(
        self,
        meta: CacheMeta,
        persons: Mapping[bytes, RosterPerson | None],
        cards: Iterable[tuple[bytes, bytes]],
    ) -> None:
        """Write changes in one transaction: all of it is seen, or nothing.

        For the writer alone. Raises `lmdb.Error` where nothing was written, and
        `CacheCorruptError` where the map itself is the reason: nothing can be written
        to it any more, and a new one has to be built.
        """
        generation = self._generation
        if generation is None:
            raise CacheCorruptError("there is no generation to write to")
        try:
            self._write(generation, meta, persons, cards)
        except _NO_DAMAGE:
            raise
        except lmdb.Error as damage:
            # Also its own record of free pages may be damaged, which no look-up reads.
            if type(damage) is lmdb.Error:
                raise
            raise CacheCorruptError(type(damage).__name__) from damage
        generation.fill_up()

    def _write(
        self,
        generation: Generation,
        meta: CacheMeta,
        persons: Mapping[bytes, RosterPerson | None],
        cards: Iterable[tuple[bytes, bytes]],
    ) -> None:
        with generation.environment.begin(write=True) as transaction:
            for token, person in persons.items():
                if person is None:
                    transaction.delete(token, db=generation.persons)
                else:
                    transaction.put(token, pack_person(person), db=generation.persons)
            for card, owner in cards:
                packed = pack_card(card, owner)
                # A review changes windows, not cards: a page that is not written
                # need not be copied, and of a city's map each card has its own.
                if transaction.get(card, None, generation.cards) != packed:
                    transaction.put(card, packed, db=generation.cards)
            generation.write_meta(transaction, meta)

    @contextmanager
    def contents(self) -> Iterator[CacheContents]:
        """Everything in the cache, from one snapshot, in the order of tokens.

        Raises `CacheCorruptError` where there is nothing to read.
        """
        generation = self._generation
        if generation is None:
            raise CacheCorruptError("there is no cache that can be read")
        with generation.environment.begin() as reader:
            yield CacheContents(
                generation.read_meta(reader),
                _tokens(reader.cursor(generation.persons)),
                _tokens(reader.cursor(generation.cards)),
            )

    def free_dead_readers(self) -> int:
        """Give back the slots of processes that died; how many there were."""
        if self._generation is None:
            return 0
        return self._generation.environment.reader_check()

    def close(self) -> None:
        """Give the map back; look-ups answer "cannot tell" from here on."""
        for left in self._leave():
            left.close()

    def _take_meta(
        self, generation: Generation, reader: lmdb.Transaction[bytes]
    ) -> None:
        self._meta = generation.read_meta(reader)
        self._version = self._meta.roster_version
        self._is_ours = self._meta.key_check == self._key_check
        self._snapshot = reader.id()

    def _see_newest(self) -> None:
        generation = self._generation
        if generation is None:
            return
        try:
            with generation.environment.begin() as reader:
                self._take_meta(generation, reader)
        except lmdb.ReadersFullError:
            return
        except (lmdb.Error, CacheCorruptError):
            self._abandon()

    def _abandon(self) -> None:
        # Not closed here: a write may be under way in another thread.
        self._broken = self._generation or self._broken
        self._generation = self._meta = self._version = None
        self._snapshot = -1
        self.folder.suspect()

    def _leave(self) -> Sequence[Generation]:
        left = [each for each in (self._generation, self._broken) if each is not None]
        self._generation = self._broken = self._meta = self._version = None
        self._snapshot = -1
        return left


def _read(
    generation: Generation,
    reader: lmdb.Transaction[bytes],
    token: bytes,
    *,
    is_person: bool,
) -> RosterPerson | None:
    persons = generation.persons
    owner = None
    person = token
    if not is_person:
        owner = reader.get(token, None, generation.cards)
        if owner is None:
            _require_absent(reader, generation.cards, token, check_card)
            return None
        person = owner[:TOKEN_BYTES]
    packed = reader.get(person, None, persons)
    if packed is not None:
        # No altered byte of a card leads to another person's token by chance.
        return unpack_person(person, packed)
    if owner is not None:
        check_card(token, owner)
    _require_absent(reader, persons, person, check_person)
    return None


def _require_absent(
    reader: lmdb.Transaction[bytes],
    table: lmdb._Database,
    token: bytes,
    check: Callable[[bytes, bytes], None],
) -> None:
    """Raise `CacheCorruptError` unless the token's place is empty for certain.

    It would stand between two entries. Where a damaged page has led the search
    elsewhere, they do not enclose it, or their check sums do not hold.
    """
    cursor = reader.cursor(table)
    is_behind = cursor.set_range(token) and cursor.key() > token
    if is_behind:
        check(*cursor.item())
    if not is_behind or not cursor.prev() or cursor.key() >= token:
        raise CacheCorruptError("the search for somebody unknown went astray")
    check(*cursor.item())


def _tokens(cursor: lmdb.Cursor[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """All entries but the two ends."""
    return (entry for entry in cursor if entry[0] not in _ENDS)

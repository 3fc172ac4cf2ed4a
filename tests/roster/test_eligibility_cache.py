"""The cache answers from what was written, and never from what was damaged."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from crypto.tokens import Tokenizer
from eligibility_cache.building import CacheBuild
from eligibility_cache.environment import CacheMeta
from eligibility_cache.packing import (
    CacheCorruptError,
    pack_card,
    pack_person,
    unpack_card,
    unpack_person,
)
from eligibility_cache.store import EligibilityCache, key_check
from settlement.domain.eligibility import RosterPerson, RosterVersion, Window
from tests.roster.bureau import (
    TOKENIZER,
    card_number,
    identity_card,
    person_token,
    social_card,
)

PERSON = RosterPerson(
    person_token(1),
    TOKENIZER.household("H1"),
    (
        Window("dibao", date(1949, 10, 1), date(2026, 6, 30), "990100002"),
        Window("特困", date(2026, 2, 1), None, ""),
        Window("tekun", date(2026, 7, 1), date(9999, 12, 31), "000000001"),
    ),
)
META = CacheMeta(
    roster_id="00" * 16,
    version=7,
    as_of="2026-07-01T00:00:00.000Z",
    cursor=1,
    key_check=key_check(TOKENIZER).hex(),
)


def build(
    cache: EligibilityCache, *persons: RosterPerson, meta: CacheMeta = META
) -> None:
    """Put a generation with these persons in force."""
    fresh = CacheBuild(cache.folder)
    fresh.put_persons(sorted(persons, key=lambda person: person.token))
    fresh.put_cards([(TOKENIZER.card("social_security_card", card_number(1)),
                      person_token(1))])  # fmt: skip
    fresh.put_in_force(meta)
    fresh.close()
    cache.refresh()


def test_packed_person_comes_back_exactly() -> None:
    """Packing loses nothing, whatever the dates and with or without sub-district."""
    assert unpack_person(PERSON.token, pack_person(PERSON)) == PERSON
    bare = RosterPerson(PERSON.token, b"", ())
    assert unpack_person(bare.token, pack_person(bare)) == bare


def test_every_altered_byte_of_a_person_is_noticed() -> None:
    """No flipped byte, truncation or other person's bytes are taken for a person."""
    packed = pack_person(PERSON)
    for at in range(len(packed)):
        for broken in (
            packed[:at],
            packed[:at] + bytes([packed[at] ^ 1]) + packed[at + 1 :],
        ):
            with pytest.raises(CacheCorruptError):
                unpack_person(PERSON.token, broken)
    with pytest.raises(CacheCorruptError):
        unpack_person(person_token(2), packed)


def test_every_altered_byte_of_a_card_is_noticed() -> None:
    """A damaged card entry never leads to another person."""
    card = TOKENIZER.card("social_security_card", card_number(1))
    packed = pack_card(card, person_token(1))

    assert unpack_card(card, packed) == person_token(1)
    for at in range(len(packed)):
        with pytest.raises(CacheCorruptError):
            unpack_card(card, packed[:at] + bytes([packed[at] ^ 1]) + packed[at + 1 :])


def test_empty_cache_cannot_tell(cache: EligibilityCache) -> None:
    """Before the first roster the answer is not "no" but "cannot tell"."""
    assert cache.person_of_card(social_card(1)) == (None, False)
    assert cache.roster_version() is None


def test_person_is_found_by_both_cards(cache: EligibilityCache) -> None:
    """Social security card and identity card lead to the same person."""
    build(cache, PERSON)

    assert cache.person_of_card(social_card(1)) == (PERSON, True)
    assert cache.person_of_card(identity_card(1)) == (PERSON, True)
    assert cache.person_of_card(social_card(2)) == (None, True)
    assert cache.roster_version() == RosterVersion(7, "2026-07-01T00:00:00.000Z")


def test_card_of_somebody_without_windows_is_nobody(cache: EligibilityCache) -> None:
    """A card whose owner has no window left is like an unknown one."""
    build(cache)

    assert cache.person_of_card(social_card(1)) == (None, True)


def test_answer_and_version_come_from_one_snapshot(cache: EligibilityCache) -> None:
    """The version after a look-up is that of the look-up, though the cache moved."""
    build(cache, PERSON)
    before = cache.look_up(social_card(1))
    newer = replace(META, version=8)
    cache.apply(newer, {person_token(1): None}, [])

    assert before.version == cache.roster_version() == META.roster_version
    after = cache.look_up(social_card(1))
    assert (after.person, after.version) == (None, newer.roster_version)
    assert cache.roster_version() == newer.roster_version


def test_other_token_key_cannot_tell(tmp_path: Path) -> None:
    """With another token key nobody would be found: that is no "no"."""
    cache = EligibilityCache(
        tmp_path / "cache", Tokenizer(b"another key of 32 bytes or more.")
    )
    build(cache, PERSON)

    assert cache.person_of_card(social_card(1)) == (None, False)
    cache.close()


def test_damaged_person_is_not_served_and_reported(cache: EligibilityCache) -> None:
    """Damage turns the answer into "cannot tell" until the cache is built anew."""
    build(cache, PERSON)
    generation = cache._generation
    assert generation is not None
    with generation.environment.begin(write=True) as writer:
        writer.put(PERSON.token, pack_person(PERSON)[:-1] + b"?", db=generation.persons)

    assert cache.person_of_card(social_card(1)) == (None, False)
    assert cache.folder.is_suspect()
    cache.refresh()
    assert cache.person_of_card(social_card(2)) == (None, False)
    build(cache, PERSON)
    assert cache.person_of_card(social_card(1)) == (PERSON, True)


def test_file_of_rubbish_cannot_tell(tmp_path: Path) -> None:
    """A map that LMDB does not accept is reported, not served."""
    first = EligibilityCache(tmp_path / "cache", TOKENIZER)
    build(first, PERSON)
    first.close()
    name = first.folder.current()
    assert name is not None
    (tmp_path / "cache" / name / "data.mdb").write_bytes(b"rubbish" * 4096)

    second = EligibilityCache(tmp_path / "cache", TOKENIZER)

    assert second.person_of_card(social_card(1)) == (None, False)
    assert second.folder.is_suspect()
    second.close()


def test_unfinished_build_changes_nothing(cache: EligibilityCache) -> None:
    """A build that was not put in force leaves the old generation serving."""
    build(cache, PERSON)
    half = CacheBuild(cache.folder)
    half.put_persons([])
    half.close()
    cache.refresh()

    assert cache.person_of_card(social_card(1)) == (PERSON, True)
    build(cache, PERSON)
    folders = [path for path in cache.folder.path.iterdir() if path.is_dir()]
    assert len(folders) == 1


def test_files_are_readable_by_their_owner_alone(cache: EligibilityCache) -> None:
    """Tokens with categories are personal data."""
    build(cache, PERSON)

    files = [cache.folder.path, *cache.folder.path.rglob("data.mdb")]
    assert len(files) == 2
    assert [path.stat().st_mode & 0o077 for path in files] == [0, 0]


def test_cards_that_did_not_change_are_not_written(tmp_path: Path) -> None:
    """A review touches the pages of persons alone; of a city's map each has its own."""
    cache = EligibilityCache(tmp_path, TOKENIZER)
    build(cache, PERSON)
    card = TOKENIZER.card("social_security_card", card_number(1))

    def table(name: bytes) -> bytes:
        generation = cache._generation
        assert generation is not None
        with generation.environment.begin() as reader:
            # Where LMDB keeps a table's root page: another one after any write to it.
            return reader.get(name) or b""

    persons, cards = table(b"persons"), table(b"cards")
    ended = PERSON._replace(windows=PERSON.windows[:1])
    cache.apply(replace(META, cursor=2), {PERSON.token: ended}, [(card, PERSON.token)])
    assert table(b"persons") != persons
    assert table(b"cards") == cards
    cache.apply(replace(META, cursor=3), {}, [(card, person_token(2))])
    assert table(b"cards") != cards
    cache.close()

"""The cache follows the roster: after imports, breaks, restores and damage."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

from eligibility_cache import follower as follower_module
from eligibility_cache.environment import CacheFolder
from eligibility_cache.follower import Follower
from eligibility_cache.packing import CacheCorruptError
from eligibility_cache.store import EligibilityCache
from eligibility_cache.verification import Comparison, verify
from settlement.domain.roster import RosterUnreachableError
from settlement.store import roster_import
from settlement.store.database import Database
from settlement.store.roster_feed import RosterFeed
from tests.roster.bureau import TOKENIZER, Bureau, person_token, row, social_card

_PAGE, _PAGE_HEADER, _PAGE_FLAGS, _META_BYTES = 4096, 16, 10, 136


async def compare(feed: RosterFeed, cache: EligibilityCache) -> Comparison:
    """Compare cache and table row by row."""
    async with feed.snapshot() as snapshot:
        return await verify(snapshot, cache)


@contextlib.asynccontextmanager
async def running(follower: Follower) -> AsyncIterator[None]:
    """Follow while the block runs."""
    task = asyncio.create_task(follower.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; the test's own time limit ends it otherwise."""
    while not holds():  # noqa: ASYNC110 - what is awaited is another process's write
        await asyncio.sleep(0.01)


def version_of(cache: EligibilityCache) -> int | None:
    """Return the version that a look-up rests on."""
    version = cache.look_up(social_card(1)).version
    return None if version is None else version.version


async def test_nothing_to_follow_leaves_the_cache_untold(
    follower: Follower, cache: EligibilityCache
) -> None:
    """Before the first file the cache stays empty and cannot tell."""
    await follower.catch_up()

    assert cache.person_of_card(social_card(1)) == (None, False)


async def test_first_load_and_changes_arrive_whole(
    bureau: Bureau, follower: Follower, feed: RosterFeed, cache: EligibilityCache
) -> None:
    """After each file the cache holds exactly what the tables hold."""
    await bureau.full(*[row(number) for number in range(50) if number != 4],
                      row(4, valid_from="2026-09-01"))  # fmt: skip
    await follower.catch_up()
    first = await compare(feed, cache)
    await bureau.delta(
        row(1, action="remove"),
        row(2, valid_to="2026-12-31"),
        row(60),
        row(3, card_number="NEW00003"),
        row(4, action="remove", valid_from="2026-09-01"),
    )
    await follower.catch_up()
    second = await compare(feed, cache)

    assert first.agrees
    assert second.agrees
    assert (first.persons.equal, first.cards.equal) == (50, 50)
    assert (second.persons.equal, second.cards.equal) == (50, 52)
    assert version_of(cache) == 2
    assert cache.person_of_card(social_card(4)) == (None, True)


async def test_cards_are_told_of_those_alone_who_have_a_new_one(
    bureau: Bureau, feed: RosterFeed
) -> None:
    """A review strikes thousands, and reads none of their cards again."""
    await bureau.full(*[row(number) for number in range(5)])
    async with feed.snapshot() as snapshot:
        before = snapshot.head.last_change
    await bureau.delta(
        row(1, action="remove"),
        row(2, valid_to="2026-12-31"),
        row(3, card_number="NEW00003"),
        row(4, valid_to="2026-12-31", card_number="NEW00004"),
    )

    changes = await feed.changes(before, 100)

    assert changes.persons.keys() == {person_token(number) for number in range(1, 5)}
    told = {card for card, _ in changes.cards}
    assert {TOKENIZER.card("social_security_card", f"NEW0000{n}") for n in (3, 4)} <= (
        told
    )
    assert {owner for _, owner in changes.cards} == {person_token(3), person_token(4)}


async def test_comparison_counts_every_kind_of_difference(
    bureau: Bureau, follower: Follower, feed: RosterFeed, cache: EligibilityCache
) -> None:
    """Missing, surplus and different rows are told apart, and versions too."""
    await bureau.full(*[row(number) for number in range(10)])
    await follower.catch_up()
    meta, someone = cache.meta, cache.look_up(social_card(1)).person
    assert meta is not None
    assert someone is not None
    changed = {person_token(1): None, b"\0" * 16: someone, b"\xff" * 16: someone}
    cache.apply(meta, changed, [(b"\x01" * 16, person_token(1))])
    await bureau.delta(row(2, valid_to="2026-12-31"))
    found = await compare(feed, cache)

    assert not found.agrees
    assert (found.persons.missing, found.persons.surplus) == (1, 2)
    assert (found.persons.different, found.persons.equal) == (1, 8)
    assert (found.cards.surplus, found.cards.equal) == (1, 10)
    assert found.cache_version != found.roster_version


async def test_changes_in_several_batches_claim_the_version_at_the_end(
    bureau: Bureau,
    follower: Follower,
    feed: RosterFeed,
    cache: EligibilityCache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A batch that ends within a version does not say that it holds the version."""
    monkeypatch.setattr(follower_module, "BATCH", 4)
    await bureau.full(*[row(number) for number in range(10)])
    await follower.catch_up()
    await bureau.delta(*[row(number, action="remove") for number in range(10)])

    assert not await follower._advance()
    assert version_of(cache) == 1
    await follower.catch_up()
    assert version_of(cache) == 2
    assert (await compare(feed, cache)).agrees


async def test_file_too_large_for_the_feed_is_built_beside(
    bureau: Bureau,
    follower: Follower,
    feed: RosterFeed,
    cache: EligibilityCache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More changes than the feed lists lead to a new generation."""
    await bureau.full(row(1))
    await follower.catch_up()
    before = cache.folder.current()
    monkeypatch.setattr(roster_import, "CHANGE_FEED_LIMIT", 5)
    await bureau.full(*[row(number) for number in range(10)])
    await follower.catch_up()

    assert cache.folder.current() != before
    assert (await compare(feed, cache)).agrees
    await bureau.delta(row(11))
    generation = cache.folder.current()
    await follower.catch_up()
    assert cache.folder.current() == generation
    assert (await compare(feed, cache)).agrees


async def test_another_database_is_not_continued(
    bureau: Bureau,
    follower: Follower,
    feed: RosterFeed,
    cache: EligibilityCache,
    database: Database,
) -> None:
    """A cache left from another database is built anew, not patched."""
    await bureau.full(row(1), row(2))
    await follower.catch_up()
    async with database.pool.acquire() as connection:
        await connection.execute("UPDATE roster_head SET roster_id = gen_random_uuid()")
        await connection.execute("DELETE FROM roster_window WHERE person = $1",
                                 person_token(2))  # fmt: skip
    await follower.catch_up()

    assert (await compare(feed, cache)).agrees
    assert cache.person_of_card(social_card(2)) == (None, True)


async def test_database_set_back_is_not_continued(
    bureau: Bureau,
    follower: Follower,
    feed: RosterFeed,
    cache: EligibilityCache,
    database: Database,
) -> None:
    """A database restored to an older state takes the cache back with it."""
    await bureau.full(row(1))
    await bureau.delta(row(2))
    await follower.catch_up()
    async with database.pool.acquire() as connection:
        await connection.execute("UPDATE roster_head SET version = 1, last_change = 1")
        await connection.execute("DELETE FROM roster_window WHERE person = $1",
                                 person_token(2))  # fmt: skip
        await connection.execute("DELETE FROM roster_card WHERE person = $1",
                                 person_token(2))  # fmt: skip
    await follower.catch_up()

    assert version_of(cache) == 1
    assert (await compare(feed, cache)).agrees


async def test_damaged_cache_is_built_anew(
    bureau: Bureau, follower: Follower, feed: RosterFeed, cache: EligibilityCache
) -> None:
    """Whoever finds damage reports it, and the writer builds a sound generation."""
    await bureau.full(row(1), row(2))
    await follower.catch_up()
    generation = cache._generation
    assert generation is not None
    with generation.environment.begin(write=True) as writer:
        writer.put(person_token(1), b"damage", db=generation.persons)
    assert cache.person_of_card(social_card(1)) == (None, False)

    await follower.catch_up()

    assert cache.person_of_card(social_card(1))[0] is not None
    assert (await compare(feed, cache)).agrees


async def test_cache_that_can_be_read_but_not_written_is_built_anew(
    bureau: Bureau, follower: Follower, feed: RosterFeed, cache: EligibilityCache
) -> None:
    """Damage where no look-up comes must not end the following for ever."""
    await bureau.full(row(1), row(2))
    await follower.catch_up()
    await bureau.delta(row(3))
    await follower.catch_up()
    serving = cache.folder.current()
    assert serving is not None
    damage_free_pages(cache.folder.path / serving / "data.mdb")
    await bureau.delta(row(4))

    with pytest.raises(CacheCorruptError):
        await follower.catch_up()
    assert cache.person_of_card(social_card(3))[0] is not None
    await follower.catch_up()

    assert cache.folder.current() != serving
    assert cache.person_of_card(social_card(4))[0] is not None
    assert (await compare(feed, cache)).agrees


def damage_free_pages(path: Path) -> None:
    """Spoil LMDB's own list of free pages, which writers alone read.

    Its root stands in the newer of the two meta pages: mdb.c, `MDB_meta`.
    """
    with path.open("r+b") as file:
        metas = []
        for page in (0, 1):
            file.seek(page * _PAGE + _PAGE_HEADER)
            meta = file.read(_META_BYTES)
            root, transaction = (
                int.from_bytes(meta[at : at + 8], "little") for at in (64, 128)
            )
            metas.append((transaction, root))
        file.seek(max(metas)[1] * _PAGE + _PAGE_FLAGS)
        file.write(b"\0\0")


async def test_bell_wakes_the_follower(
    bureau: Bureau,
    follower: Follower,
    cache: EligibilityCache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A change arrives by notification; the poll is only the second line."""
    monkeypatch.setattr(follower_module, "POLL_SECONDS", 3600.0)
    await bureau.full(row(1, valid_from="2026-09-01"))
    async with running(follower):
        await follower.looked_once()
        await until(lambda: version_of(cache) == 1)
        await bureau.delta(row(1, action="remove", valid_from="2026-09-01"))
        await until(lambda: version_of(cache) == 2)

        assert cache.person_of_card(social_card(1)) == (None, True)


async def test_following_does_not_block_the_loop(
    bureau: Bureau, follower: Follower, feed: RosterFeed, cache: EligibilityCache
) -> None:
    """Building and applying leave the loop to those who wait at the desk."""
    await bureau.full(row(1))
    # Connecting looks for a password file, which is the driver's own doing.
    await feed.changes(0, 1)
    with blockbuster_ctx(["eligibility_cache", "settlement"]):
        await follower.catch_up()
    await bureau.delta(row(2))
    with blockbuster_ctx(["eligibility_cache", "settlement"]):
        async with running(follower):
            await until(lambda: version_of(cache) == 2)


async def test_broken_connection_is_caught_up_after(
    bureau: Bureau, follower: Follower, cache: EligibilityCache, database: Database
) -> None:
    """However the connection ends, what was missed arrives by itself."""
    await bureau.full(row(1))
    async with running(follower):
        await until(lambda: version_of(cache) == 1)
        for version in (2, 3):
            expected = version
            async with database.pool.acquire() as connection:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            await bureau.delta(row(version))
            await until(lambda: version_of(cache) == expected)  # noqa: B023 - awaited in this round


async def test_unreachable_database_leaves_answers_as_they_are(
    bureau: Bureau,
    follower: Follower,
    cache: EligibilityCache,
    feed: RosterFeed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the database the cache keeps answering with the version it has."""
    await bureau.full(row(1))
    await follower.catch_up()

    async def away(after: int, limit: int) -> None:
        raise RosterUnreachableError("away")

    monkeypatch.setattr(feed, "changes", away)
    async with running(follower):
        await follower.looked_once()

        assert follower.is_writer
        assert cache.person_of_card(social_card(1))[1]
        assert version_of(cache) == 1


async def test_second_follower_takes_over(
    bureau: Bureau, follower: Follower, cache: EligibilityCache
) -> None:
    """One writes at a time; when it ends, another goes on from the cursor."""
    other = CacheFolder(cache.folder.path)
    await bureau.full(row(1))
    async with running(follower):
        await until(lambda: version_of(cache) == 1)
        assert not other.try_lock()
    assert other.try_lock()
    second = Follower(RosterFeed(bureau.database), cache)
    async with running(second):
        await second.looked_once()
        assert not second.is_writer
    other.unlock()
    await bureau.delta(row(2))
    async with running(second):
        await until(lambda: version_of(cache) == 2)

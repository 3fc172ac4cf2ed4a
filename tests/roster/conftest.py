"""Fixtures of the roster's tests."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from eligibility_cache.follower import Follower
from eligibility_cache.store import EligibilityCache
from settlement.store.database import Database
from settlement.store.roster_feed import RosterFeed
from tests.roster.bureau import TOKENIZER, Bureau


@pytest.fixture
def bureau(tmp_path: Path, database: Database) -> Bureau:
    """Give a bureau whose files are taken into the test's database."""
    return Bureau(tmp_path, database)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[EligibilityCache]:
    """Give an empty cache."""
    cache = EligibilityCache(tmp_path / "cache", TOKENIZER)
    yield cache
    cache.close()


@pytest.fixture
async def feed(database: Database) -> AsyncIterator[RosterFeed]:
    """Give the change feed of the test's database."""
    feed = RosterFeed(database)
    yield feed
    await feed.close()


@pytest.fixture
def follower(feed: RosterFeed, cache: EligibilityCache) -> Follower:
    """Give a follower that works when it is told to catch up."""
    return Follower(feed, cache)

"""Any sequence of files leads the cache to what a plain model of the rules says."""

import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eligibility_cache.follower import Follower
from eligibility_cache.store import EligibilityCache
from eligibility_cache.verification import verify
from settlement.domain.bill import Card, CardKind
from settlement.store.database import Database
from settlement.store.roster_feed import RosterFeed
from tests.roster.bureau import TOKENIZER, Bureau, identity_card, row
from tests.roster.model import Line, ModelRoster

PERSONS = range(4)
CARDS = ["", *[f"CARD{number}" for number in range(5)]]
CATEGORIES = ["dibao", "tekun"]
DAYS = [date(2026, month, 1) for month in (1, 4, 7)]
FIRST_AS_OF = date(2026, 2, 15)

LINES = st.builds(
    Line,
    person=st.sampled_from(PERSONS),
    action=st.sampled_from(["upsert", "upsert", "upsert", "remove"]),
    category=st.sampled_from([*CATEGORIES * 4, None]),
    valid_from=st.sampled_from([*DAYS * 4, None]),
    valid_to=st.sampled_from([None] * 4 + DAYS),
    card=st.sampled_from(CARDS),
    household=st.sampled_from(["", "H1", "H2"]),
    is_broken=st.sampled_from([False] * 19 + [True]),
)
FILES = st.lists(
    st.tuples(
        st.sampled_from(["full", "delta"]), st.lists(LINES, min_size=2, max_size=10)
    ),
    min_size=2,
    max_size=6,
)


def written(line: Line) -> dict[str, str]:
    """Return the line as the file has it."""
    return row(
        line.person,
        action=line.action,
        category=line.category or "",
        valid_from=line.valid_from.isoformat() if line.valid_from else "",
        valid_to=line.valid_to.isoformat() if line.valid_to else "",
        card_number=line.card,
        household_id=line.household,
        subdistrict="broken" if line.is_broken else "990100001",
    )


async def forget(database: Database) -> None:
    """Give the next example an empty roster of its own."""
    async with database.pool.acquire() as connection:
        await connection.execute(
            "TRUNCATE roster_window, roster_card, roster_change, roster_version"
        )
        await connection.execute(
            "UPDATE roster_head SET roster_id = gen_random_uuid(), version = 0,"
            " as_of = NULL, key_check = '', last_change = 0, scan_floor = 0"
        )


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder for the files and caches of all examples."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(files=FILES)
async def test_cache_answers_as_the_model(
    database: Database, folder: Path, files: list[tuple[str, list[Line]]]
) -> None:
    """After every file, each card and person is answered as the rules say."""
    await forget(database)
    with tempfile.TemporaryDirectory(dir=folder) as example:
        bureau, model = Bureau(Path(example), database), ModelRoster()
        cache = EligibilityCache(Path(example) / "cache", TOKENIZER)
        feed = RosterFeed(database)
        follower = Follower(feed, cache)
        try:
            for number, (wanted, lines) in enumerate(files):
                kind = wanted if number else "full"
                day = FIRST_AS_OF + timedelta(days=45 * number)
                await bureau.publish(
                    kind, [written(line) for line in lines], as_of=f"{day}T00:00:00Z"
                )
                model.take(kind, lines, day)
                await follower.catch_up()
                check(cache, model)
                async with feed.snapshot() as snapshot:
                    assert (await verify(snapshot, cache)).agrees
        finally:
            cache.close()
            await feed.close()


def check(cache: EligibilityCache, model: ModelRoster) -> None:
    """Compare every answer that can be asked for."""
    for number in PERSONS:
        answer = cache.person_of_card(identity_card(number))
        assert answer == (model.person(number), True)
    for text in CARDS[1:]:
        card = Card(kind=CardKind.SOCIAL_SECURITY_CARD, number=text)
        owner = model.cards.get(text)
        expected = None if owner is None else model.person(owner)
        assert cache.person_of_card(card) == (expected, True)

"""Who is forgotten is gone from the roster and its caches; the books stay right."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from crypto.tokens import Tokenizer
from eligibility_cache.verification import verify
from gateway.cli import roster_forget
from gateway.cli.main import main
from settlement.domain.bill import Card, CardKind
from settlement.store.database import Database
from settlement.store.roster_feed import RosterFeed
from tests.roster.bureau import card_number, id_number, row
from tests.roster.house_bureau import OwnBureau
from tests.settlement.house import House, assert_books_clean, bill, body, open_house

#: Windows of all but STANDING are over; SETTLED had a visit then.
GONE, SETTLED, STANDING, SUSPECTED, STRANGER = 1, 4, 7, 10, 13
_OVER = {"valid_from": "2026-01-01", "valid_to": "2026-01-31"}


class Desk:
    """A gateway with such a roster, and the command some years later."""

    def __init__(self, house: House, dsn: str, patch: pytest.MonkeyPatch) -> None:
        self.house = house
        self.dsn = dsn
        self._patch = patch

    def token(self, number: int) -> str:
        """A person as the command names them."""
        return self.house.tokenizer.person(id_number(number)).hex()

    async def run(self, at: str, *arguments: str, numbers: str = "") -> Result:
        """Forget at an instant, with a retention of two years."""
        now = datetime.fromisoformat(at)
        self._patch.setattr(roster_forget, "wall_clock", lambda: now)

        async def tokenizer(*_: object) -> Tokenizer:
            return self.house.tokenizer

        self._patch.setattr(roster_forget, "tokenizer_of", tokenizer)
        return await asyncio.to_thread(
            CliRunner().invoke,
            main,
            ["roster", "forget", "--years", "2", "--by", "ou-yang", "--json",
             "--dsn", self.dsn, *arguments],
            input=numbers,
        )  # fmt: skip

    async def rows(self, sql: str) -> list[Any]:
        """Ask the database."""
        async with self.house.database.pool.acquire() as connection:
            return list(await connection.fetch(sql))


@pytest.fixture
async def desk(
    database: Database,
    database_dsn: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Desk]:
    """Give the roster above, with visits settled on 5 January 2026."""
    async with open_house(database, tmp_path / "var") as house:
        bureau = OwnBureau(tmp_path, database)
        bureau.house = house
        await bureau.full(
            *(row(n, **_OVER) for n in (GONE, SETTLED, SUSPECTED, STRANGER)),
            row(STANDING),
            as_of="2026-01-01T00:00:00Z",
        )
        await house.follow(1)
        await house.settle(bill(card_number(SETTLED)))
        yield Desk(house, database_dsn, monkeypatch)


def document(result: Result) -> Any:
    """What the command printed."""
    return json.loads(result.stdout)


async def cache_lets_go(desk: Desk, number: int) -> None:
    """Wait until the running gateway no longer knows the card."""
    card = Card(kind=CardKind.SOCIAL_SECURITY_CARD, number=card_number(number))
    async with asyncio.timeout(60):
        while desk.house.gateway.cache.person_of_card(card) != (None, True):  # noqa: ASYNC110  # the follower's work
            await asyncio.sleep(0.02)


async def test_forgotten_person_is_gone_everywhere(desk: Desk) -> None:
    """From windows, cards, changes and the cache of a running gateway."""
    result = await desk.run("2028-02-01T04:00:00+00:00", desk.token(GONE))

    assert result.exit_code == 0, result.output
    assert document(result)["forgotten"] == [desk.token(GONE)]
    for table in ("roster_window", "roster_card", "roster_change"):
        persons = {r["person"].hex() for r in await desk.rows(f"SELECT * FROM {table}")}  # noqa: S608
        assert desk.token(GONE) not in persons
        assert desk.token(STANDING) in persons
    noted = await desk.rows("SELECT * FROM roster_forgotten")
    who = [(r["forgotten_by"], r["retention_years"]) for r in noted]
    assert who == [("ou-yang", 2)]
    await cache_lets_go(desk, GONE)
    feed = RosterFeed(desk.house.database)
    async with feed.snapshot() as snapshot:
        assert (await verify(snapshot, desk.house.gateway.cache)).agrees
    await feed.close()
    data = b"".join(
        path.read_bytes()
        for path in desk.house.gateway.cache.folder.path.rglob("*")
        if path.is_file()
    )
    assert bytes.fromhex(desk.token(STANDING)) in data
    assert bytes.fromhex(desk.token(GONE)) not in data


async def test_books_stay_right_of_who_was_forgotten(desk: Desk) -> None:
    """The settlement, its record and its postings are the bureau's books."""
    await assert_books_clean(desk.house)
    result = await desk.run(
        "2028-02-01T04:00:00+00:00", "--numbers", "-", numbers=f"{id_number(SETTLED)}\n"
    )

    assert document(result)["forgotten"] == [desk.token(SETTLED)]
    assert len(await desk.rows("SELECT 1 FROM settlement WHERE state = 's'")) == 1
    await assert_books_clean(desk.house)
    await cache_lets_go(desk, SETTLED)
    later = body(await desk.house.settle(bill(card_number(SETTLED))))
    assert later["reason"]["code"] == "MA-2101"
    await assert_books_clean(desk.house)


@pytest.mark.parametrize(
    ("at", "number", "why"),
    [
        # The last day of two years: 2028-01-31 is within them, 2028-02-01 is not.
        ("2028-01-31T04:00:00+00:00", GONE, "window"),
        ("2030-01-01T04:00:00+00:00", STANDING, "window"),
        ("2030-01-01T04:00:00+00:00", SUSPECTED, "case"),
        ("2030-01-01T04:00:00+00:00", 99, "unknown"),
    ],
)
async def test_who_must_be_kept_is_kept_and_named(
    desk: Desk, at: str, number: int, why: str
) -> None:
    """Nobody's row moves, and the others who are named with them go all the same."""
    async with desk.house.database.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO alert_case (id, subject, person, state, score, opened_at)"
            " VALUES ($1, $2, $3, 'assigned', 50, now())",
            b"\x01" * 16, b"\x02" * 16, bytes.fromhex(desk.token(SUSPECTED)),
        )  # fmt: skip
    before = await desk.rows("SELECT * FROM roster_window ORDER BY person")

    result = await desk.run(at, desk.token(number))

    assert result.exit_code == 1
    assert result.stdout.startswith("{")
    assert document(result)["kept"] == {desk.token(number): why}
    assert await desk.rows("SELECT * FROM roster_window ORDER BY person") == before
    both = [desk.token(number), desk.token(STRANGER)]
    among = document(await desk.run("2030-01-01T04:00:00+00:00", *both))
    assert desk.token(STRANGER) in among["forgotten"]


async def test_settlement_within_retention_keeps_its_person(desk: Desk) -> None:
    """Also where the windows ended long before: it is the later of both that counts."""
    await desk.rows(
        "UPDATE settlement SET settled_at = '2027-06-01T00:00:00Z' WHERE state = 's'"
    )
    result = await desk.run("2028-02-01T04:00:00+00:00", desk.token(SETTLED))

    assert document(result)["kept"] == {desk.token(SETTLED): "settlement"}


async def test_dry_run_and_numbers_on_the_command_line(desk: Desk) -> None:
    """The one erases nobody; the other is refused, and not quoted."""
    at = "2028-02-01T04:00:00+00:00"
    assert document(await desk.run(at, "--dry-run", desk.token(GONE)))["forgotten"]
    assert len(await desk.rows("SELECT 1 FROM roster_window")) == 5
    assert await desk.rows("SELECT 1 FROM roster_forgotten") == []

    refused = await desk.run(at, id_number(GONE))
    assert refused.exit_code == 1
    assert "--numbers" in refused.output
    assert id_number(GONE) not in refused.output
    assert "name persons" in (await desk.run(at)).output

"""Staff work a case off while the watch goes on: nothing is lost between the two."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from settlement.domain.errors import RequestRefused
from settlement.service.watch.looking import look as one_look
from settlement.service.watch.shelf import RulesShelf
from settlement.service.watch.watcher import _looking
from settlement.service.watch.work import assign, confirm, dismiss
from settlement.store.database import Database
from tests.settlement.house import House
from tests.watching.watched import (
    LATER,
    Raised,
    alerts,
    events_make_sense,
    look,
    open_watched,
    settle,
    visit,
)

_DAY = date(2026, 3, 2)


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """Give a gateway with rules."""
    async with open_watched(database, tmp_path / "var") as house:
        yield house


async def _cases(database: Database, *states: str) -> list[bytes]:
    rows = await database.pool.fetch(
        "SELECT id FROM alert_case WHERE state = ANY($1::text[]) ORDER BY opened_at",
        list(states),
    )
    return [row["id"] for row in rows]


async def _dismiss(database: Database, case: bytes) -> None:
    async with database.pool.acquire() as session, session.transaction():
        await dismiss(session, case, by="li", at=LATER, note="honest")


async def _assign(database: Database, case: bytes) -> None:
    async with database.pool.acquire() as session, session.transaction():
        await assign(session, case, "wu", by="wu", at=LATER, note="")


@contextmanager
def suppress_closed() -> Iterator[None]:
    """Somebody else was first."""
    try:
        yield
    except RequestRefused as refused:
        assert refused.reason == "MA-4109"  # noqa: PT017  # any other is a fault


async def _repeats(house: House, count: int = 2, days: int = 0) -> list[dict[str, Any]]:
    day = _DAY + timedelta(days=days)
    return [await settle(house, visit("C1", day)) for _ in range(count)]


def _repeat_alerts(found: set[Raised]) -> list[Raised]:
    return [each for each in found if each.detector == "exact-repeat"]


async def test_alert_never_falls_into_a_case_that_is_just_being_closed(
    house: House,
) -> None:
    """Whoever has the case's row first: what comes after the close is a new case."""
    database = house.database
    await _repeats(house)
    await look(database)
    (case,) = await _cases(database, "new")
    await _repeats(house, days=40)
    async with database.pool.acquire() as staff:
        async with staff.transaction():
            await dismiss(staff, case, by="li", at=LATER, note="")
            looking = asyncio.create_task(look(database))
            await asyncio.sleep(0.4)
            assert not looking.done(), "the look must wait for who closes the case"
        await looking
    assert len(await _cases(database, "new")) == 1
    shut = await database.pool.fetchval(
        "SELECT count(*) FROM alert WHERE case_id = $1", case
    )
    assert shut == 1


async def test_who_closes_a_case_waits_for_the_look_that_adds_to_it(
    house: House,
) -> None:
    """And so closes it with everything in it; neither waits for ever."""
    database = house.database
    await _repeats(house)
    await look(database)
    (case,) = await _cases(database, "new")
    await _repeats(house, days=40)
    async with _looking(database) as session:
        looked = await one_look(session, RulesShelf(), LATER)
        assert looked is not None
        assert looked.changes
        closing = asyncio.create_task(_dismiss(database, case))
        await asyncio.sleep(0.3)
        assert not closing.done()
    async with asyncio.timeout(5):
        await closing
    in_it = await database.pool.fetchval(
        "SELECT count(*) FROM alert WHERE case_id = $1", case
    )
    assert in_it == 2
    muted = await database.pool.fetchval("SELECT max(dismissals) FROM alert_mute")
    assert muted == 1


async def test_what_goes_on_after_a_dismissal_is_an_alert_of_its_own(
    house: House,
) -> None:
    """The judged one stays as it was; a third claim is seen by somebody."""
    database = house.database
    await _repeats(house)
    await look(database)
    before = _repeat_alerts(await alerts(database))
    (case,) = await _cases(database, "new")
    await _dismiss(database, case)

    await _repeats(house, 1, days=60)
    await look(database)
    assert _repeat_alerts(await alerts(database)) == before

    await _repeats(house, 1)
    await look(database)
    after = _repeat_alerts(await alerts(database))
    assert len(after) == 2
    assert before[0] in after
    assert sorted(len(each.claims) for each in after) == [2, 3]
    assert len(await _cases(database, "new")) == 1
    await events_make_sense(database)


async def test_confirmed_evidence_stays_when_the_aid_is_given_back(
    house: House,
) -> None:
    """The reversal that recovers it withdraws nothing; the case is recovered."""
    database = house.database
    made = await _repeats(house)
    await look(database)
    (case,) = await _cases(database, "new")
    second = made[1]["settlement_id"]
    async with database.pool.acquire() as session, session.transaction():
        ordered = await confirm(
            session, case, by="li", at=LATER, note="", recover=[bytes.fromhex(second)]
        )
    assert [identity.hex() for identity, _ in ordered] == [second]
    await house.reverse(settlement_id=second, reason="mistake")
    await look(database)
    assert len(_repeat_alerts(await alerts(database))) == 1
    assert await _cases(database, "recovered") == [case]
    await look(database)
    lines = await database.pool.fetch(
        "SELECT action FROM alert_case_event WHERE case_id = $1 ORDER BY no", case
    )
    assert [row["action"] for row in lines] == [
        "opened", "confirmed", "recovery ordered", "recovered",
    ]  # fmt: skip


async def test_reversal_under_way_and_recovery_never_miss_each_other(
    house: House,
) -> None:
    """Reversed first, it is not asked back; reversed after, the watch sees it."""
    database = house.database
    made = await _repeats(house)
    await look(database)
    (case,) = await _cases(database, "new")
    second = bytes.fromhex(made[1]["settlement_id"])
    async with database.pool.acquire() as staff:
        async with staff.transaction():
            await confirm(staff, case, by="li", at=LATER, note="", recover=[second])
            undoing = asyncio.create_task(
                house.reverse(settlement_id=second.hex(), reason="mistake")
            )
            await asyncio.sleep(0.4)
            assert not undoing.done(), "it would be reversed behind the staff's back"
        await undoing
    await look(database)
    assert await _cases(database, "recovered") == [case]


async def test_staff_and_watch_at_once_never_block_each_other_for_ever(  # noqa: C901
    house: House,
) -> None:
    """A load of looks, assignments and dismissals; no deadlock, nothing lost."""
    database = house.database
    cards = [f"D{number}" for number in range(6)]
    for card in cards:
        await house.enrol(card)

    async def claims() -> None:
        for number in range(60):
            day = _DAY + timedelta(days=number % 10)
            await settle(house, visit(cards[number % 6], day))

    async def staff(*, closes: bool) -> None:
        for _ in range(25):
            for case in await _cases(database, "new", "assigned"):
                with suppress_closed():
                    await (_dismiss if closes else _assign)(database, case)
            await asyncio.sleep(0.02)

    async def looks() -> None:
        for _ in range(30):
            await look(database)
            await asyncio.sleep(0.02)

    async with asyncio.timeout(90):
        await asyncio.gather(claims(), staff(closes=False), staff(closes=True), looks())
    await look(database)
    await events_make_sense(database)
    assert not await database.pool.fetchval(
        "SELECT count(*) FROM alert WHERE state = 'raised' AND case_id IS NULL"
    )

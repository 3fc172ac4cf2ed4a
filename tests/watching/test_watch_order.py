"""The same claims in another order, with reversals, late ones: the same alerts."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from settlement.domain.bill import CareType
from settlement.service.watch.looking import look as one_look
from settlement.service.watch.shelf import RulesShelf
from settlement.service.watch.watcher import _looking
from settlement.store.database import Database
from tests.settlement.house import House, open_house
from tests.watching.watched import (
    LATER,
    Raised,
    alerts,
    at,
    costing,
    events_make_sense,
    forget_alerts,
    look,
    named,
    open_watched,
    put,
    rules_document,
    settle,
    visit,
)


@dataclass(frozen=True)
class Event:
    """A claim or, where `undoes` says so, its reversal."""

    name: str
    day: date
    facility: int = 1
    minute: int = 1
    total_fen: int = 9_000
    diagnosis: str = "I10"
    nights: int = 0
    declined: bool = False
    undoes: bool = False

    def sent(self, card: str) -> Any:
        """As a bill; declined ones are stays without a referral."""
        stay = self.nights or self.declined
        return visit(
            card,
            self.day,
            service_end=self.day + timedelta(days=self.nights),
            occurred_at=at(self.day + timedelta(days=self.nights), 10, self.minute),
            care_type=CareType.INPATIENT if stay else CareType.OUTPATIENT,
            referred=not self.declined,
            diagnoses=(self.diagnosis,),
            **costing(self.total_fen),
        )


def _events(rng: random.Random) -> list[Event]:
    """Some weeks of one person, over the end of a month or a year, with misuse."""
    first = rng.choice([date(2025, 12, 20), date(2026, 1, 22), date(2026, 2, 20)])
    events = [
        Event(
            f"c{number}",
            first + timedelta(days=rng.randrange(24)),
            facility=rng.randint(1, 3),
            minute=rng.randrange(60),
            total_fen=rng.choice([9_000, 9_050, 31_000]),
            diagnosis=rng.choice(["I10", "J06", "K29", "M54"]),
            nights=rng.choice([0, 0, 0, 0, 0, 4]),
            declined=rng.random() < 0.1,
        )
        for number in range(18)
    ]
    undone = rng.sample([e for e in events if not e.declined], 4)
    return events + [
        Event(each.name, each.day, each.facility, undoes=True) for each in undone
    ]


async def _play(
    house: House, card: str, events: list[Event], rng: random.Random
) -> dict[bytes, str]:
    """Settle in an order of its own, looking now and then; names by id."""
    order = sorted(events, key=lambda event: (event.undoes, rng.random()))
    for event in [each for each in order if each.undoes]:
        order.remove(event)
        made = next(n for n, each in enumerate(order) if each.name == event.name)
        order.insert(rng.randint(made + 1, len(order)), event)
    ids: dict[str, str] = {}
    for event in order:
        if event.undoes:
            await house.reverse(
                facility=event.facility,
                settlement_id=ids[event.name],
                reason="mistake",
            )
        else:
            answer = await settle(
                house, event.sent(card), event.facility, operator=card
            )
            ids[event.name] = answer["settlement_id"]
        if rng.random() < 0.4:
            await look(house.database)
    await look(house.database)
    return {bytes.fromhex(identity): name for name, identity in ids.items()}


@pytest.mark.parametrize("seed", range(5))
async def test_order_does_not_matter(
    seed: int, database: Database, tmp_path: Path
) -> None:
    """Five orders of one history, looked at piece by piece, and once as a whole."""
    events = _events(random.Random(seed))
    async with open_watched(database, tmp_path / "var") as house:
        ends = []
        names: dict[bytes, str] = {}
        for order in range(5):
            card = f"C{seed}{order}"
            await house.enrol(card)
            mine = await _play(house, card, events, random.Random(f"{seed} {order}"))
            ends.append(named(_of(await alerts(database), mine), mine))
            names |= mine
        assert ends[0], "a history in which nothing is found proves nothing"
        assert all(end == ends[0] for end in ends)
        await events_make_sense(database)
        pieces = await alerts(database)
        await forget_alerts(database)
        await look(database)
        assert await alerts(database) == pieces


def _of(found: set[Raised], names: dict[bytes, str]) -> list[Raised]:
    return [each for each in found if each.claims <= names.keys()]


async def test_long_pattern_is_one_whole_however_it_grew(
    database: Database, tmp_path: Path
) -> None:
    """A visit every day for half a year: longer than any detector's reach."""
    async with open_watched(database, tmp_path / "var") as house:
        for number in range(150):
            day = date(2025, 12, 1) + timedelta(days=number)
            sent = visit("C1", day, diagnoses=(f"J{number:02d}",), **costing(200))
            await settle(house, sent, facility=1 + number % 3)
            if number % 10 == 9:
                await look(database)
        await look(database)
        grown = await alerts(database)
        assert "too-frequent" in {each.detector for each in grown}
        await forget_alerts(database)
        await look(database)
        assert await alerts(database) == grown


async def test_two_desks_that_did_not_see_each_other_are_seen(
    database: Database, tmp_path: Path
) -> None:
    """Two workers at once, running totals apart (a clinic, a stay): the watch must."""
    async with (
        open_watched(database, tmp_path / "one") as one,
        open_watched_too(database, tmp_path / "two", one) as two,
    ):
        day = date(2026, 3, 2)
        for number in range(6):
            card = f"CC{number}"
            await one.enrol(card)
            await two.follow(number + 2)
            stay = visit(
                card, day, service_end=day + timedelta(days=5),
                care_type=CareType.INPATIENT,
            )  # fmt: skip
            inside = visit(card, day + timedelta(days=2))
            await asyncio.gather(
                settle(one, stay, 1), settle(two, inside, 2), look(database)
            )
        await look(database)
        found = [e for e in await alerts(database) if e.detector == "during-stay"]
        assert len(found) == 6


def open_watched_too(database: Database, folder: Path, other: House) -> Any:
    """A second worker with the keys of the first."""
    return open_house(database, folder, (other.keys, other.opening))


async def test_claim_and_its_reversal_within_one_look(
    database: Database, tmp_path: Path
) -> None:
    """Nothing is raised over what is gone when somebody looks."""
    async with open_watched(database, tmp_path / "var") as house:
        day = date(2026, 3, 2)
        await settle(house, visit("C1", day))
        again = await settle(house, visit("C1", day))
        await house.reverse(settlement_id=again["settlement_id"], reason="mistake")
        await look(database)
        assert await database.pool.fetchval("SELECT count(*) FROM alert") == 0


async def test_reversal_withdraws_and_another_claim_raises_again(
    database: Database, tmp_path: Path
) -> None:
    """One alert, whatever becomes of it."""
    async with open_watched(database, tmp_path / "var") as house:
        day = date(2026, 3, 2)
        await settle(house, visit("C1", day))
        again = await settle(house, visit("C1", day))
        await look(database)
        await house.reverse(settlement_id=again["settlement_id"], reason="mistake")
        await look(database)
        assert await alerts(database) == set()
        await settle(house, visit("C1", day))
        await look(database)
        assert len(await alerts(database)) == 1
        told = await database.pool.fetch("SELECT what FROM alert_event ORDER BY seq")
        assert [row["what"] for row in told] == ["raised", "withdrawn", "raised"]
        await events_make_sense(database)


async def test_late_original_and_tombstone_raise_nothing(
    database: Database, tmp_path: Path
) -> None:
    """A reversal that overtook its claim, and the claim that came after."""
    async with open_watched(database, tmp_path / "var") as house:
        day = date(2026, 3, 2)
        await settle(house, visit("C1", day))
        await house.reverse(original_key="late", reason="timeout")
        late = await settle(house, visit("C1", day), key="late")
        assert late["reason"]["code"] == "MA-2205"
        await look(database)
        assert await alerts(database) == set()
        cursor = await database.pool.fetchval("SELECT log_index FROM watch_cursor")
        assert cursor == 2


async def test_decline_that_counts_is_looked_at_when_it_comes_last(
    database: Database, tmp_path: Path
) -> None:
    """It has no leaf in the log; the watch hears of it all the same."""
    async with open_watched(database, tmp_path / "var") as house:
        answer: dict[str, Any] = {}
        for number in range(4):
            day = date(2026, 3, 2) + timedelta(days=3 * number)
            sent = visit("C1", day, care_type=CareType.INPATIENT, referred=number < 3)
            answer = await settle(house, sent)
            await look(database)
        assert answer["reason"]["code"] == "MA-2206"
        found = await alerts(database)
        assert "too-frequent" in {each.detector for each in found}


async def test_rules_changed_midway_bind_what_comes_after(
    database: Database, tmp_path: Path
) -> None:
    """What was raised under former rules stands until its claims change."""
    async with open_watched(database, tmp_path / "var") as house:
        await house.enrol("C2")
        day = date(2026, 3, 2)
        for _ in range(2):
            await settle(house, visit("C1", day), settled_at=LATER)
        await look(database)
        changed_at: datetime = LATER + timedelta(hours=1)
        await put(database, rules_document("2026.2", exact_repeat="off"), changed_at)
        later = changed_at + timedelta(hours=1)
        for _ in range(2):
            await settle(house, visit("C2", day), settled_at=later)
        await look(database)
        found = [e for e in await alerts(database) if e.detector == "exact-repeat"]
        assert len(found) == 1


async def test_without_rules_nothing_is_raised_and_the_cursor_moves(
    database: Database, tmp_path: Path
) -> None:
    """Rules may come later: they bind from then on."""
    async with open_watched(database, tmp_path / "var") as house:
        await database.pool.execute("UPDATE alert_rules SET active = false")
        day = date(2026, 3, 2)
        for _ in range(2):
            await settle(house, visit("C1", day))
        async with _looking(database) as session:
            looked = await one_look(session, RulesShelf(), LATER)
        assert looked is not None
        assert (looked.claims, looked.changes) == (2, 0)
        await database.pool.execute("UPDATE alert_rules SET active = true")
        assert await look(database) == 0
        await settle(house, visit("C1", day))
        await look(database)
        found = [e for e in await alerts(database) if e.detector == "exact-repeat"]
        assert len(found) == 1

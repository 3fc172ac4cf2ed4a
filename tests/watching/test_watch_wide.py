"""A pattern longer than what is read around a new claim is still one alert."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from settlement.store.database import Database
from tests.watching.watched import (
    alerts,
    at,
    forget_alerts,
    look,
    open_watched,
    settle,
    visit,
)

_DAY = date(2026, 1, 5)
_CARDS = 12


async def _bursts(database: Database) -> set[tuple[frozenset[bytes], str]]:
    return {
        (each.claims, each.facts)
        for each in await alerts(database)
        if each.detector == "operator-burst"
    }


async def test_a_burst_of_an_hour_is_one_alert_however_often_it_is_looked_at(
    database: Database, tmp_path: Path
) -> None:
    """An operator's card each minute and a half: hours are read where it goes on."""
    async with open_watched(database, tmp_path) as house:
        cards = [f"C{number}" for number in range(1, _CARDS + 1)]
        for card in cards[1:]:
            await house.enrol(card)
        for nth in range(4 * _CARDS):
            hours, minutes = divmod(1 + nth * 3 // 2, 60)
            made = at(_DAY, 9 + hours, minutes)
            sent = visit(
                cards[nth % _CARDS], _DAY, occurred_at=made, visit_no=f"V{nth}"
            )
            await settle(house, sent, operator="busy")
            await look(house.database)
        one_by_one = await _bursts(database)
        await forget_alerts(database)
        await look(house.database)
        at_once = await _bursts(database)
    assert one_by_one == at_once
    [(claims, _)] = at_once
    assert len(claims) == 4 * _CARDS

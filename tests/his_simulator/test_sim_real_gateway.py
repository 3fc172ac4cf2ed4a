"""The real gateway, in process, at the end of a bad line: its books stay clean."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from eligibility_cache.store import key_check
from gateway.his.transactions import TRANSACTIONS
from gateway.his_simulator.books import Outcome
from gateway.his_simulator.clients import Client
from gateway.his_simulator.faults import Fault, weather
from gateway.his_simulator.people import make_people
from gateway.his_simulator.run import Order, play
from settlement.store.database import Database
from tests.his.desk import HOSPITALS, HisRoom, open_room
from tests.settlement.house import NOW, House, assert_books_clean, open_house

SEED = 7
PEOPLE = make_people(SEED, 80)
CLIENTS = [Client(code, f"示范医院{code}", "none", "none") for code in HOSPITALS]
_nonces = itertools.count(1)


@pytest.fixture
async def town(database: Database, tmp_path: Path) -> AsyncIterator[HisRoom]:
    """Two hospitals, and everybody on the roster who should be."""
    async with (
        open_house(database, tmp_path / "var") as house,
        open_room(house) as room,
    ):
        await _enrol(house)
        yield room


async def _enrol(house: House) -> None:
    """By card and by identity number, in one version."""
    listed = [person for person in PEOPLE if person.category]
    tokens = [house.tokenizer.person(person.id_number) for person in listed]
    async with house.database.pool.acquire() as connection, connection.transaction():
        version = await connection.fetchval(
            "UPDATE roster_head SET version = version + 1, as_of = $1,"
            " last_change = last_change + $3, key_check = $2 RETURNING version",
            NOW - timedelta(days=1), key_check(house.tokenizer), len(listed),
        )  # fmt: skip
        windows = [
            (token, person.category, date(2020, 1, 1), None, "990101001", b"", version)
            for token, person in zip(tokens, listed, strict=True)
        ]
        await connection.executemany(
            "INSERT INTO roster_window VALUES ($1, $2, $3, $4, $5, $6, $7)", windows
        )
        cards = [
            (house.tokenizer.card(kind, number), token)
            for token, person in zip(tokens, listed, strict=True)
            for kind, number in (
                ("social_security_card", person.card), ("resident_id", person.id_number)
            )
        ]  # fmt: skip
        await connection.executemany("INSERT INTO roster_card VALUES ($1, $2)", cards)
        await connection.executemany(
            "INSERT INTO roster_change"
            " SELECT last_change - $3, $1, $2 FROM roster_head",
            [(token, version, place) for place, token in enumerate(tokens)],
        )
        await connection.execute("NOTIFY roster_change")
    await house.follow(version)


def _is_of_a_missing_transaction(what: str) -> bool:
    """What is refused because the gateway has no such transaction (yet)."""
    missing = {"9001", "3201", "9101", "3202", "9102"} - TRANSACTIONS.keys()
    is_unasked = "3201" in missing and "is not flat" in what
    return what[:4] in missing or is_unasked


async def test_every_fault_leaves_the_books_clean(town: HisRoom) -> None:
    """Both sides agree on every settlement; caps, once and log hold."""
    result = await play(
        Order(
            gateway_url=town.url, clients=CLIENTS, people=PEOPLE, visits=60,
            weather=weather(SEED, Fault), on=NOW.date(), clock=NOW.timestamp,
            nonce=lambda: f"{next(_nonces)}",
            headers={"Medaid-Sandbox-Time": "2026-01-05T04:00:00Z"},
        ),
        lambda *_: None,
    )  # fmt: skip
    findings = [
        each for each in result.findings if not _is_of_a_missing_transaction(each.what)
    ]
    assert findings == []
    assert result.aid_fen == result.gateway_aid_fen > 0
    assert result.outcomes[Outcome.OPEN] == 0
    assert result.late > 0
    assert set(result.by_fault) == {fault.value for fault in Fault} | {"none"}
    await assert_books_clean(town.house)

"""The room's roster for a simulated day, and lines that change what is answered."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any

import aiohttp
from aiohttp import web

from eligibility_cache.store import key_check
from gateway.his_simulator.clients import Client
from gateway.his_simulator.faults import Fault, Weather, weather
from gateway.his_simulator.people import Person, make_people
from gateway.his_simulator.result import DayResult
from gateway.his_simulator.run import Order, listening, play
from tests.his.desk import HOSPITALS, HisRoom
from tests.settlement.house import NOW, House

SEED = 7
PEOPLE = make_people(SEED, 40)
CLIENTS = [Client(code, f"示范医院{code}", "none", "none") for code in HOSPITALS]
DAY = {"Medaid-Sandbox-Time": "2026-01-05T04:00:00Z"}
_nonces = itertools.count(1)


def order(
    url: str, sky: Weather | None = None, visits: int = 10, patience_s: float = 3.0
) -> Order:
    """A day in the room; fair weather unless it is said otherwise."""
    return Order(
        gateway_url=url,
        clients=CLIENTS,
        people=PEOPLE,
        visits=visits,
        weather=sky or weather(SEED, []),
        on=NOW.date(),
        clock=NOW.timestamp,
        nonce=lambda: f"{next(_nonces)}",
        patience_s=patience_s,
        headers=DAY,
    )


async def played(
    url: str, *faults: Fault, visits: int = 10, patience_s: float = 3.0
) -> DayResult:
    """Play a day."""
    sky = weather(SEED, faults)
    return await play(order(url, sky, visits, patience_s), lambda *_: None)


async def enrol(house: House, people: Sequence[Person] = PEOPLE) -> None:
    """Put everybody who has a category on the roster, by card and by number."""
    listed = [person for person in people if person.category]
    tokens = [house.tokenizer.person(person.id_number) for person in listed]
    async with house.database.pool.acquire() as connection, connection.transaction():
        version = await connection.fetchval(
            "UPDATE roster_head SET version = version + 1, as_of = $1,"
            " last_change = last_change + $3, key_check = $2 RETURNING version",
            NOW - timedelta(days=1), key_check(house.tokenizer), len(listed),
        )  # fmt: skip
        await connection.executemany(
            "INSERT INTO roster_window VALUES ($1, $2, $3, $4, $5, $6, $7)",
            [
                (token, person.category, date(2020, 1, 1), None, "990101001", b"",
                 version)
                for token, person in zip(tokens, listed, strict=True)
            ],
        )  # fmt: skip
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


Change = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
"""Of a message and its answer: the answer that is given instead."""


@asynccontextmanager
async def changing(
    room: HisRoom, change: Change, *, swallows: str = ""
) -> AsyncIterator[str]:
    """A gateway whose answers are changed; messages it swallows never reach it."""
    async with aiohttp.ClientSession() as http:

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            raw = await request.read()
            message = json.loads(raw)
            if message["infno"] == swallows:
                return web.json_response(change(message, {"infcode": 0, "output": {}}))
            headers = {"Content-Type": "application/json", **DAY}
            url = room.url + request.path
            async with http.post(url, data=raw, headers=headers) as answer:
                return web.json_response(change(message, await answer.json()))

        async with listening(web.Server(handle, access_log=None)) as url:
            yield url

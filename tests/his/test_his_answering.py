"""An answer comes whatever happens to it: where it cannot be written, it says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from gateway.his.admission import Opened
from gateway.his.answers import Manner, Reply
from gateway.his.asked import Asked
from gateway.his.transactions import TRANSACTIONS
from tests.his.desk import HisRoom, charge, dumped, envelope

CARD = "C00000001"
_INTERNAL = (200, -1, "MA-5107")


async def _count(room: HisRoom, table: str) -> int:
    async with room.house.database.pool.acquire() as connection:
        found: int = await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608  # a name of this file
    return found


async def test_answer_that_cannot_be_wrapped_is_unknown(
    room: HisRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain MA-5107, -1; the settlement stands, and the same msgid brings it."""

    def broken(_answer: bytes) -> bytes:
        raise ValueError(CARD)

    async def wrapped(
        _request: web.BaseRequest, body: Mapping[str, Any], _encoding: str
    ) -> Opened:
        return Opened(body, broken)

    await room.house.enrol(CARD)
    body = envelope("2207", charge(CARD))
    with monkeypatch.context() as breaking:
        breaking.setattr(room.door, "open", wrapped)
        told = await room.send(body)
    assert (told.status, told.infcode, told.code) == _INTERNAL
    assert told.body["output"] == {}
    assert CARD not in told.message
    again = await room.send(body)
    assert again.infcode == 0
    assert await _count(room, "settlement") == 1
    counted = room.edge.metrics.exposition().decode()
    assert 'medaid_his_transactions_total{infcode="-1",infno="2207"} 1.0' in counted
    assert 'medaid_http_refusals_total{call="his",code="MA-5107"} 1.0' in counted


async def test_answer_that_cannot_be_written_is_unknown(
    room: HisRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the hospital's own manner, which is not what failed."""

    async def no_text(_asked: Asked) -> Reply:
        return Reply(output=b"\xff")

    quote = replace(TRANSACTIONS["2206"], answer=no_text)
    monkeypatch.setitem(TRANSACTIONS, "2206", quote)
    room.door.manner = Manner(output_as_text=True, infcode_as_text=True)
    told = await room.ask("2206", charge(CARD))
    assert (told.status, told.infcode, told.code) == _INTERNAL
    assert (told.body["infcode"], told.body["output"]) == ("-1", "{}")


@pytest.mark.parametrize(
    "value",
    [
        r'"\ud800"',
        r'{"\uDFFF":1}',
        "[" * 300 + "]" * 300,
        '{"a":' * 99 + "1" + "}" * 99,
    ],
    ids=["half a character", "half a name", "deep list", "deep object"],
)
async def test_what_could_not_be_given_back_settles_nothing(
    room: HisRoom, value: str
) -> None:
    """The platform's nodes come back verbatim, so they are refused before the money."""
    await room.house.enrol(CARD)
    body = dumped(envelope("2207", charge(CARD)))
    assert body.count('"张三"') == 1
    told = await room.send(body.replace('"张三"', value))
    assert (told.status, told.infcode, told.code) == (200, -2, "MA-1101")
    assert await _count(room, "settle_key") == 0


async def test_whole_pair_and_many_rows_are_given_back(room: HisRoom) -> None:
    """A rare character in escapes is one, and breadth is no depth."""
    await room.house.enrol(CARD)
    rows = [{"fund_pay_type": "390100", "fund_payamt": "0.00"} for _ in range(60)]
    body = dumped(envelope("2207", charge(CARD, setldetail=rows)))
    told = await room.send(body.replace('"张三"', r'"\ud842\udfb7"'))
    assert told.setlinfo["psn_name"] == "𠮷"

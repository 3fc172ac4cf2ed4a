"""Ten thousand alerts within a minute: complete, in order, and the desk goes on."""

from __future__ import annotations

import asyncio
import time

from settlement.store.database import Database
from tests.acceptance.desk import bill, new_name
from tests.alerts_http.conftest import Callers, Watched
from tests.alerts_http.receivers import Receiver, receiving
from tests.alerts_http.streams import listening, put_alerts

_ALERTS, _AT_ONCE = 10_000, 200
_WITHIN_S = 60.0


async def test_a_flood_reaches_reader_and_webhook(
    callers: Callers, watched: Watched, books: Database
) -> None:
    """Every settlement is answered meanwhile, and no event is lost or out of order."""
    desk, person = callers["H001"], watched.sandbox.tekun()
    claim = (await desk.settle(new_name(), bill(person))).json()["settlement_id"]
    async with receiving() as receiver:
        await asyncio.to_thread(
            watched.sandbox.command, "alerts", "webhook", "add", "B001", receiver.url
        )
        async with listening(callers["B001"]) as stream:
            began = time.monotonic()
            flooding = asyncio.create_task(_flood(books, claim, began))
            reading = asyncio.create_task(stream.take(_ALERTS))
            slowest = 0.0
            while not flooding.done():
                sent = time.monotonic()
                answer = await desk.settle(new_name(), bill(watched.sandbox.dibao()))
                slowest = max(slowest, time.monotonic() - sent)
                assert answer.status == 201, answer.body
                await asyncio.sleep(0.3)
            seqs = await flooding
            got = {event.id for event in await reading}
            read_s = time.monotonic() - began
            if seqs[-1] not in got:
                await stream.take_these(seqs[-1:])
        assert stream.seen == sorted(set(stream.seen))
        assert set(seqs) <= set(stream.seen)
        await _until_told(receiver, f"evt_{seqs[-1]}")
        told_s = time.monotonic() - began

    wanted = [f"evt_{seq}" for seq in seqs]
    assert [each for each in receiver.ids if each in set(wanted)] == wanted
    assert receiver.most_at_once == 1
    assert read_s < 2 * _WITHIN_S
    assert slowest < 10
    print(f"read {read_s:.1f} s, told {told_s:.1f} s, slowest {slowest:.3f} s")  # noqa: T201


async def _flood(books: Database, claim: str, began: float) -> list[int]:
    """Spread over most of a minute, as fast as looks commit."""
    seqs: list[int] = []
    for number in range(_ALERTS // _AT_ONCE):
        seqs += await put_alerts(books, claim, _AT_ONCE)
        due = began + (number + 1) * 0.5 * _WITHIN_S * _AT_ONCE / _ALERTS
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    assert time.monotonic() - began < _WITHIN_S
    return seqs


async def _until_told(receiver: Receiver, message_id: str) -> None:
    async with asyncio.timeout(5 * _WITHIN_S):
        while message_id not in receiver.ids:  # noqa: ASYNC110  # another process sends
            await asyncio.sleep(0.2)

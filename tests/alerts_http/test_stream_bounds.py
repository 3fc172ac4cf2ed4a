"""What streams may cost: slow readers, many readers, silence, a database that goes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from gateway import alert_streams
from gateway.limits import Allowance, Allowances, CallClass, Limits, Rate
from settlement.service.watch import delivery
from settlement.service.watch.delivery import Shelf
from settlement.store.database import Database
from tests.acceptance.desk import Desk
from tests.alerts_http.rooms import CLAIM, Room, open_room
from tests.alerts_http.streams import STREAM, listening, put_alerts


@pytest.fixture
async def room(database: Database) -> AsyncIterator[Room]:
    """An edge with alerts."""
    async with open_room(database) as room:
        yield room


async def unread(desk: Desk) -> socket.socket:
    """A stream that nobody reads, with hardly any room on its way."""
    host, _, port = desk.url.removeprefix("http://").partition(":")
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    link.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(link, (host, int(port)))
    head = f"GET {STREAM} HTTP/1.1\r\nHost: {host}:{port}\r\n"
    head += f"Authorization: Bearer {await desk.token()}\r\n\r\n"
    await loop.sock_sendall(link, head.encode())
    return link


async def until(room: Room, count: int) -> None:
    """Wait until so many streams are open."""
    async with asyncio.timeout(30):
        while len(room.edge.edge.streams) != count:  # noqa: ASYNC110  # the server's own count
            await asyncio.sleep(0.02)


async def test_a_reader_who_does_not_read_is_ended(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are given everything meanwhile, and nothing piles up for the one."""
    monkeypatch.setattr(alert_streams, "SLOW_S", 0.5)
    link = await unread(room.desks["O001"])
    try:
        await until(room, 1)
        async with listening(room.desks["B001"]) as stream:
            seqs = []
            for _ in range(60):
                seqs += await put_alerts(room.database, CLAIM, 100)
            got = await stream.take(len(seqs))
            await until(room, 1)
    finally:
        link.close()

    assert [event.id for event in got] == seqs
    assert room.edge.edge.streams.too_slow == 1


async def test_a_reader_who_falls_behind_what_is_kept_is_told(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A comment says so, and by its number it goes on without a gap."""
    hub = room.use_cases.alerts.hub
    hub.shelf = Shelf(most=50)
    desk, got = room.desks["B001"], []
    async with listening(desk) as stream:
        # Nothing is taken while the shelf is filled and emptied.
        with monkeypatch.context() as patched:
            patched.setattr(delivery.Reader, "take", _nothing)
            seqs = await put_alerts(room.database, CLAIM, 1)
            await asyncio.sleep(0.5)
            seqs += await put_alerts(room.database, CLAIM, 300)
            await asyncio.sleep(1)
        await put_alerts(room.database, CLAIM, 1)
        await stream.ended()
        got += stream.seen
    assert "too slow; resume by the last id" in stream.comments
    async with listening(desk, Last_Event_ID=str(stream.last_id)) as again:
        got += [event.id for event in await again.take(len(seqs) - len(got))]

    assert got == seqs


async def test_more_than_a_page_behind_is_given_page_by_page(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what is kept for it, a reader that was busy for a while misses nothing."""
    async with listening(room.desks["B001"]) as stream:
        with monkeypatch.context() as patched:
            patched.setattr(delivery.Reader, "take", _nothing)
            seqs = await put_alerts(room.database, CLAIM, 1)
            await asyncio.sleep(0.5)
            for _ in range(5):
                seqs += await put_alerts(room.database, CLAIM, delivery.PAGE // 2)
            await asyncio.sleep(1)
        seqs += await put_alerts(room.database, CLAIM, 1)
        got = [event.id for event in await stream.take(len(seqs))]

    assert len(seqs) > 2 * delivery.PAGE
    assert got == seqs


async def _nothing(_reader: delivery.Reader) -> list[bytes]:
    return []


async def test_silence_is_broken(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment now and then, so that nobody on the way gives the connection up."""
    monkeypatch.setattr(alert_streams, "COMMENT_EVERY_S", 0.3)
    async with listening(room.desks["B001"]) as stream, asyncio.timeout(20):
        for _ in range(3):
            assert await stream.response.content.readline() == b":\n"
            assert await stream.response.content.readline() == b"\n"


async def test_who_hangs_up_is_forgotten(room: Room) -> None:
    """Its place is free again within a moment, and nothing is read for nobody."""
    async with listening(room.desks["B001"]) as stream:
        await until(room, 1)
        stream.response.close()
        await until(room, 0)
    hub = room.use_cases.alerts.hub
    async with asyncio.timeout(20):
        while hub._has_begun.is_set():  # noqa: ASYNC110  # the server's own state
            await asyncio.sleep(0.05)

    assert len(hub) == 0
    assert room.edge.edge.limits.under_way()[CallClass.STREAM] == 0


async def test_streams_of_one_party_and_of_all_are_bounded(room: Room) -> None:
    """429 for one more, and a place that is given back is taken."""
    edge = room.edge.edge
    one_each = Allowance(Rate(0, 1), 1)
    edge.limits = Limits(
        Allowances(usual={CallClass.STREAM: one_each}), clock=lambda: 0
    )
    edge.streams = alert_streams.Streams(most=2)
    async with listening(room.desks["B001"]):
        own = await room.desks["B001"].get(STREAM)
        async with listening(room.desks["O001"]):
            other = await room.desks["A001"].get(STREAM)
        await until(room, 1)
        async with listening(room.desks["A001"]):
            pass

    assert (own.status, own.code) == (429, "MA-3106")
    assert (other.status, other.code) == (429, "MA-3106")
    assert own.headers["Retry-After"] == other.headers["Retry-After"] == "1"


async def test_streams_outlive_a_database_that_goes(room: Room) -> None:
    """Its connection is cut: the stream stays, and misses nothing."""
    async with listening(room.desks["B001"]) as stream:
        await room.database.pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN %medaid_alert%' OR query LIKE '%alert_event%'"
            " AND pid <> pg_backend_pid()"
        )
        seqs = await put_alerts(room.database, CLAIM, 3)
        got = await stream.take(3)

    assert [event.id for event in got] == seqs


async def test_one_connection_reads_for_all(room: Room) -> None:
    """However many streams there are."""
    count = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend'"
    )
    async with listening(room.desks["B001"]):
        one: int = await room.database.pool.fetchval(count)
        async with listening(room.desks["B001"]), listening(room.desks["O001"]):
            await put_alerts(room.database, CLAIM, 3)
            await asyncio.sleep(0.5)
            assert await room.database.pool.fetchval(count) <= one + 1


def test_shelf_keeps_the_newest_within_its_bounds() -> None:
    """By number and by size; what is behind `floor` is all there."""
    shelf = Shelf(most=8, most_bytes=100)
    shelf.begin(10)
    shelf.put([(seq, b"x" * 10) for seq in range(12, 30, 2)])

    assert shelf.head == 28
    assert len(shelf.after(shelf.floor, 100)) <= 8
    assert shelf.after(shelf.floor, 100)[-1][0] == 28
    assert [seq for seq, _ in shelf.after(24, 1)] == [26]
    assert shelf.after(28, 5) == []
    shelf.put([(30, b"y" * 200)])
    assert (shelf.floor, shelf.after(30, 5)) == (30, [])

"""Webhooks against receivers of every kind: at least once, in order, one at a time."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from aiohttp import web

from gateway.alert_events import webhook_body
from gateway.tls import server_context
from gateway.webhook_sender import webhook_sender
from gateway.wire_alert_answers import RaisedAlertOut
from settlement.service.watch import delivery_webhooks
from settlement.service.watch.delivery_webhooks import (
    LONGEST_ASKED_S,
    LONGEST_PAUSE_S,
    Webhooks,
    pause_s,
)
from settlement.service.watch.hooks import (
    NewHook,
    Webhook,
    WebhookFault,
    add_hook,
    hooks,
    remove_hook,
    switch_hook,
    url_fault,
)
from settlement.service.watch.webhook_signing import secret_of, secret_text
from settlement.store.alert_delivery import note_taken
from settlement.store.database import Database
from tests.alerts_http.receivers import answers, receiving
from tests.alerts_http.rooms import CLAIM, furnish
from tests.alerts_http.streams import put_alerts
from tests.gateway.desk import SECRET_KEY, Clock, register
from tests.security.certificates import Authority


@dataclass
class Post:
    """A bureau with hooks, and whoever delivers to them."""

    database: Database
    clock: Clock

    async def hook(self, url: str) -> NewHook:
        """Add one."""
        return await add_hook(
            self.database,
            party="B001",
            url=url,
            sandbox=True,
            sealing_key=SECRET_KEY,
            random=os.urandom,
            now=self.clock(),
        )

    async def put(self, count: int) -> list[str]:
        """So many events; their messages' ids."""
        return [f"evt_{seq}" for seq in await put_alerts(self.database, CLAIM, count)]

    async def state(self, number: int) -> Webhook:
        """How a hook stands."""
        (found,) = [each for each in await hooks(self.database) if each.id == number]
        return found

    async def tried(self, number: int, attempts: int) -> Webhook:
        """Wait until a hook has failed so often."""
        async with asyncio.timeout(60):
            while (await self.state(number)).attempts < attempts:  # noqa: ASYNC110  # in the database
                await asyncio.sleep(0.02)
        return await self.state(number)

    async def even(self, number: int) -> Webhook:
        """Wait until nothing waits for a hook."""
        async with asyncio.timeout(60):
            while (await self.state(number)).oldest_at is not None:  # noqa: ASYNC110  # in the database
                await asyncio.sleep(0.02)
        return await self.state(number)

    @asynccontextmanager
    async def delivering(
        self, *, tls: ssl.SSLContext | None = None, within_s: float = 10.0
    ) -> AsyncIterator[asyncio.Task[None]]:
        """One process that delivers, as long as the block."""
        async with webhook_sender(self.clock, tls=tls, within_s=within_s) as send:
            webhooks = Webhooks(
                self.database,
                sealing_key=SECRET_KEY,
                render=webhook_body,
                send=send,
                now=self.clock,
                fraction=lambda: 1.0,
            )
            task = asyncio.create_task(webhooks.run())
            try:
                yield task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def post(database: Database, monkeypatch: pytest.MonkeyPatch) -> Post:
    """A bureau without hooks."""
    monkeypatch.setattr(delivery_webhooks, "POLL_S", 0.02)
    monkeypatch.setattr(delivery_webhooks, "_PAUSE_S", 0.05)
    await furnish(database)
    await register(database, "B001", "bureau")
    return Post(database, Clock())


async def test_messages_are_signed_in_order_and_once(post: Post) -> None:
    """By Standard Webhooks; the secret is the one that was shown; nothing of before."""

    async def take_time(_request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(0.05)  # longer than from one look to the next
        return web.Response(status=204)

    await post.put(3)
    async with receiving() as receiver, post.delivering():
        receiver.behave = take_time
        hook = await post.hook(receiver.url)
        ids = await post.put(30)
        state = await post.even(hook.id)

    assert receiver.ids == ids
    assert receiver.most_at_once == 1
    assert all(taken.is_signed_with(hook.secret) for taken in receiver.got)
    first = receiver.got[0]
    assert first.timestamp == int(post.clock().timestamp())
    assert first.document["type"] == "alert.raised"
    RaisedAlertOut.model_validate(first.document["data"])
    assert set(first.document) == {"type", "timestamp", "data"}
    assert (state.attempts, state.last_status) == (0, "answered 204")


async def test_an_hour_down_loses_nothing(post: Post) -> None:
    """Ever longer pauses while it is down; then everything, each once, in order."""
    async with receiving() as receiver, post.delivering():
        hook = await post.hook(receiver.url)
        receiver.behave = answers(503)
        ids = await post.put(40)
        failures, began = 0, post.clock()
        state = await post.state(hook.id)
        while post.clock() - began < timedelta(hours=1):
            failures += 1
            state = await post.tried(hook.id, failures)
            await asyncio.sleep(0.1)
            assert len(receiver.got) == failures  # nothing before its time
            assert state.next_at - post.clock() <= timedelta(hours=1)
            post.clock.instant = state.next_at
        assert state.cursor + 1 == int(ids[0].removeprefix("evt_"))
        assert set(receiver.ids) == {ids[0]}
        receiver.behave = None
        sent = len(receiver.got)
        await post.even(hook.id)

    # Twelve pauses of 1, 2, 4, ... 2,048 seconds make an hour and a bit.
    assert 10 <= failures <= 14
    assert receiver.ids[-40:] == ids
    assert len(receiver.got) - sent <= 41


@pytest.mark.parametrize("status", [500, 404, 401, 429, 301, 302, 307])
async def test_whatever_is_not_taken_comes_again(post: Post, status: int) -> None:
    """Redirects are answers like others: not followed."""
    async with receiving() as other, receiving() as receiver, post.delivering():
        hook = await post.hook(receiver.url)
        receiver.behave = answers(status, Location=other.url)
        (wanted,) = await post.put(1)
        state = await post.tried(hook.id, 1)
        receiver.behave = None
        post.clock.forward(hours=1)
        await post.even(hook.id)

    assert state.last_status.startswith(f"answered {status}")
    assert receiver.ids == [wanted] * 2
    assert other.got == []


async def test_retry_after_is_honoured(post: Post) -> None:
    """In seconds and as a date; never longer than a day."""
    async with receiving() as receiver, post.delivering():
        hook = await post.hook(receiver.url)
        await post.put(1)
        at = post.clock() + timedelta(hours=2)
        for asked, wait_s in (
            ("7000", 7_000),
            (format_datetime(at + timedelta(seconds=7_000), usegmt=True), 7_200),
            ("999999999", LONGEST_ASKED_S),
            ("soon", 8),
        ):
            receiver.behave = answers(503, Retry_After=asked)
            before = (await post.state(hook.id)).attempts
            post.clock.instant = (await post.state(hook.id)).next_at
            state = await post.tried(hook.id, before + 1)
            waits = (state.next_at - post.clock()).total_seconds()
            assert abs(waits - wait_s) <= 2, (asked, waits)


async def test_gone_pauses_the_hook(post: Post) -> None:
    """410: nobody wants it any more, until the operator says otherwise."""
    async with receiving() as receiver, post.delivering():
        hook = await post.hook(receiver.url)
        receiver.behave = answers(410)
        ids = await post.put(2)
        state = await post.tried(hook.id, 1)
        post.clock.forward(days=2)
        await asyncio.sleep(0.3)
        assert receiver.ids == ids[:1]
        receiver.behave = None
        await switch_hook(post.database, hook.id, is_on=True, now=post.clock())
        await post.even(hook.id)

    assert not state.is_on
    assert receiver.ids == [ids[0], *ids]


async def test_a_slow_receiver_holds_nobody_up(post: Post) -> None:
    """It is given up in time; the other hooks go on beside it."""

    async def sleep(_request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    async with receiving() as slow, receiving() as quick, post.delivering(within_s=1):
        slow.behave = sleep
        late, prompt = await post.hook(slow.url), await post.hook(quick.url)
        ids = await post.put(20)
        await post.even(prompt.id)
        assert (await post.state(late.id)).oldest_at is not None
        state = await post.tried(late.id, 1)
        slow.behave = None
        post.clock.forward(hours=1)
        await post.even(late.id)

    assert quick.ids == ids
    assert slow.ids == [ids[0], *ids]
    assert state.last_status == "no answer: too slow"


async def test_others_are_told_while_a_slow_one_is_waited_for(post: Post) -> None:
    """Not only once it is given up."""
    asked = asyncio.Event()

    async def sleep(_request: web.BaseRequest) -> web.StreamResponse:
        asked.set()
        await asyncio.sleep(60)
        return web.Response()

    async with receiving() as slow, receiving() as quick, post.delivering(within_s=30):
        slow.behave = sleep
        late, prompt = await post.hook(slow.url), await post.hook(quick.url)
        ids = await post.put(5)
        await asked.wait()
        async with asyncio.timeout(15):
            await post.even(prompt.id)
        assert (await post.state(late.id)).attempts == 0

    assert quick.ids == ids
    assert slow.ids == ids[:1]


async def test_an_answer_without_end_is_not_read(post: Post) -> None:
    """Its status counts; of its body 64 KiB at most are read."""
    written = 0

    async def flood(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)
            written += 65_536

    async with receiving() as receiver, post.delivering():
        receiver.behave = flood
        hook = await post.hook(receiver.url)
        ids = await post.put(2)
        await post.even(hook.id)

    assert receiver.ids == ids
    assert written < 64 * 1024 * 1024


async def test_nobody_there_and_tls_that_does_not_hold(
    post: Post, tmp_path: Path
) -> None:
    """Not sent to whoever cannot show a certificate; sent once it can."""
    authority = Authority.new()
    server = server_context(*authority.issue(tmp_path))
    client = ssl.create_default_context(cafile=authority.save(tmp_path / "ca.pem"))
    async with receiving(server) as receiver:
        hook = await post.hook(receiver.url)
        nobody = await post.hook("http://127.0.0.1:9/")
        ids = await post.put(2)
        async with post.delivering():
            wrong = await post.tried(hook.id, 1)
            away = await post.tried(nobody.id, 1)
        assert receiver.got == []
        post.clock.forward(hours=1)
        async with post.delivering(tls=client):
            await post.even(hook.id)

    assert wrong.last_status == "no answer: its certificate or TLS does not hold"
    assert away.last_status == "no answer: no connection"
    assert receiver.ids == ids


async def test_killed_before_the_cursor_moved(post: Post) -> None:
    """Sent again under the same id, and what follows after it: doubled, never lost."""
    async with receiving() as receiver:
        hook = await post.hook(receiver.url)
        ids = await post.put(3)
        async with post.delivering() as task:

            async def die(_request: web.BaseRequest) -> web.StreamResponse:
                task.cancel()
                return web.Response()

            receiver.behave = die
            await receiver.until(1)
            await asyncio.gather(task, return_exceptions=True)
        assert (await post.state(hook.id)).oldest_at is not None
        receiver.behave = None
        async with post.delivering():
            await post.even(hook.id)

    assert receiver.ids == [ids[0], *ids]


async def test_one_of_two_machines_delivers(post: Post) -> None:
    """And the other takes over when the first one's connection ends."""
    async with receiving() as receiver:
        hook = await post.hook(receiver.url)
        async with post.delivering(), post.delivering():
            ids = await post.put(25)
            await post.even(hook.id)
            assert receiver.ids == ids
            ended = await post.database.pool.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_locks"
                " WHERE locktype = 'advisory' AND granted"
                " AND database = (SELECT oid FROM pg_database"
                " WHERE datname = current_database())"
            )
            assert ended == 1
            ids += await post.put(25)
            await post.even(hook.id)

    assert receiver.ids == ids
    assert receiver.most_at_once == 1


async def test_a_cursor_is_moved_from_where_it_was_read(post: Post) -> None:
    """Who has lost the lock and does not know it moves nothing."""
    hook = await post.hook("https://example.org/a")
    before = (await post.state(hook.id)).cursor
    await post.put(3)
    async with post.database.pool.acquire() as session:
        assert await note_taken(session, hook.id, before, before + 2, "answered 200")
        assert not await note_taken(session, hook.id, before, before + 1, "late")
    await switch_hook(post.database, hook.id, is_on=False, now=post.clock())
    async with post.database.pool.acquire() as session:
        assert not await note_taken(session, hook.id, before + 2, before + 3, "paused")

    # What was taken before the pause was known is not sent again.
    assert (await post.state(hook.id)).cursor == before + 3


async def test_a_paused_and_a_removed_hook_are_told_nothing(post: Post) -> None:
    """What came while it was paused comes when it goes on."""
    async with receiving() as receiver, post.delivering():
        hook = await post.hook(receiver.url)
        await switch_hook(post.database, hook.id, is_on=False, now=post.clock())
        ids = await post.put(3)
        await asyncio.sleep(0.3)
        assert receiver.got == []
        assert (await post.state(hook.id)).lag == 3
        await switch_hook(post.database, hook.id, is_on=True, now=post.clock())
        await post.even(hook.id)
        await remove_hook(post.database, hook.id)
        await post.put(3)
        await asyncio.sleep(0.3)

    assert receiver.ids == ids
    with pytest.raises(WebhookFault):
        await remove_hook(post.database, hook.id)


async def test_a_hook_that_was_turned_elsewhere_is_told_nothing(post: Post) -> None:
    """Whoever writes to the database alone does not get our signature."""
    async with receiving() as receiver, receiving() as thief, post.delivering():
        hook = await post.hook(receiver.url)
        await post.database.pool.execute("UPDATE alert_webhook SET url = $1", thief.url)
        await post.put(1)
        state = await post.tried(hook.id, 1)
        assert (receiver.got, thief.got) == ([], [])

    assert state.last_status == "secret unreadable"


async def test_a_secret_lies_sealed(post: Post) -> None:
    """Not in the database in any spelling; another one each time."""
    one = await post.hook("https://example.org/a")
    two = await post.hook("https://example.org/a")
    stored = await post.database.pool.fetch("SELECT sealed_secret FROM alert_webhook")

    assert one.secret != two.secret
    for row in stored:
        assert one.secret not in row["sealed_secret"]
        assert base64.b64encode(one.secret) not in row["sealed_secret"]
    assert secret_of(secret_text(one.secret)) == one.secret


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_%%", "c2VjcmV0", "whsec_abc"])
def test_what_is_no_secret(text: str) -> None:
    """Refused; an empty one is none."""
    if text == "whsec_":
        assert secret_of(text) == b""
        return
    with pytest.raises(ValueError, match="a secret"):
        secret_of(text)


@pytest.mark.parametrize("party", ["H001", "O900", "nobody"])
async def test_hooks_are_a_bureaus(post: Post, party: str) -> None:
    """A hospital, an officer and nobody have none."""
    await register(post.database, "O900", "officer")
    with pytest.raises(WebhookFault, match="no bureau"):
        await add_hook(
            post.database,
            party=party,
            url="https://example.org/",
            sandbox=True,
            sealing_key=SECRET_KEY,
            random=os.urandom,
            now=post.clock(),
        )


@pytest.mark.parametrize(
    ("url", "sandbox", "is_fine"),
    [
        ("https://desk.example.org/alerts?x=1", False, True),
        ("https://10.0.0.7:8443/alerts", False, True),
        ("http://127.0.0.1:8000/", True, True),
        ("http://[::1]:8000/", True, True),
        ("http://localhost/", True, True),
        ("http://127.0.0.1:8000/", False, False),
        ("http://desk.example.org/", True, False),
        ("http://127.0.0.1.example.org/", True, False),
        ("https://user:secret@example.org/", True, False),
        ("https://example.org/#part", True, False),
        ("https:///path", True, False),
        ("https://example.org:99999/", True, False),
        ("https://example.org/ x", True, False),
        ("https://example.org/\n", True, False),
        ("https://例子.cn/", True, False),
        ("ftp://example.org/", True, False),
        ("example.org", True, False),
        ("", True, False),
        ("https://example.org/" + "x" * 1_000, True, False),
    ],
)
def test_addresses(url: str, sandbox: bool, is_fine: bool) -> None:
    """https, or this very machine in a sandbox."""
    assert (url_fault(url, sandbox=sandbox) is None) is is_fine


def test_pauses_double_up_to_an_hour() -> None:
    """Spread by half; never shorter than was asked for."""
    assert [pause_s(n, 1.0, None) for n in range(4)] == [1.0, 2.0, 4.0, 8.0]
    assert pause_s(3, 0.0, None) == 4.0
    assert pause_s(10_000, 1.0, None) == LONGEST_PAUSE_S
    assert pause_s(0, 0.5, 90) == 90.0
    assert pause_s(20, 1.0, 90) == LONGEST_PAUSE_S

"""Alert events on their way to webhooks: at least once, in order, one at a time.

Each hook has a cursor of its own, which moves when its receiver has taken an event and
not before: a hook that is down loses nothing, and whoever dies between sending and
moving sends the event again, under the same id. One process of all machines delivers:
the one whose connection holds the lock; every statement goes through that connection,
so that nobody who has lost the lock moves a cursor.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from crypto.errors import CryptoError
from settlement.service.watch.hooks import open_hook_secret
from settlement.service.watch.webhook_signing import event_id, signed_headers
from settlement.store import alert_delivery as rows
from settlement.store.alert_delivery import AlertEvent, Webhook
from settlement.store.errors import (
    BatchConflictError,
    BatchRefusedError,
    StoreUnavailableError,
)
from settlement.store.transaction import our_errors

if TYPE_CHECKING:
    from settlement.store.database import Connection, Database

    _P = ParamSpec("_P")
    _T = TypeVar("_T")

#: Between two looks where no commit was heard of.
POLL_S = 0.5
#: Between two attempts to be the one that delivers; where the database is away.
_PAUSE_S = 1.0
#: Events read at once for a hook.
_PAGE = 20
#: The first wait after a failure; each further one twice as long, up to the longest.
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 3_600.0
#: A receiver that asks for a longer wait is asked again after a day.
LONGEST_ASKED_S = 86_400
_MOST_DOUBLINGS = 16
_GONE = 410

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a message; nothing of what the receiver wrote."""

    status: int | None
    """Of its answer; `None` where there was none in time."""
    words: str
    """For the operator, without what the receiver wrote."""
    retry_after_s: int | None = None

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004


#: Sends a body with headers to an address; never raises for what a receiver does.
Send = Callable[[str, Mapping[str, str], bytes], Awaitable[Answered]]


def pause_s(attempts: int, fraction: float, asked_s: int | None) -> float:
    """How long to wait after a failure, with `attempts` failures before it.

    `fraction`, from 0 to 1, spreads hooks that failed together. Not less than the
    receiver asked for.
    """
    doubled = FIRST_PAUSE_S * 2.0 ** min(attempts, _MOST_DOUBLINGS)
    own = min(LONGEST_PAUSE_S, doubled) * (1 + fraction) / 2
    return max(own, float(min(asked_s or 0, LONGEST_ASKED_S)))


class Webhooks:
    """Delivers to every hook, as long as `run` runs and the lock is ours."""

    def __init__(
        self,
        database: Database,
        *,
        sealing_key: bytes,
        render: Callable[[AlertEvent], bytes],
        send: Send,
        now: Callable[[], datetime],
        fraction: Callable[[], float],
    ) -> None:
        """`render` makes a body; `fraction` is random, from 0 to 1."""
        self._database = database
        self._sealing_key = sealing_key
        self._render = render
        self._send = send
        self._now = now
        self._fraction = fraction
        self._heard = asyncio.Event()

    async def run(self) -> None:
        """Deliver for ever; faults of the database pass."""
        while True:
            try:
                with our_errors():
                    async with rows.hearing_of_events(
                        self._database, self._heard.set
                    ) as connection:
                        await self._hold(connection)
            except (StoreUnavailableError, BatchConflictError, BatchRefusedError) as e:
                _log.warning(
                    "alerts.webhooks_interrupted", extra={"fault": type(e).__name__}
                )
            await asyncio.sleep(_PAUSE_S)

    async def _hold(self, connection: Connection) -> None:
        """Be the one that delivers, as long as the connection lives."""
        while not await rows.take_delivery_lock(connection):  # noqa: ASYNC110  # another machine holds it
            await asyncio.sleep(_PAUSE_S)
        _log.info("alerts.webhooks_ours")
        line = _Line(connection)
        sending: dict[int, asyncio.Task[None]] = {}
        try:
            while True:
                self._heard.clear()
                _reap(sending)
                for hook in await line.ask(rows.webhooks):
                    if hook.id not in sending and self._is_due(hook):
                        work = self._deliver(line, hook)
                        sending[hook.id] = asyncio.create_task(work, name="webhook")
                await self._wait()
        finally:
            for task in sending.values():
                task.cancel()
            await asyncio.gather(*sending.values(), return_exceptions=True)

    def _is_due(self, hook: Webhook) -> bool:
        return hook.is_on and hook.oldest_at is not None and hook.next_at <= self._now()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(POLL_S):
                await self._heard.wait()
        except TimeoutError:
            pass

    async def _deliver(self, line: _Line, hook: Webhook) -> None:
        """One event after another until none is left, or one is not taken."""
        try:
            secret = open_hook_secret(self._sealing_key, hook)
        except CryptoError:
            # Sealed for another address, or under a key that is not ours.
            await self._note_refused(line, hook, Answered(None, "secret unreadable"))
            return
        cursor = hook.cursor
        while events := await line.ask(rows.events_after, cursor, _PAGE):
            for event in events:
                answered = await self._tell(hook, secret, event)
                if not answered.is_taken:
                    await self._note_refused(line, hook, answered)
                    return
                goes_on = await line.ask(
                    rows.note_taken, hook.id, cursor, event.seq, answered.words
                )
                if not goes_on:
                    return
                cursor = event.seq

    async def _tell(self, hook: Webhook, secret: bytes, event: AlertEvent) -> Answered:
        body = self._render(event)
        timestamp = int(self._now().timestamp())
        headers = signed_headers(secret, event_id(event.seq), timestamp, body)
        return await self._send(hook.url, headers, body)

    async def _note_refused(
        self, line: _Line, hook: Webhook, answered: Answered
    ) -> None:
        is_gone = answered.status == _GONE
        wait_s = pause_s(hook.attempts, self._fraction(), answered.retry_after_s)
        at = self._now() + timedelta(seconds=wait_s)
        await line.ask(rows.note_refused, hook.id, answered.words, at, is_gone=is_gone)
        if is_gone:
            _log.warning(
                "alerts.webhook_paused",
                extra={"webhook": hook.id, "answer": answered.words},
            )
        else:
            failures = hook.attempts + 1
            _log.warning(
                "alerts.webhook_refused",
                extra={
                    "webhook": hook.id,
                    "answer": answered.words,
                    "failures": failures,
                },
            )


class _Line:
    """The connection that holds the lock, one statement at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()

    async def ask(
        self,
        call: Callable[Concatenate[Any, _P], Awaitable[_T]],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T:
        """Call a statement of the store with it."""
        async with self._turn:
            return await call(self._connection, *args, **kwargs)


def _reap(sending: dict[int, asyncio.Task[None]]) -> None:
    """Forget what has ended; raises what it raised: the line's fault is everybody's."""
    for number, task in list(sending.items()):
        if task.done():
            del sending[number]
            task.result()

"""What streams and webhooks carry: events in the order of commits, and who took them.

`alert_event.seq` rises in the order of commits, because whoever writes events holds
the row of `watch_cursor` locked; so a reader that has seen one has seen all before it.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg

from settlement.store.alert_work import AlertSearch, ListedAlert, list_alerts
from settlement.store.errors import SERVER_AWAY
from settlement.store.statements import statement
from settlement.store.transaction import our_errors

if TYPE_CHECKING:
    from settlement.store.database import Connection, Database, Session

#: Told at the commit of every event.
CHANNEL = "medaid_alert"
#: Whoever holds it delivers to webhooks.
_DELIVERING = int.from_bytes(b"webhooks")
_CLOSE_WITHIN_S = 2


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """One event, and its alert as it stands when it is read."""

    seq: int
    what: str
    at: datetime
    alert: ListedAlert


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One row of `alert_webhook`, with how far behind it is."""

    id: int
    party: str
    url: str
    sealed_secret: bytes
    cursor: int
    attempts: int
    next_at: datetime
    last_status: str
    is_on: bool
    lag: int
    """Events that wait for it."""
    oldest_at: datetime | None
    """When the first of them was made."""


async def last_event(session: Session) -> int:
    """The number of the newest event; 0 before the first."""
    seq: int = await session.fetchval("SELECT coalesce(max(seq), 0) FROM alert_event")
    return seq


async def events_after(session: Session, after: int, limit: int) -> list[AlertEvent]:
    """The next events in their order, at most `limit`."""
    rows = await session.fetch(
        "SELECT seq, alert_id, what, at FROM alert_event WHERE seq > $1"
        " ORDER BY seq LIMIT $2",
        after,
        limit,
    )
    if not rows:
        return []
    ids = sorted({row["alert_id"] for row in rows})
    found = await list_alerts(session, AlertSearch(alert_ids=ids))
    alerts = {alert.id: alert for alert in found}
    return [
        AlertEvent(row["seq"], row["what"], row["at"], alerts[row["alert_id"]])
        for row in rows
    ]


async def add_webhook(
    session: Session, party_id: int, url: str, sealed_secret: bytes, now: datetime
) -> int:
    """A new hook, told of every event from now on; its id."""
    number: int = await session.fetchval(
        "INSERT INTO alert_webhook (party_id, url, sealed_secret, cursor, next_at)"
        " VALUES ($1, $2, $3, (SELECT coalesce(max(seq), 0) FROM alert_event), $4)"
        " RETURNING id",
        party_id,
        url,
        sealed_secret,
        now,
    )
    return number


async def webhooks(session: Session) -> list[Webhook]:
    """All hooks, paused ones too, by id."""
    return [Webhook(**row) for row in await session.fetch(statement("alert_webhooks"))]


async def switch_webhook(
    session: Session, number: int, *, is_on: bool, now: datetime
) -> bool:
    """Pause a hook, or let it go on at once; false where there is none such."""
    status = await session.execute(
        "UPDATE alert_webhook SET is_on = $2, next_at = $3,"
        " attempts = CASE WHEN $2 THEN 0 ELSE attempts END WHERE id = $1",
        number,
        is_on,
        now,
    )
    return status != "UPDATE 0"


async def remove_webhook(session: Session, number: int) -> bool:
    """Forget a hook and its secret; false where there is none such."""
    status = await session.execute("DELETE FROM alert_webhook WHERE id = $1", number)
    return status != "DELETE 0"


async def note_taken(
    session: Session, number: int, before: int, seq: int, status: str
) -> bool:
    """Move a hook's cursor; whether it goes on.

    False where it was paused or removed meanwhile, or its cursor moved by another.
    """
    goes_on: bool | None = await session.fetchval(
        "UPDATE alert_webhook SET cursor = $3, attempts = 0, last_status = $4"
        " WHERE id = $1 AND cursor = $2 RETURNING is_on",
        number,
        before,
        seq,
        status,
    )
    return bool(goes_on)


async def note_refused(
    session: Session, number: int, status: str, next_at: datetime, *, is_gone: bool
) -> None:
    """Note why an event was not taken, and when it is sent again; or pause the hook."""
    await session.execute(
        "UPDATE alert_webhook SET attempts = attempts + 1, last_status = $2,"
        " next_at = $3, is_on = is_on AND NOT $4 WHERE id = $1",
        number,
        status,
        next_at,
        is_gone,
    )


async def take_delivery_lock(session: Session) -> bool:
    """Be the one that delivers, as long as this connection lives; false: another is."""
    is_ours: bool = await session.fetchval(
        "SELECT pg_try_advisory_lock($1)", _DELIVERING
    )
    return is_ours


@contextlib.asynccontextmanager
async def hearing_of_events(
    database: Database, on_event: Callable[[], None]
) -> AsyncIterator[Connection]:
    """A connection of its own, outside the pool, that calls `on_event` at commits.

    Raises `StoreUnavailableError` where there is none to be had.
    """
    with our_errors():
        connection = await database.connect()
    try:
        with our_errors():
            await connection.add_listener(CHANNEL, lambda *_: on_event())
        yield connection
    finally:
        try:
            await connection.close(timeout=_CLOSE_WITHIN_S)
        except (*SERVER_AWAY, asyncpg.InterfaceError, OSError, TimeoutError):
            connection.terminate()

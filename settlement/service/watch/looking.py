"""One look of the watch: what is new, what the detectors say, what changes.

All within one database transaction that holds the cursor's row. Stopping anywhere
before COMMIT leaves nothing behind, and the next look begins where this one began: no
alert is lost, and none is raised twice.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from settlement.service.watch.shelf import RulesShelf, refresh
from settlement.service.watch.storing import store
from settlement.service.watch.subjects import find
from settlement.store.alerts import close_recovered
from settlement.store.watching import (
    NewClaim,
    drop_skipped,
    lock_cursor,
    move_cursor,
    put_skipped,
    read_news,
    skipped_before,
    wait_for_cursor,
)

if TYPE_CHECKING:
    from settlement.store.database import Session

#: Leaves and declines of one look: some tens of milliseconds of work.
AT_ONCE = 500

_log = logging.getLogger(__name__)


class Looked(NamedTuple):
    """What one look did."""

    claims: int
    changes: int
    is_full: bool = False
    """More may wait."""
    is_idle: bool = False
    """Nothing was new."""


async def look(
    session: Session,
    shelf: RulesShelf,
    now: datetime,
    *,
    wait: bool = False,
    at_once: int = AT_ONCE,
) -> Looked | None:
    """Look at what is new; `None` while somebody else watches, unless told to wait.

    Call it inside a database transaction.
    """
    cursor = await (wait_for_cursor if wait else lock_cursor)(session)
    if cursor is None:
        return None
    news = await read_news(session, cursor, at_once)
    if news.cursor == cursor:
        return Looked(0, 0, is_idle=True)
    await refresh(shelf, session)
    changed, _ = await _look_at(session, shelf, news.claims, now)
    await move_cursor(session, news.cursor)
    return Looked(len(news.claims), changed, news.is_full)


async def look_again(
    session: Session, shelf: RulesShelf, now: datetime, *, at_once: int = AT_ONCE
) -> Looked:
    """Look at claims that were skipped before `now`. Call it as `look`."""
    if not await skipped_before(session, now, 1):
        return Looked(0, 0, is_idle=True)
    await wait_for_cursor(session)
    claims = await skipped_before(session, now, at_once)
    await refresh(shelf, session)
    changed, skipped = await _look_at(session, shelf, claims, now)
    await drop_skipped(session, {claim.id for claim in claims} - skipped)
    return Looked(len(claims), changed, len(claims) >= at_once)


async def pass_over(session: Session, now: datetime, fault: str) -> bool:
    """Go on behind the next leaf and decline, keeping them for another time.

    For those at which a look fails however often it is tried. `False` while somebody
    else watches. Call it as `look`.
    """
    cursor = await lock_cursor(session)
    if cursor is None:
        return False
    news = await read_news(session, cursor, 1)
    await _skip(session, (claim.id for claim in news.claims), fault, now)
    await move_cursor(session, news.cursor)
    return True


async def _look_at(
    session: Session, shelf: RulesShelf, claims: Collection[NewClaim], now: datetime
) -> tuple[int, set[bytes]]:
    """How many alerts have changed, and claims that could not be looked at."""
    found, faults = await find(session, shelf, claims)
    for fault, ids in faults.items():
        await _skip(session, ids, fault, now)
    changed = await store(session, found, now)
    await close_recovered(session, [claim.id for claim in claims], now)
    return changed, {identity for ids in faults.values() for identity in ids}


async def _skip(
    session: Session, ids: Iterable[bytes], fault: str, now: datetime
) -> None:
    """Without their ids in the log: a settlement's is in the table."""
    kept = set(ids)
    if kept:
        _log.error("alerts.claims_skipped", extra={"fault": fault, "count": len(kept)})
        await put_skipped(session, kept, fault, now)

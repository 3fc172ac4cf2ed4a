"""What a replay waits for: that everything was looked at for alerts.

Claim by claim as the watch does, and then month by month as the nightly comparison of
hospitals and operators does: a file of years has all its nights behind it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from rich.console import Console

from gateway.demo.progress import progress
from gateway.wiring import wall_clock
from settlement.domain.calendar import month_name
from settlement.service.watch.outliers import look_for_outliers
from settlement.service.watch.shelf import RulesShelf, read_rules_shelf
from settlement.service.watch.watcher import catch_up
from settlement.store.alert_lists import count_raised
from settlement.store.database import Database
from settlement.store.peers import months_with_claims
from settlement.store.transaction import committed, our_errors
from settlement.store.watching import behind

if TYPE_CHECKING:
    from settlement.store.database import Connection

_SHOWN_EVERY_S = 0.25


async def all_looked_at(database: Database, console: Console) -> int:
    """Wait until the watch has looked at every claim; how many alerts hold then.

    Hospitals and operators are compared in each month of record, by the rules in
    force at its end.
    """
    shelf = await read_rules_shelf(database)
    await _each_claim(database, shelf, console)
    await _each_month(database, shelf, console)
    async with database.pool.acquire() as session:
        return await count_raised(session)


async def _each_claim(database: Database, shelf: RulesShelf, console: Console) -> None:
    async with database.pool.acquire() as session:
        total = await behind(session)
    looking = asyncio.create_task(catch_up(database, shelf, wall_clock))
    try:
        with progress(console, "looking for repeats", total) as show:
            while not looking.done():
                async with database.pool.acquire() as session:
                    left = await behind(session)
                show(max(0, total - left), "")
                await asyncio.wait([looking], timeout=_SHOWN_EVERY_S)
            show(total, "")
        await looking
    finally:
        looking.cancel()


async def _each_month(database: Database, shelf: RulesShelf, console: Console) -> None:
    async with database.pool.acquire() as session:
        months = await months_with_claims(session)
    with progress(console, "comparing hospitals, months", len(months)) as show:
        for done, month in enumerate(months, start=1):
            with our_errors():
                async with (
                    database.pool.acquire() as session,
                    committed(cast("Connection", session)),
                ):
                    await look_for_outliers(session, shelf, month, wall_clock())
            show(done, month_name(month))

"""One worker's edge with real alerts in a database of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.alerts import Alerts
from settlement import alert_rules
from settlement.domain.watch.rules import read_rules
from settlement.store.alert_rules import put_rules
from settlement.store.database import Database
from tests.acceptance.desk import Desk
from tests.gateway.desk import (
    START,
    ControlledUseCases,
    RunningEdge,
    register,
    running_edge,
)
from tests.statistics.ledger import Posted, post

#: The one settlement that alerts are about.
CLAIM = (0).to_bytes(16).hex()


class WithAlerts(ControlledUseCases):
    """The real use cases of alerts behind the real edge."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.alerts = Alerts(database, self.now)


@dataclass
class Room:
    """The edge, and a desk for each code."""

    edge: RunningEdge
    database: Database
    use_cases: WithAlerts
    desks: dict[str, Desk] = field(default_factory=dict)


async def furnish(database: Database) -> None:
    """The rules that ship, and one settlement."""
    document = alert_rules.read(alert_rules.names()[0])
    async with database.pool.acquire() as session, session.transaction():
        await put_rules(session, read_rules(document), document, START, "test")
    await register(database, "H001")
    number = await database.pool.fetchval("SELECT id FROM party WHERE code = 'H001'")
    await post(database, [Posted(facility=number)])


@asynccontextmanager
async def open_room(database: Database) -> AsyncIterator[Room]:
    """An edge with a bureau, an officer, an auditor, and alerts to be put in."""
    await furnish(database)
    use_cases = WithAlerts(database)
    hub = asyncio.create_task(use_cases.alerts.hub.run())
    async with running_edge(database, use_cases) as edge:
        room = Room(edge, database, use_cases)
        for code, role in (
            ("B001", "bureau"),
            ("O001", "officer"),
            ("A001", "auditor"),
        ):
            key = await register(database, code, role)
            status, document = await edge.sign_in(key)
            assert status == 201
            tokens = {key.kid: document["token"]}
            room.desks[code] = Desk(edge.http, edge.url, key, tokens)
        try:
            yield room
        finally:
            hub.cancel()
            await asyncio.gather(hub, return_exceptions=True)

"""A database that goes away while the gateway starts: one sentence, no trace."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import asyncpg
import pytest

import gateway.roster_awaited
import gateway.wiring
from settlement.domain.errors import FatalError
from settlement.store.database import Database
from tests.settlement.house import open_house


@pytest.mark.parametrize(
    ("room", "step"),
    [(gateway.wiring, "read_packs"), (gateway.roster_awaited, "head_version")],
    ids=lambda each: each if isinstance(each, str) else "",
)
@pytest.mark.parametrize(
    "fault",
    [
        asyncpg.CannotConnectNowError("the database system is in recovery mode"),
        ConnectionResetError("reset"),
        asyncpg.InterfaceError("pool is closing"),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_database_away_during_the_start(
    database: Database,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    room: ModuleType,
    step: str,
    fault: Exception,
) -> None:
    """The service manager starts it again; the operator reads why."""

    async def away(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(room, step, away)

    with pytest.raises(FatalError, match="went away while the gateway started"):
        async with open_house(database, data_dir):
            pass

"""A district with a bureau that looks: two workers, the watch, real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import aiohttp
import pytest

from settlement.store.database import Database
from tests.acceptance.desk import Desk
from tests.acceptance.gateway_process import GatewayProcess
from tests.acceptance.sandbox import Sandbox, open_sandbox
from tests.support import postgres

PARTIES = (
    ("H001", "--level", "1", "--subdistrict", "990100001"),
    ("H002", "--level", "1", "--subdistrict", "990100002"),
    ("B001", "--role", "bureau", "--name", "Bureau"),
    ("B002", "--role", "bureau", "--name", "Other bureau"),
    ("O001", "--role", "officer", "--name", "Officer"),
    ("O002", "--role", "officer", "--name", "Officer of the other bureau"),
    ("A001", "--role", "auditor", "--name", "Auditor"),
)


@dataclass(frozen=True, slots=True)
class Watched:
    """The sandbox and its gateway."""

    sandbox: Sandbox
    gateway: GatewayProcess


@pytest.fixture(scope="session")
def watched() -> Iterator[Watched]:
    """Start the gateway; end it and erase everything afterwards."""
    folder = postgres.make_folder()
    try:
        with open_sandbox(folder / "var") as sandbox:
            sandbox.add_parties(*PARTIES)
            sandbox.import_roster()
            gateway = GatewayProcess(sandbox.data_dir, workers=2)
            try:
                gateway.start()
                asyncio.run(_ready(gateway.url))
                yield Watched(sandbox, gateway)
            finally:
                gateway.stop()
    finally:
        postgres.remove_folder(folder)


async def _ready(url: str) -> None:
    """Wait until every worker knows the roster; connections meet both in turn."""
    for _ in range(6):
        async with asyncio.timeout(60), aiohttp.ClientSession() as http:
            while (await http.get(f"{url}/readyz")).status != 200:  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.05)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections of one test; unlimited, so that nothing waits in the client."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=30)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        yield http


@dataclass(frozen=True, slots=True)
class Callers:
    """A desk for each code."""

    watched: Watched
    http: aiohttp.ClientSession

    def __getitem__(self, code: str) -> Desk:
        sandbox, url = self.watched.sandbox, self.watched.gateway.url
        return Desk(self.http, url, sandbox.keys[code], sandbox.tokens)


@pytest.fixture
def callers(watched: Watched, http: aiohttp.ClientSession) -> Callers:
    """Give the desks of all parties."""
    return Callers(watched, http)


@pytest.fixture
async def books(watched: Watched) -> AsyncIterator[Database]:
    """Give the gateway's database, as the watch has it."""
    database = await Database.open(watched.sandbox.server.dsn)
    yield database
    await database.close()

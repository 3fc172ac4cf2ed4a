"""A district for attackers: two machines on one database, and a party of each kind."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from settlement.service.access import token_hash
from tests.acceptance.desk import Desk
from tests.acceptance.gateway_process import GatewayProcess
from tests.acceptance.sandbox import Sandbox, open_sandbox
from tests.support import postgres

PARTIES = (
    ("H101", "--subdistrict", "990100001"),
    ("H102", "--subdistrict", "990100002"),
    ("B101", "--role", "bureau", "--name", "Bureau"),
    ("O101", "--role", "officer", "--name", "Officer"),
    ("A101", "--role", "auditor", "--name", "Auditor"),
    ("H103", "--alg", "ed25519"),
    ("H104", "--alg", "ed25519"),
    ("H105",),
)


@dataclass(frozen=True, slots=True)
class District:
    """Two machines of one gateway: the first with two workers, the second with one."""

    sandbox: Sandbox
    first: GatewayProcess
    second: GatewayProcess

    async def execute(self, statement: str, *values: object) -> str:
        """Change the database as its administrator could."""
        connection = await asyncpg.connect(self.sandbox.server.dsn)
        try:
            return str(await connection.execute(statement, *values))
        finally:
            await connection.close()

    async def expire(self, token: str) -> None:
        """Let a session that no worker remembers be over."""
        done = await self.execute(
            "UPDATE session SET opened_at = opened_at - interval '13 hours',"
            " expires_at = expires_at - interval '13 hours' WHERE token_hash = $1",
            token_hash(token),
        )
        assert done == "UPDATE 1"


@pytest.fixture(scope="session")
def district() -> Iterator[District]:
    """Start both machines; end them and erase everything afterwards."""
    folder = postgres.make_folder()
    try:
        with open_sandbox(folder / "var") as sandbox:
            sandbox.add_parties(*PARTIES)
            sandbox.import_roster()
            first = GatewayProcess(sandbox.data_dir, workers=2)
            options = ("--dsn", sandbox.server.dsn)
            second = GatewayProcess(
                _second_machine(sandbox.data_dir, folder), workers=1, options=options
            )
            try:
                first.start()
                second.start()
                asyncio.run(_ready(first.url, second.url))
                yield District(sandbox, first, second)
            finally:
                second.stop()
                first.stop()
    finally:
        postgres.remove_folder(folder)


def _second_machine(data_dir: Path, folder: Path) -> Path:
    """A data folder with the same keys; cache and mark are each machine's own."""
    other = folder / "second"
    other.mkdir()
    shutil.copytree(data_dir / "keys", other / "keys")
    for name in ("installation.json", "trust.json"):
        shutil.copy2(data_dir / name, other / name)
    return other


def execute(dsn: str, statement: str) -> None:
    """Change a test's own database as its administrator could."""

    async def change() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(change())


async def _ready(*urls: str) -> None:
    """Wait until every worker knows the roster; connections meet all in turn."""
    for url in urls * 6:
        async with asyncio.timeout(60), aiohttp.ClientSession() as http:
            while not await _is_ready(http, url):  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.05)


async def _is_ready(http: aiohttp.ClientSession, url: str) -> bool:
    async with http.get(f"{url}/readyz") as answer:
        return answer.status == 200


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections of one test; unlimited, so that nothing waits in the client."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        yield http


@dataclass(frozen=True, slots=True)
class Callers:
    """Who calls the first machine: a desk for each code."""

    district: District
    http: aiohttp.ClientSession

    def __getitem__(self, code: str) -> Desk:
        sandbox, url = self.district.sandbox, self.district.first.url
        return Desk(self.http, url, sandbox.keys[code], sandbox.tokens)


@pytest.fixture
def callers(district: District, http: aiohttp.ClientSession) -> Callers:
    """Give the desks of all parties at the first machine."""
    return Callers(district, http)


@pytest.fixture
def place(data_dir: Path, database_dsn: str) -> list[str]:
    """Where a sandbox of this test alone lies, as arguments of a command."""
    arguments = ["--data-dir", str(data_dir), "--dsn", database_dsn]
    made = CliRunner().invoke(main, ["init", "--sandbox", *arguments])
    assert made.exit_code == 0, made.output
    return arguments

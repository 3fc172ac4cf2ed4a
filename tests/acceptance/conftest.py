"""One running sandbox gateway for all tests that leave it alive.

Started once for each test process: two workers, real PostgreSQL, real HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.acceptance.desk import Answer, Desk, bill
from tests.acceptance.gateway_process import GatewayProcess
from tests.acceptance.sandbox import Sandbox, open_sandbox
from tests.support import postgres


@dataclass(frozen=True, slots=True)
class Running:
    """The shared gateway, and what it said before it had a roster."""

    sandbox: Sandbox
    gateway: GatewayProcess
    before_roster: dict[str, Answer]


@pytest.fixture(scope="session")
def acceptance_folder() -> Iterator[Path]:
    """Make a folder that the embedded server's account can reach."""
    folder = postgres.make_folder()
    yield folder
    postgres.remove_folder(folder)


@pytest.fixture(scope="session")
def running(acceptance_folder: Path) -> Iterator[Running]:
    """Start the shared gateway: first without a roster, then with one."""
    with open_sandbox(acceptance_folder / "var") as sandbox:
        sandbox.add_parties(
            ("H001", "--level", "2", "--subdistrict", "990100001"),
            ("H002", "--level", "1", "--subdistrict", "990100002"),
            ("H003", "--sign-requests"),
            ("H004", "--alg", "ed25519"),
            ("B001", "--role", "bureau", "--name", "Bureau"),
        )
        gateway = GatewayProcess(sandbox.data_dir, workers=2)
        gateway.start()
        try:
            before = asyncio.run(_before_roster(gateway.url, sandbox))
            sandbox.import_roster()
            asyncio.run(_ready(gateway.url))
            yield Running(sandbox, gateway, before)
        finally:
            gateway.stop()


async def _before_roster(url: str, sandbox: Sandbox) -> dict[str, Answer]:
    async with aiohttp.ClientSession() as http:
        desk = Desk(http, url, sandbox.keys["H001"], sandbox.tokens)
        return {
            "readyz": await desk.raw("GET", "/readyz"),
            "eligibility": await desk.eligibility(1),
            "settle": await desk.settle("before-roster", bill(1, visit_no="MZ-0")),
            "key": await desk.get("/v1/settlements?idempotency_key=before-roster"),
            "checkpoint": await desk.raw("GET", "/v1/log/checkpoint"),
            "tile": await desk.raw("GET", "/v1/log/tile/0/000"),
        }


async def _ready(url: str) -> None:
    """Wait until every worker knows the roster; connections meet both in turn."""
    for _ in range(24):
        async with asyncio.timeout(30), aiohttp.ClientSession() as http:
            while (await http.get(f"{url}/readyz")).status != 200:  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.05)


@pytest.fixture
def sandbox(running: Running) -> Sandbox:
    """Give the shared sandbox."""
    return running.sandbox


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections of one test; unlimited, so that nothing waits in the client."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        yield http


@pytest.fixture
def desk_of(running: Running, http: aiohttp.ClientSession) -> Callable[[str], Desk]:
    """Give the desk of any party by its code."""
    sandbox, url = running.sandbox, running.gateway.url
    return lambda code: Desk(http, url, sandbox.keys[code], sandbox.tokens)


@pytest.fixture
def desk(desk_of: Callable[[str], Desk]) -> Desk:
    """Give a desk of facility H001."""
    return desk_of("H001")


@pytest.fixture
def bureau(desk_of: Callable[[str], Desk]) -> Desk:
    """Give a caller of the bureau."""
    return desk_of("B001")

"""The whole gateway behind its own HTTP server, with real PostgreSQL."""

import asyncio
import contextlib
import dataclasses
import json
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from crypto.trust import trust_file
from gateway.logs import JsonLines
from settlement.store.database import Database
from tests.fuzz.hostile_bodies import CARD_NUMBER
from tests.fuzz.oracle import Got, assert_nothing_echoed, check_answer
from tests.fuzz.wire_client import Headers, WireClient
from tests.gateway.desk import (
    ControlledUseCases,
    Key,
    RunningEdge,
    register,
    running_edge,
)
from tests.settlement.house import House, open_house

Result = TypeVar("Result")
#: Rows of everything that a request may leave behind.
_COUNT = """
SELECT (SELECT count(*) FROM settle_key) + (SELECT count(*) FROM reversal_key)
     + (SELECT count(*) FROM settlement) + (SELECT count(*) FROM reversal)
     + (SELECT count(*) FROM visit) + (SELECT count(*) FROM sealed_record)
     + (SELECT count(*) FROM answer) + (SELECT count(*) FROM log_leaf)
     + (SELECT count(*) FROM posting) + (SELECT count(*) FROM accumulator)
     + (SELECT count(*) FROM session) + (SELECT count(*) FROM nonce)
     + (SELECT count(*) FROM clinical.diagnosis) + (SELECT count(*) FROM his_file)
"""
#: After the service dates of sound bodies.
INSTANT = b"2026-01-06T02:00:00Z"
LANGUAGES = {False: b"zh-CN", True: b"en"}


class _Kept(logging.Handler):
    """Everything that is logged, as the gateway would write it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(JsonLines())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@dataclass
class Target:
    """A listening gateway, driven from tests that are not asynchronous."""

    runner: asyncio.Runner
    house: House
    edge: RunningEdge
    key: Key
    bearer: bytes
    client: WireClient
    logs: _Kept = field(default_factory=_Kept)

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Let the gateway's loop run until the work is done."""
        return self.runner.run(work)

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        english: bool = False,
        **headers: bytes | None,
    ) -> Got:
        """One request by the facility; `_` stands for `-`, `None` leaves one out."""
        sent: dict[str, bytes | None] = {
            "Authorization": self.bearer,
            "Content-Type": b"application/json",
            "Medaid-Sandbox-Time": INSTANT,
            "Accept-Language": LANGUAGES[english],
        }
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        got = await self.client.ask(method, target, _present(sent), body)
        for line in self.logs.lines:
            assert_nothing_echoed(line)
        self.logs.lines.clear()
        return got

    async def refused(
        self, method: str, target: str, body: bytes = b"", **headers: bytes | None
    ) -> tuple[str, Got]:
        """A request that must be refused: in both languages alike, nothing stored."""
        before = await self.stored()
        zh = await self.ask(method, target, body, english=False, **headers)
        en = await self.ask(method, target, body, english=True, **headers)
        code = check_answer(zh, english=False)
        assert code != "ok"
        assert (found := check_answer(en, english=True)) == code, (code, found)
        assert _places(zh) == _places(en)
        assert await self.stored() == before, f"{code} left something behind"
        return code, zh

    async def stored(self) -> int:
        """Rows of every table that a request can write."""
        async with self.house.database.pool.acquire() as connection:
            count: int = await connection.fetchval(_COUNT)
        return count


def _present(headers: Mapping[str, bytes | None]) -> Headers:
    return {name: value for name, value in headers.items() if value is not None}


def _places(got: Got) -> list[tuple[str, str]]:
    fields = got.document.get("fields", ())
    return [(field["path"], field["code"]) for field in fields]


@contextlib.asynccontextmanager
async def _attacked(
    dsn: str, folder: Path, runner: asyncio.Runner
) -> AsyncIterator[Target]:
    database = await Database.open(dsn)
    try:
        async with open_house(database, folder) as house:
            await house.enrol(CARD_NUMBER)
            key = await register(database, "H001")
            published = json.loads(trust_file(house.trust))
            gateway = dataclasses.replace(house.gateway, published_keys=published)
            calls = cast("ControlledUseCases", gateway)
            async with running_edge(database, calls) as edge:
                host, _, port = edge.authority.partition(":")
                client = WireClient(host, int(port))
                bearer = (await edge.bearer(key)).encode()
                yield Target(runner, house, edge, key, bearer, client)
                await client.close()
    finally:
        await database.close()


@contextlib.contextmanager
def attacked(dsn: str, folder: Path) -> Any:
    """A target on this database; everything that it logs is kept and searched."""
    with asyncio.Runner() as runner:
        opening = _attacked(dsn, folder, runner)
        target = runner.run(opening.__aenter__())
        root = logging.getLogger()
        level = root.level
        root.addHandler(target.logs)
        root.setLevel(logging.DEBUG)
        # Its own words of each selector event hold nothing of a request.
        logging.getLogger("asyncio").setLevel(logging.INFO)
        try:
            yield target
        finally:
            root.removeHandler(target.logs)
            root.setLevel(level)
            runner.run(opening.__aexit__(None, None, None))

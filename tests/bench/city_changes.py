"""How soon a change is felt under load, and what a large roster costs a question.

A change: a delta that strikes 3,207 persons, taken in by the operator's command. It
begins with the last look at the database that did not show it yet, shortly before the
commit, and ends when the last worker refuses: desks on many connections, which the
system spreads over the workers, ask for one of the struck without pause.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice
from pathlib import Path
from statistics import median

import asyncpg
import click
from rich.console import Console

from gateway.client import GatewayClient
from gateway.demo.parties import facility, register_facilities
from gateway.demo.sandbox import ROSTER_COLUMNS, Sandbox, line_to, serving
from gateway.keyfiles import load_party_secret_key
from gateway.wiring import wall_clock
from settlement.domain.calendar import shanghai_day
from tests.bench import bodies
from tests.bench.ground import percentile, port_of, require_all
from tests.bench.measures import Measure
from tests.bench.raw_client import run_load, run_paced

#: A half-yearly review of Guangzhou struck 1,175 households.
STRUCK = 3_207
_WORKERS = 2
_PROBES = 12
_PROBE_PAUSE_S = 0.005
_LOAD_A_SECOND = 150
_LOAD_PIECE_S = 2.0
_WITHIN_S = 60.0
_SETTLING = 20_000
_CONNECTIONS = 32
_ROUNDS, _ROUND_S = 7, 4.0
_SLOWER = 1.1
_FELT_S = 1.0
_REFUSED = b'"not_eligible"'
_BEGUN = "2026-01-01"

console = Console()


async def eligibility_beside(
    town: Sandbox, few: list[str], city: Sandbox, cards: list[str]
) -> Measure:
    """Time for an answer by the city's cache to that by the town's, in turns."""
    measure = Measure(
        "roster_eligibility_http", _SLOWER, at_least=False,
        scale=f"{_CONNECTIONS} connections, one worker, without quota",
        title="eligibility over HTTP, time of an answer to that on 10,000 persons",
    )  # fmt: skip
    per_side: tuple[list[float], list[float]] = ([], [])
    async with AsyncExitStack() as stack:
        sides = []
        for sandbox, asked in ((town, few), (city, cards)):
            url = await stack.enter_async_context(serving(sandbox, port=0, workers=1))
            sides.append(
                (port_of(url), await _questions(sandbox, url, asked[:100_000]))
            )
        for number in range(_ROUNDS + 1):
            rates = {}
            for side in (0, 1) if number % 2 else (1, 0):
                port, questions = sides[side]
                load = await run_load(
                    port, questions, connections=_CONNECTIONS, seconds=_ROUND_S
                )
                require_all(load, b"200")
                rates[side] = load.rate
            if number:
                measure.ratios.append(rates[0] / rates[1])
                for side, seen in enumerate(per_side):
                    seen.append(rates[side])
    of_town, of_city = (median(seen) for seen in per_side)
    measure.note = f"{of_city:,.0f} a second against {of_town:,.0f}"
    return measure


async def _token(sandbox: Sandbox, url: str) -> str:
    now = wall_clock()
    code = f"C{int(now.timestamp() * 1e3)}"
    keys = await register_facilities(
        sandbox.database,
        [facility(code, "bench", level=2, subdistrict="990101001", at=now)],
        sealing_key=load_party_secret_key(sandbox.data_dir),
        random=os.urandom,
    )
    async with line_to(url, connections=1) as line:
        return await GatewayClient(line, keys[code], "bench").token()


async def _questions(sandbox: Sandbox, url: str, cards: list[str]) -> Iterator[bytes]:
    day = shanghai_day(wall_clock()).isoformat()
    token = await _token(sandbox, url)
    return bodies.eligibility(cards, day, token, with_quota=False)


async def changes_felt(
    sandbox: Sandbox, file: Path, persons: int, *, runs: int
) -> Measure:
    """From the commit of each delta to the last worker's refusal."""
    measure = Measure(
        "roster_change_p99", _FELT_S, at_least=False, unit="s",
        scale=f"{persons:,} persons, {_WORKERS} workers, {_LOAD_A_SECOND} settlements"
        " a second",
        title=f"delta of {STRUCK:,} revocations, commit to the last worker refusing,"
        " p99",
    )  # fmt: skip
    version = await sandbox.database.pool.fetchval("SELECT version FROM roster_head")
    felt = []
    looker = await asyncpg.connect(sandbox.database.dsn)
    try:
        async with serving(sandbox, port=0, workers=_WORKERS) as url:
            token = await _token(sandbox, url)
            # Those of earlier runs on the same roster were struck already.
            batches = islice(_households(file), version - 1, version - 1 + runs)
            async with _under_load(port_of(url), file, token):
                for number, rows in enumerate(batches, start=1):
                    manifest = await sandbox.sign_roster(
                        rows, kind="delta", version=version + number
                    )
                    probes = _Probes(port_of(url), token, rows[-1][1])
                    felt.append(await _one(sandbox, manifest, looker, probes))
    finally:
        await looker.close()
    if not felt:
        raise click.ClickException(f"{file} has nobody left to strike; see --again")
    measure.ratios.append(percentile(felt, 99))
    measure.note = (
        f"{len(felt)} deltas: median {median(felt) * 1e3:.0f} ms, worst"
        f" {max(felt) * 1e3:.0f} ms; {_PROBES} desks ask every"
        f" {_PROBE_PAUSE_S * 1e3:.0f} ms"
    )
    return measure


async def _one(
    sandbox: Sandbox,
    manifest: Path,
    looker: asyncpg.Connection[asyncpg.Record],
    probes: _Probes,
) -> float:
    asking = asyncio.create_task(probes.until_all_refuse())
    looking = asyncio.create_task(_before_commit(looker))
    try:
        await sandbox.command("roster", "import", str(manifest), "--json")
        async with asyncio.timeout(_WITHIN_S):
            felt = await asking - await looking
    finally:
        asking.cancel()
        looking.cancel()
    console.print(f"{manifest.parent.name}: felt after {felt * 1e3:.0f} ms")
    return felt


async def _before_commit(looker: asyncpg.Connection[asyncpg.Record]) -> float:
    """When the last look began that did not show the next version yet.

    So what delays a look makes the change seem slower, never faster.
    """
    query = "SELECT version FROM roster_head"
    before = await looker.fetchval(query)
    last = time.perf_counter()
    while True:
        begun = time.perf_counter()
        if await looker.fetchval(query) != before:
            return last
        last = begun
        await asyncio.sleep(_PROBE_PAUSE_S)


class _Probes:
    """Desks that ask for one person, each on a connection of its own."""

    def __init__(self, port: int, token: str, card: str) -> None:
        day = shanghai_day(wall_clock()).isoformat()
        self._port = port
        self._question = next(bodies.eligibility([card], day, token, with_quota=False))

    async def until_all_refuse(self) -> float:
        """When the last one was told that the person is not eligible."""
        return max(await asyncio.gather(*(self._desk() for _ in range(_PROBES))))

    async def _desk(self) -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            while True:
                writer.write(self._question)
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().split(b"content-length: ", 1)[1].split(b"\r", 1)
                if _REFUSED in await reader.readexactly(int(length[0])):
                    return time.perf_counter()
                await asyncio.sleep(_PROBE_PAUSE_S)
        finally:
            writer.close()


@asynccontextmanager
async def _under_load(port: int, file: Path, token: str) -> AsyncIterator[None]:
    """Persons from the file's other end settle meanwhile."""
    cards = [row[1] for row in deque(_eligible(file), maxlen=_SETTLING)]
    day = shanghai_day(wall_clock()).isoformat()

    over = asyncio.Event()

    async def settle() -> None:
        number = 0
        while not over.is_set():
            number += 1
            bills = bodies.settlements(cards[number % 7 :], day, token, f"r{number}")
            load = await run_paced(
                port, bills, per_second=_LOAD_A_SECOND, seconds=_LOAD_PIECE_S
            )
            require_all(load, b"201")

    settling = asyncio.create_task(settle())
    try:
        yield
    finally:
        # Not cancelled: its connections would be left open.
        over.set()
        await settling


def _households(file: Path) -> Iterator[list[list[str]]]:
    """Removals of so many persons at a time, every window of theirs."""
    struck: list[list[str]] = []
    for row in _eligible(file):
        removal = ["remove", row[1], row[2], row[3], row[4], "", row[6]]
        struck.append([*removal, *[""] * (len(ROSTER_COLUMNS) - len(removal))])
        if len(struck) == STRUCK:
            yield struck
            struck = []


def _eligible(file: Path) -> Iterator[list[str]]:
    """The first row of each person who is eligible from this year's beginning on."""
    last = ""
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            row = line.rstrip("\n").split(",")
            if row[2] != last and row[7] < _BEGUN and not row[8]:
                last = row[2]
                yield row

"""Our gateway beside one on FastAPI and SQLAlchemy: `loadtests/peers/` says which.

Both settle the same bills, sent by the same client over the same number of
connections, in turn, each with one worker on a new copy of the same database of the
same server. After each round the copy must hold what was acknowledged, once.

CPU is that of the gateway's processes and of the whole PostgreSQL server. Ours is
charged with the watch as well, until it has looked at every settlement; the other
gateway has none.
"""

from __future__ import annotations

import asyncio
import ctypes
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import click
import orjson
import uvloop

from gateway.demo.folder import scratch_folder
from gateway.demo.sandbox import open_sandbox, serving
from gateway.wiring import wall_clock
from settlement.domain.calendar import shanghai_day
from settlement.store.embedded import EmbeddedPostgres
from tests.bench import bodies
from tests.bench.cpu_time import cpu_s_of
from tests.bench.ground import (
    CONNECTIONS,
    Bench,
    Desks,
    eligible_cards,
    open_desks,
    roster_rows,
)
from tests.bench.measures import Measure
from tests.bench.raw_client import Load, run_load

if TYPE_CHECKING:
    from settlement.store.database import Connection

#: Made by `make bench-peers` beside the project's own environment.
ENVIRONMENT = Path(f"{sys.prefix}-fastapi")
NOT_INSTALLED = (
    "not measured: the other gateway's environment is not there; make bench-peers"
)
_PROJECT = Path(__file__).resolve().parents[2]
_WARM_S = 1.5
_POOLS = (2, 4, 8, 16, 32)
_READY = b"ready "
_READY_WITHIN_S = 60
_END_WITHIN_S = 40
_PR_SET_PDEATHSIG = 1
#: Of every approved bill the ledger, the totals and the log must tell the same.
_STORED = """
SELECT (SELECT count(*) FROM settlement WHERE state = 's') AS settled,
       (SELECT count(*) FROM settlement) AS all_states,
       (SELECT count(DISTINCT (facility_id, key)) FROM settle_key) AS keys,
       (SELECT count(*) FROM visit) AS visits,
       (SELECT size FROM log_head) AS leaves,
       (SELECT count(*) FROM log_leaf l JOIN sealed_record r
            ON r.month = l.month AND r.log_index = l.log_index
            AND l.entry = sha256(r.record)) AS records,
       (SELECT count(*) FROM answer WHERE length(tail) > 0) AS answers,
       (SELECT coalesce(sum(aid_fen), 0) FROM settlement)::bigint AS aid_fen,
       (SELECT coalesce(sum(amount_fen), 0) FROM posting
            WHERE pot = 'outpatient')::bigint AS posted_fen,
       (SELECT coalesce(sum(used_fen), 0) FROM accumulator
            WHERE pot = 'outpatient')::bigint AS used_fen
"""


_IS_WATCHED = (
    "SELECT (SELECT size FROM log_head) = (SELECT log_index FROM watch_cursor)"
)
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Ground:
    """What both stand on: one folder of keys and roster, one database to copy."""

    data_dir: Path
    server: EmbeddedPostgres
    desks: Desks

    @property
    def bench(self) -> Bench:
        """Cards and day of the bills; its sandbox is closed."""
        return self.desks.bench

    @property
    def token(self) -> str:
        """Of the first desk's session."""
        return self.desks.tokens[0]

    async def on_server(self, statement: str) -> None:
        """Run a statement on the server, beside all databases."""
        async with _connected(self.server.dsn_of("postgres")) as connection:
            await connection.execute(statement)

    @asynccontextmanager
    async def copy(self, name: str) -> AsyncIterator[str]:
        """The address of a new copy of the database, dropped afterwards."""
        whole = urlsplit(self.server.dsn).path.lstrip("/")
        await self.on_server(f'CREATE DATABASE "{name}" TEMPLATE "{whole}"')
        try:
            yield self.server.dsn_of(name)
        finally:
            await self.on_server(f'DROP DATABASE "{name}" WITH (FORCE)')


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway that answers."""

    pid: int
    url: str
    dsn: str

    @property
    def port(self) -> int:
        """Where it listens."""
        return urlsplit(self.url).port or 0


@dataclass(frozen=True, slots=True)
class _Round:
    """What one gateway did in one round."""

    load: Load
    gateway_us: float
    """CPU for each settlement: of its processes, and of PostgreSQL."""
    postgres_us: float

    @property
    def cpu_us(self) -> float:
        return self.gateway_us + self.postgres_us


def is_installed() -> bool:
    """Whether the other gateway can be run here."""
    return (ENVIRONMENT / ".made").exists()


async def measure(out: Path, *, seconds: float = 6.0, rounds: int = 3) -> list[Measure]:
    """Settlements a second, ours over theirs; CPU for each, ours over theirs.

    `out` takes the scratch folder. Where the other gateway is not installed, or one of
    the two has not stored what it acknowledged, both figures are refused.
    """
    scale = f"{CONNECTIONS} connections, one worker each, {seconds:.0f} s a round"
    rate = Measure("settle_to_fastapi", 15.0, at_least=True, scale=scale)
    cpu = Measure("settle_cpu_to_fastapi", 1 / 6, at_least=False, scale=scale)
    rate.title = "settled a second, to FastAPI and SQLAlchemy"
    cpu.title = "CPU for each settlement, to FastAPI and SQLAlchemy"
    if not is_installed():
        rate.refused = cpu.refused = NOT_INSTALLED
        return [rate, cpu]
    async with prepared(out / "beside-fastapi", roster_rows()) as ground:
        for number in range(rounds):
            try:
                # Turn by turn also within the rounds.
                first, second = (our_gateway, other_gateway)
                if number % 2:
                    first, second = second, first
                done = {
                    side: await _round(ground, side, number, seconds)
                    for side in (first, second)
                }
            except (NotStoredError, ConnectionError) as wrong:
                rate.refused = cpu.refused = str(wrong)
                break
            _note(rate, cpu, done[our_gateway], done[other_gateway])
    return [rate, cpu]


def _note(rate: Measure, cpu: Measure, ours: _Round, theirs: _Round) -> None:
    rate.ratios.append(ours.load.rate / theirs.load.rate)
    rate.note = (
        f"{ours.load.rate:,.0f}/s against {theirs.load.rate:,.0f}/s; median"
        f" {_ms(ours.load, 50)} against {_ms(theirs.load, 50)}, p99"
        f" {_ms(ours.load, 99)} against {_ms(theirs.load, 99)}"
    )
    cpu.ratios.append(ours.cpu_us / theirs.cpu_us)
    cpu.note = (
        f"{ours.cpu_us:,.0f} us ({ours.gateway_us:,.0f} gateway with watch,"
        f" {ours.postgres_us:,.0f} PostgreSQL) against {theirs.cpu_us:,.0f} us"
        f" ({theirs.gateway_us:,.0f} and {theirs.postgres_us:,.0f})"
    )
    click.echo(f"{rate.name}: {rate.ratios[-1]:.2f} ({rate.note})")
    click.echo(f"{cpu.name}: {cpu.ratios[-1]:.3f} ({cpu.note})")


def _ms(load: Load, percent: int) -> str:
    latencies = sorted(load.latencies_s)
    return f"{latencies[len(latencies) * percent // 100] * 1e3:.1f} ms"


#: Ours or the other gateway, on a copy of this name.
Opener = Callable[[Ground, str], AbstractAsyncContextManager[Running]]


class NotStoredError(Exception):
    """A database does not hold what its gateway acknowledged."""


@asynccontextmanager
async def prepared(folder: Path, roster: list[list[str]]) -> AsyncIterator[Ground]:
    """A sandbox with a roster and signed-in desks; nobody is connected to it.

    Our gateway has run in it for a moment: so the roster's cache is made, and the log
    has its empty head.
    """
    with scratch_folder(folder, "bench") as data_dir:
        async with open_sandbox(data_dir) as sandbox:
            await sandbox.import_roster(roster)
            day = shanghai_day(wall_clock()).isoformat()
            bench = Bench(sandbox, eligible_cards(roster), day, seconds=0)
            async with serving(sandbox, port=0, workers=1) as url:
                desks = await open_desks(bench, url)
        with EmbeddedPostgres(data_dir) as server:
            yield Ground(data_dir, server, desks)


@asynccontextmanager
async def our_gateway(ground: Ground, name: str) -> AsyncIterator[Running]:
    """Our gateway on a copy of the database and of the folder.

    A folder of its own, because it notes there how far the log has come.
    """
    folder = ground.data_dir / name
    shutil.copytree(
        ground.data_dir,
        folder,
        ignore=lambda _, names: [n for n in names if n.startswith(("postgres", name))],
    )
    try:
        async with ground.copy(name) as dsn:
            command = [
                *(sys.executable, "-m", "gateway.cli.main", "serve", "--port", "0"),
                *("--workers", "1", "--data-dir", str(folder), "--dsn", dsn),
            ]
            async with _answering(command, ground, dsn) as running:
                yield running
    finally:
        shutil.rmtree(folder)


@asynccontextmanager
async def other_gateway(
    ground: Ground, name: str, *options: str
) -> AsyncIterator[Running]:
    """The other gateway on a copy of the database; `options` end its command line."""
    async with ground.copy(name) as dsn:
        python = str(ENVIRONMENT / "bin" / "python")
        command = [python, "-m", "loadtests.peers", str(ground.data_dir), dsn, *options]
        async with _answering(command, ground, dsn) as running:
            yield running


@asynccontextmanager
async def _answering(
    command: Sequence[str], ground: Ground, dsn: str
) -> AsyncIterator[Running]:
    log = ground.data_dir / "beside.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            cwd=_PROJECT,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_READY_WITHIN_S):
            line = await process.stdout.readline()
        if not line.startswith(_READY):
            raise click.ClickException(f"{command[2]}: {log.read_text()[-2000:]}")
        yield Running(process.pid, line.removeprefix(_READY).strip().decode(), dsn)
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(_END_WITHIN_S):
            await process.wait()


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


async def _round(
    ground: Ground, open_gateway: Opener, number: int, seconds: float
) -> _Round:
    """Warm up, load, and look what was stored. Raises `NotStoredError`."""
    is_ours = open_gateway is our_gateway
    name = f"{'ours' if is_ours else 'theirs'}{number}"
    async with open_gateway(ground, name) as gateway:
        bill = bodies.bill_body(ground.bench.cards[0], "first", ground.bench.day)
        status, body = await post(gateway, ground.token, "first", bill)
        if status != HTTPStatus.CREATED:
            raise NotStoredError(f"{name} answered {status} to the first bill")
        warm = await _load(ground, gateway, "w", _WARM_S)
        if is_ours:
            await _watched(gateway)
        # Neither pays for what the other has left to be flushed.
        await ground.on_server("CHECKPOINT")
        server = ground.server.postmaster_pid
        assert server is not None
        before = cpu_s_of(gateway.pid), cpu_s_of(server)
        load = await _load(ground, gateway, f"s{number}", seconds)
        if is_ours:
            await _watched(gateway)
        after = cpu_s_of(gateway.pid), cpu_s_of(server)
        answered = 1 + warm.answers + load.answers
        async with _connected(gateway.dsn) as connection:
            aid_fen = orjson.loads(body)["aid_fen"]
            await check_stored(connection, name, answered, aid_fen)
    of_gateway, of_postgres = (
        (end - begin) / load.answers * 1e6
        for begin, end in zip(before, after, strict=True)
    )
    return _Round(load, of_gateway, of_postgres)


async def _load(ground: Ground, gateway: Running, run: str, seconds: float) -> Load:
    load = await run_load(
        gateway.port,
        ground.desks.bills(run),
        connections=CONNECTIONS,
        seconds=seconds,
    )
    if set(load.by_status) != {b"201"}:
        raise NotStoredError(f"unexpected answers: {load.by_status}")
    return load


async def post(
    gateway: Running, token: str, key: str, bill: bytes
) -> tuple[int, bytes]:
    """Send one bill; status and body of the answer."""
    headers = {
        "Authorization": f"Bearer {token}",
        "Idempotency-Key": key,
        "Content-Type": "application/json",
    }
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{gateway.url}/v1/settlements", data=bill, headers=headers) as got,
    ):
        return got.status, await got.read()


async def _watched(gateway: Running) -> None:
    """Wait until our watch has looked at everything."""
    async with _connected(gateway.dsn) as connection:
        while not await connection.fetchval(_IS_WATCHED):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_EVERY_S)


async def check_stored(
    connection: Connection, name: str, answered: int, aid_fen: int
) -> None:
    """Each acknowledged settlement is there once, with its aid, or `NotStoredError`."""
    stored = dict(await connection.fetchrow(_STORED) or {})
    sums = {stored.pop(of) for of in ("aid_fen", "posted_fen", "used_fen")}
    if sums != {answered * aid_fen} or set(stored.values()) != {answered}:
        raise NotStoredError(
            f"{name} acknowledged {answered} settlements of {aid_fen} fen each;"
            f" stored: {stored}, sums {sums}"
        )


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def _tune(out: Path, seconds: float, rounds: int) -> None:
    """What the other gateway does with pools of several sizes, in turn."""
    done: dict[int, list[_Round]] = {pool: [] for pool in _POOLS}
    async with prepared(out / "beside-fastapi", roster_rows()) as ground:
        for number in range(rounds):
            for pool, of_pool in done.items():
                of_size = partial(_of_size, pool)
                of_pool.append(await _round(ground, of_size, number, seconds))
    for pool, of_pool in done.items():
        rate = median(each.load.rate for each in of_pool)
        cpu_us = median(each.cpu_us for each in of_pool)
        click.echo(f"{pool} connections: {rate:,.0f}/s, {cpu_us:,.0f} us CPU each")


def _of_size(
    pool: int, ground: Ground, name: str
) -> AbstractAsyncContextManager[Running]:
    return other_gateway(ground, name, str(pool))


@click.command()
@click.option("--seconds", default=6.0, help="Length of one round of one gateway.")
@click.option("--rounds", default=3, help="Rounds of the comparison.")
@click.option("--tune", is_flag=True, help="Try the other one with other pools.")
def main(*, seconds: float, rounds: int, tune: bool) -> None:
    """Measure alone: `python -m tests.bench.beside_fastapi`."""
    if tune:
        uvloop.run(_tune(Path("var"), seconds, rounds))
        return
    for each in uvloop.run(measure(Path("var"), seconds=seconds, rounds=rounds)):
        click.echo(f"{each.name} {each.ratio:.3f} {each.refused or each.ratios}")


if __name__ == "__main__":
    main()

"""What every measurement of the gateway stands on: a sandbox, its people, its desks.

A hundred thousand persons, sixteen hospitals with four desks each. Bills say that they
were made at desks' pace on the days of their visits: were they all of this minute and
of one desk, every one would rightly be an alert.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit
from zlib import crc32

import click
from rich.console import Console

from eligibility_cache.generation import RosterGenerator
from gateway.client import GatewayClient
from gateway.demo.folder import scratch_folder
from gateway.demo.parties import facility, register_facilities
from gateway.demo.sandbox import Sandbox, line_to, open_sandbox, serving
from gateway.keyfiles import load_party_secret_key
from gateway.wiring import wall_clock
from settlement.domain.calendar import shanghai_day
from tests.bench import bodies, peers
from tests.bench.raw_client import Load, run_load

PERSONS = 100_000
CONNECTIONS = 64
HOSPITALS, DESKS_OF_EACH = 16, 4
#: A category of the demo pack whose aid has no cap, so that nobody's pot runs dry in
#: the middle of a measurement.
_UNCAPPED = "特困人员"

console = Console(width=None if sys.stdout.isatty() else 140)


@dataclass(frozen=True, slots=True)
class Bench:
    """A sandbox with its roster taken in."""

    sandbox: Sandbox
    cards: list[str]
    day: str
    seconds: float
    """Length of one round."""

    async def entries(self) -> int:
        """Settlements approved so far: each is an entry of the log, and no other is."""
        size: int = await self.sandbox.database.pool.fetchval(
            "SELECT size FROM log_head"
        )
        return size

    async def begin(self) -> int:
        """Free the watch of what earlier loads have left it; return `entries`.

        It looks at each settlement once, beside the load. What it has not come to when
        a load ends is not the next one's to pay.
        """
        await self.sandbox.database.pool.execute(
            "UPDATE watch_cursor SET log_index = (SELECT size FROM log_head)"
        )
        return await self.entries()


@dataclass(frozen=True, slots=True)
class Desks:
    """The hospitals' desks, signed in; sessions outlive a gateway."""

    bench: Bench
    tokens: list[str]

    def bills(self, run: str, *, timed: bool = True) -> Iterator[bytes]:
        """Settle requests of all desks in turn; `run` keeps two runs apart.

        Each desk has patients of its own, who come in turn; each run begins with
        others. No "f" in `run`: with zeros it would make a card's number.
        """
        cards, count = self.bench.cards, len(self.tokens)
        first = crc32(run.encode()) % len(cards)
        cards = cards[first:] + cards[:first]
        return chain.from_iterable(
            zip(
                *[
                    bodies.settlements(
                        cards[n::count],
                        self.bench.day,
                        token,
                        f"{run}x{n:02d}",
                        timed=timed,
                    )
                    for n, token in enumerate(self.tokens)
                ],
                strict=True,
            )
        )

    def bills_of_one(self, run: str) -> Iterator[bytes]:
        """Settle requests of one desk for one person, each for another visit."""
        cards = self.bench.cards[:1]
        return bodies.settlements(
            cards, self.bench.day, self.tokens[0], run, timed=True
        )

    def questions(self, *, with_quota: bool) -> Iterator[bytes]:
        """Eligibility requests over all persons."""
        return bodies.eligibility(
            self.bench.cards, self.bench.day, self.tokens[0], with_quota=with_quota
        )


@asynccontextmanager
async def open_bench(out: Path, seconds: float) -> AsyncIterator[Bench]:
    """An empty sandbox with the roster taken in; no gateway runs yet."""
    # Not out/bench: there bench-full keeps what took hours, and this one is emptied.
    with scratch_folder(out / "bench-sandbox", "bench") as data_dir:
        async with open_sandbox(data_dir) as sandbox:
            cards = await _roster(sandbox)
            yield Bench(sandbox, cards, shanghai_day(wall_clock()).isoformat(), seconds)


async def _roster(sandbox: Sandbox) -> list[str]:
    """Take in a made-up roster; the cards of persons eligible all this year."""
    rows = roster_rows()
    await sandbox.import_roster(rows)
    return eligible_cards(rows)


def roster_rows(
    persons: int = PERSONS, categories: Sequence[str] = (_UNCAPPED,)
) -> list[list[str]]:
    """A made-up roster, the same each time: the rows of a file."""
    spellings = {category: (category,) for category in categories}
    lines = RosterGenerator(spellings, seed=1).lines(persons)
    return [[*line.split(","), ""] for line in lines]


def eligible_cards(rows: Iterable[Sequence[str]]) -> list[str]:
    """The cards of persons eligible all this year."""
    begun, card, valid_from, valid_to = "2026-01-01", 1, 7, 8
    return sorted(
        {row[card] for row in rows if row[valid_from] < begun and not row[valid_to]}
    )


async def open_desks(bench: Bench, base_url: str) -> Desks:
    """Register the hospitals and sign every desk in."""
    wanted = [
        facility(
            f"BENCH{n:02d}", "bench", level=2, subdistrict="990101001", at=wall_clock()
        )
        for n in range(HOSPITALS)
    ]
    keys = await register_facilities(
        bench.sandbox.database,
        wanted,
        sealing_key=load_party_secret_key(bench.sandbox.data_dir),
        random=os.urandom,
    )
    async with line_to(base_url, connections=1) as line:
        tokens = [
            await GatewayClient(line, keys[each.code], f"desk{desk}").token()
            for desk in range(DESKS_OF_EACH)
            for each in wanted
        ]
    return Desks(bench, tokens)


@asynccontextmanager
async def gateway(
    bench: Bench, workers: int = 1, config: Path | None = None
) -> AsyncIterator[int]:
    """The gateway's port, as long as the block runs."""
    running = serving(bench.sandbox, port=0, workers=workers, config=config)
    async with running as base_url:
        yield port_of(base_url)


def port_of(base_url: str) -> int:
    """Where a gateway listens."""
    return urlsplit(base_url).port or 0


@dataclass(slots=True)
class Yardstick:
    """The bare echo; measured before and after each round of ours."""

    desks: Desks
    port: int
    rates: list[float] = field(default_factory=list)
    _bodies: Iterator[bytes] | None = None
    _last: Load | None = None

    async def load(self) -> Load:
        """One measurement of the echo: a third of a round."""
        bench = self.desks.bench
        await bench.begin()
        if self._bodies is None:
            self._bodies = bodies.echoes(
                bench.cards, bench.day, self.desks.tokens[0], timed=True
            )
        self._last = await run_load(
            self.port,
            self._bodies,
            connections=CONNECTIONS,
            seconds=bench.seconds / 3,
        )
        require_all(self._last, b"201")
        self.rates.append(self._last.rate)
        return self._last

    async def before(self) -> Load:
        """The one just made, where nothing but ours has run since; else a new one."""
        return self._last or await self.load()

    def forget(self) -> None:
        """Something else has run meanwhile."""
        self._last = None


@asynccontextmanager
async def open_yardstick(desks: Desks, port: int) -> AsyncIterator[Yardstick]:
    """The echo, with answers as long as those of the gateway on `port`."""
    load = await run_load(port, desks.bills("w"), connections=1, seconds=1)
    require_all(load, b"201")
    with peers.echo_server(load.bytes_in // load.answers) as echo_port:
        yield Yardstick(desks, echo_port)


def require_all(load: Load, status: bytes) -> None:
    """Raise where any answer was another one."""
    if set(load.by_status) != {status}:
        raise click.ClickException(f"unexpected answers: {load.by_status}")


async def settle(
    bench: Bench, port: int, bills: Iterator[bytes], seconds: float
) -> Load:
    """Settle in a closed loop. Raises unless each bill was approved and logged."""
    before = await bench.begin()
    load = await run_load(port, bills, connections=CONNECTIONS, seconds=seconds)
    await require_settled(bench, load, before)
    return load


async def require_settled(bench: Bench, load: Load, before: int) -> None:
    """Raise unless all answers are approvals and all of them are in the log."""
    require_all(load, b"201")
    added = await bench.entries() - before
    if added != load.answers:
        raise click.ClickException(
            f"{load.answers} answers, but {added} entries in the log"
        )


def percentile(values: list[float], percent: int) -> float:
    """The value below which so many percent of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]

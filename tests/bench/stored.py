"""Settling on a database that holds millions of settlements, and on an empty one.

Two gateways of one worker each stand side by side, with the same roster; loads take
turns, in changing order. Once the load is of persons whose settlements are stored, as
in life, and once of persons who never had one: the difference between the two is what
their own history costs at the desk. And once without detectors, who read that history:
what the size of the database alone costs.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import urlsplit
from zlib import crc32

import click
import uvloop
from rich.console import Console
from rich.table import Table

from gateway.client import GatewayClient
from gateway.demo.folder import scratch_folder
from gateway.demo.parties import facility, register_facilities
from gateway.demo.sandbox import Sandbox, line_to, open_sandbox, serving
from gateway.keyfiles import load_party_secret_key
from gateway.wiring import wall_clock
from settlement.domain.calendar import shanghai_day
from tests.bench import bodies
from tests.bench.measures import Measure
from tests.bench.raw_client import run_load
from tests.bench.stored_database import (
    PERSONS,
    Cards,
    bytes_of,
    prepared,
    roster_into,
    stored,
)

MILLIONS = 1_000_000
_CONNECTIONS = 64
_STARTS = 5
_START_S = 3.0
#: How often a running gateway looks whether rules were changed, and some.
_FOLLOWED_S = 2.5
#: Of all cards so many take part, so that requests need not be made for hours.
_CARDS = 40_000
#: A database that has grown further is not one of so many settlements.
_GROWN = 1.25

console = Console()


class Turn(NamedTuple):
    """One load: settlements a second, and kB of write-ahead log for each.

    What a table's size changes shows there first: after each checkpoint a page is
    written whole when it is first touched, and in a large index each row touches
    another.
    """

    rate: float
    wal_kb: float


@dataclass(frozen=True, slots=True)
class _Place:
    """One gateway under load."""

    sandbox: Sandbox
    port: int
    token: str
    cards: Cards

    def bills(self, run: str, cards: Sequence[str]) -> Iterator[bytes]:
        """Each run begins with others, so that all persons come in turn."""
        first = crc32(run.encode()) % len(cards)
        some = (*cards[first:], *cards[:first])[:_CARDS]
        day = shanghai_day(wall_clock()).isoformat()
        return bodies.settlements(some, day, self.token, run)

    async def load(self, run: str, cards: Sequence[str], seconds: float) -> Turn:
        """Settle for some seconds; every claim must get its decision."""
        bills = self.bills(run, cards)
        before = await self._wal()
        load = await run_load(
            self.port, bills, connections=_CONNECTIONS, seconds=seconds
        )
        if set(load.by_status) != {b"201"}:
            raise click.ClickException(f"unexpected answers: {load.by_status}")
        return Turn(load.rate, (await self._wal() - before) / load.answers / 1e3)

    async def use_rules(self, *, on: bool) -> None:
        """Of the detectors: all, or none."""
        await self.sandbox.database.pool.execute(
            "UPDATE alert_rules SET active = $1", on
        )

    async def _wal(self) -> int:
        """Bytes of write-ahead log so far."""
        written: int = await self.sandbox.database.pool.fetchval(
            "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"
        )
        return written


class _Seat(NamedTuple):
    """What takes a turn in each round."""

    letter: str
    place: _Place
    cards: Sequence[str]
    measure: Measure | None


async def measure(
    out: Path,
    count: int,
    *,
    target: int,
    seconds: float = 8.0,
    rounds: int = 7,
    persons: int = PERSONS,
) -> list[Measure]:
    """Throughput and start with `count` settlements stored, `target` in the end."""
    folder = out / f"stored-{target}"
    async with AsyncExitStack() as stack:
        full, cards = await stack.enter_async_context(
            prepared(folder, upto=count, target=target, persons=persons)
        )
        if await stored(full.database) > count * _GROWN:
            raise click.ClickException(
                f"{folder} holds more than {count:,} settlements already: remove it to"
                " measure with so many"
            )
        data_dir = stack.enter_context(scratch_folder(out / "stored-none", "bench"))
        empty = await stack.enter_async_context(open_sandbox(data_dir))
        with console.status(f"the same roster of {persons:,} on an empty database"):
            await roster_into(empty, persons)
        start = await _starts(empty, full, count)
        ours = await _place(stack, full, cards)
        none = await _place(stack, empty, cards)
        return [*await _compare(none, ours, count, seconds, rounds), start]


async def _starts(empty: Sandbox, full: Sandbox, count: int) -> Measure:
    """From the start of the process to `ready`, the database's server up already."""
    measure = Measure(
        f"start_with_{count}",
        _START_S,
        at_least=False,
        scale=f"{count:,} settlements stored, PostgreSQL running",
        title="start of the gateway, until it is ready",
        unit="s",
    )
    others = []
    for _ in range(_STARTS):
        others.append(await _start_s(empty))
        measure.ratios.append(await _start_s(full))
    measure.note = f"{median(others):.2f} s on an empty database"
    return measure


async def _start_s(sandbox: Sandbox) -> float:
    began = time.perf_counter()
    async with serving(sandbox, port=0, workers=1):
        return time.perf_counter() - began


async def _place(stack: AsyncExitStack, sandbox: Sandbox, cards: Cards) -> _Place:
    """A gateway with a session of a hospital that has never settled."""
    now = wall_clock()
    code = f"B{int(now.timestamp() * 1e3)}"
    keys = await register_facilities(
        sandbox.database,
        [facility(code, "bench", level=2, subdistrict="990101001", at=now)],
        sealing_key=load_party_secret_key(sandbox.data_dir),
        random=os.urandom,
    )
    url = await stack.enter_async_context(serving(sandbox, port=0, workers=1))
    async with line_to(url, connections=1) as line:
        token = await GatewayClient(line, keys[code], "bench").token()
    return _Place(sandbox, urlsplit(url).port or 0, token, cards)


async def _compare(
    none: _Place, ours: _Place, count: int, seconds: float, rounds: int
) -> list[Measure]:
    """Rounds in changing order; each ratio is of two loads side by side in time."""
    size = await stored(ours.sandbox.database)
    grown = await bytes_of(ours.sandbox.database)
    scale = (
        f"{size:,} settlements stored ({grown / 1e9:.0f} GB), {_CONNECTIONS}"
        " connections, one worker"
    )
    known = Measure(
        f"settle_with_{count}", 0.9, at_least=True, scale=scale,
        title="settle on a full database, of persons who have settlements stored, to"
        " an empty one",
    )  # fmt: skip
    new = Measure(
        f"settle_with_{count}_of_others", 0.9, at_least=True, scale=scale,
        title="the same of persons who have none",
    )  # fmt: skip
    bare = Measure(
        f"settle_with_{count}_without_detectors", 0.9, at_least=True, scale=scale,
        title="the same of persons who have some, without detectors: what the"
        " database's size alone costs",
    )  # fmt: skip
    # A first load each, uncounted: code, plans and pages are then in memory.
    for place in (none, ours):
        await place.load("w", place.cards.new, seconds / 2)
    for number in range(rounds):
        turns = [
            _Seat("n", none, none.cards.known, None),
            _Seat("k", ours, ours.cards.known, known),
            _Seat("o", ours, ours.cards.new, new),
        ]
        await _round(turns, number, seconds, size)
        without = [
            _Seat("m", none, none.cards.known, None),
            _Seat("b", ours, ours.cards.known, bare),
        ]
        async with _without_rules(none, ours):
            await _round(without, number, seconds, size)
    after = await stored(none.sandbox.database)
    known.note += f"; the empty one had {after:,} in the end"
    return [known, new, bare]


@asynccontextmanager
async def _without_rules(*places: _Place) -> AsyncIterator[None]:
    """No detectors meanwhile; each worker knows it when this begins."""
    try:
        for place in places:
            await place.use_rules(on=False)
        await asyncio.sleep(_FOLLOWED_S)
        yield
    finally:
        for place in places:
            await place.use_rules(on=True)
        await asyncio.sleep(_FOLLOWED_S)


async def _round(turns: list[_Seat], number: int, seconds: float, size: int) -> None:
    """One load after the other, forwards and backwards by turns.

    The first seat is the empty database's.
    """
    made: dict[str, Turn] = {}
    for turn in turns[:: -1 if number % 2 else 1]:
        made[turn.letter] = await turn.place.load(
            f"{turn.letter}{number}", turn.cards, seconds
        )
    none = made[turns[0].letter]
    for turn in turns:
        if turn.measure is not None:
            _note(turn.measure, made[turn.letter], none, size)
            console.print(f"{turn.measure.title}: {turn.measure.ratios[-1]:.3f}")


def _note(measure: Measure, ours: Turn, none: Turn, size: int) -> None:
    measure.ratios.append(ours.rate / none.rate)
    measure.note = (
        f"{ours.rate:,.0f} a second, {none.rate:,.0f} on the empty one;"
        f" {_slope(measure.ratio, size)}; {ours.wal_kb:.0f} kB of WAL each,"
        f" {none.wal_kb:.0f} on the empty one"
    )


def _slope(ratio: float, size: int) -> str:
    return f"{per_million(ratio, size) * 100:+.1f} % for each million stored"


def per_million(ratio: float, size: int) -> float:
    """What each million stored settlements changes, as a part of the empty one's."""
    return (ratio - 1.0) / (size / MILLIONS)


@click.command()
@click.option("--count", default=3 * MILLIONS, help="Settlements stored.")
@click.option("--target", type=int, help="On the way to so many (default: count).")
@click.option("--persons", default=PERSONS, help="Persons on the roster.")
@click.option("--seconds", default=8.0, help="Length of one load.")
@click.option("--rounds", default=7, help="Rounds of three loads.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("var/bench"))
def main(  # one for each option
    *, count: int, target: int | None, persons: int, seconds: float, rounds: int,
    out: Path,
) -> None:  # fmt: skip
    """Settle on a database that holds so many settlements, and on an empty one."""
    measures = uvloop.run(
        measure(
            out,
            count,
            target=target or count,
            seconds=seconds,
            rounds=rounds,
            persons=persons,
        )
    )
    table = Table("figure", "median", "spread", "note")
    for each in measures:
        spread = f"{min(each.ratios):.3f} to {max(each.ratios):.3f}"
        table.add_row(each.name, f"{each.ratio:.3f}", spread, each.note)
    console.print(table)


if __name__ == "__main__":
    main()

"""What detectors cost the cashier, and how soon the bureau sees an alert.

Throughput: rounds with the alert rules on and off take turns on one gateway, over the
same persons, who have a few visits a year; so whatever else differs falls on both.
Visibility: a paced load in which each visit is claimed twice; from the instant of the
second settling to the moment at which the alert's event has come to a bureau that
reads the stream.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from zlib import crc32

import aiohttp
import click
import uvloop

from eligibility_cache.generation import RosterGenerator
from gateway.client import GatewayClient
from gateway.demo.folder import scratch_folder
from gateway.demo.parties import facility, register_facilities
from gateway.demo.sandbox import line_to, open_sandbox, serving
from gateway.keyfiles import load_party_secret_key
from gateway.wiring import wall_clock
from settlement.domain.calendar import shanghai_day
from tests.bench import bodies
from tests.bench.measures import Measure
from tests.bench.raw_client import Load, run_load, run_paced

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from settlement.store.database import Database

#: So many that a run gives each a few visits a year, as most people have.
_PERSONS = 40_000
_CONNECTIONS = 64
_PACE = 100
_HOSPITAL, _BUREAU = "BENCHW", "BENCHB"
#: Bills say that they were made on the days of their visits, at desks' pace. Were they
#: all of this minute, every operator would rightly be an alert that never ends.
_OPERATORS = 200
_CATEGORY = "特困人员"
#: How often a running gateway looks whether rules were changed, and some.
_FOLLOWED_S = 2.5
#: What was told and does not come in the stream by then is lost.
_READ_WITHIN_S = 10.0


@dataclass(slots=True)
class _Place:
    """The gateway under load."""

    database: Database
    url: str
    bureau: str
    """Token of a bureau's session."""
    tokens: list[str]
    cards: list[str]
    day: str

    @property
    def port(self) -> int:
        """Where the gateway listens."""
        return urlsplit(self.url).port or 0

    async def switch(self, *, on: bool) -> None:
        """Use the rules, or none; wait until the worker knows."""
        await self.database.pool.execute("UPDATE alert_rules SET active = $1", on)
        await asyncio.sleep(_FOLLOWED_S)

    def bills(self, run: str) -> Iterator[bytes]:
        """Bills of all operators in turn, each with cards of its own."""
        count = len(self.tokens)
        # Each run begins with others, so that all persons come in turn.
        first = crc32(run.encode()) % len(self.cards)
        cards = self.cards[first:] + self.cards[:first]
        return chain.from_iterable(
            zip(
                *(
                    # No "f" in a name: with zeros it would make a card's number.
                    bodies.settlements(
                        cards[n::count], self.day, token, f"{run}x{n:03d}", timed=True
                    )
                    for n, token in enumerate(self.tokens)
                ),
                strict=True,
            )
        )

    async def watched(self) -> None:
        """Wait until the watch has looked at everything."""
        query = (
            "SELECT (SELECT size FROM log_head) = (SELECT log_index FROM watch_cursor)"
        )
        while not await self.database.pool.fetchval(query):  # noqa: ASYNC110
            await asyncio.sleep(0.2)


@asynccontextmanager
async def _open(out: Path) -> AsyncIterator[_Place]:
    with scratch_folder(out / "alerts-cost", "bench") as data_dir:
        async with open_sandbox(data_dir) as sandbox:
            lines = RosterGenerator({_CATEGORY: (_CATEGORY,)}, seed=1).lines(_PERSONS)
            rows = [[*line.split(","), ""] for line in lines]
            await sandbox.import_roster(rows)
            begun, card, since, until = "2026-01-01", 1, 7, 8
            cards = sorted(r[card] for r in rows if r[since] < begun and not r[until])
            hospital = facility(
                _HOSPITAL, "bench", level=2, subdistrict="990101001", at=wall_clock()
            )
            bureau = replace(
                hospital, code=_BUREAU, role="bureau", level=None, subdistrict=""
            )
            keys = await register_facilities(
                sandbox.database,
                [hospital, bureau],
                sealing_key=load_party_secret_key(data_dir),
                random=os.urandom,
            )
            async with serving(sandbox, port=0, workers=1) as url:
                async with line_to(url, connections=1) as line:
                    tokens = [
                        await GatewayClient(line, keys[_HOSPITAL], f"b{n}").token()
                        for n in range(_OPERATORS)
                    ]
                    reader = await GatewayClient(line, keys[_BUREAU], "b").token()
                yield _Place(
                    sandbox.database,
                    url,
                    reader,
                    tokens,
                    cards,
                    shanghai_day(wall_clock()).isoformat(),
                )


async def measure(out: Path, *, seconds: float = 6.0, rounds: int = 5) -> list[Measure]:
    """Both figures, on a gateway of their own."""
    cost = Measure(
        "settle_with_detectors", 0.9, at_least=True,
        scale=f"{_PERSONS} persons, {_CONNECTIONS} connections, one worker",
    )  # fmt: skip
    visible = Measure(
        "alert_visible_p99", 1.0, at_least=False, scale=f"{_PACE} claims a second"
    )
    async with _open(out) as place:
        await _round(place, "w", 2.0)
        for number in range(rounds):
            rates = {}
            # Turn by turn also within the rounds.
            for on in (True, False) if number % 2 else (False, True):
                await place.watched()
                await place.switch(on=on)
                rates[on] = await _round(
                    place, f"{'y' if on else 'n'}{number}", seconds
                )
            cost.ratios.append(rates[True] / rates[False])
            cost.note = f"{rates[True]:,.0f}/s with, {rates[False]:,.0f}/s without"
        await place.watched()
        await place.switch(on=True)
        await _visible(place, visible, 2 * seconds)
    return [cost, visible]


async def _round(place: _Place, run: str, seconds: float) -> float:
    load = await run_load(
        place.port,
        place.bills(run),
        connections=_CONNECTIONS,
        seconds=seconds,
    )
    _require_settled(load)
    return load.rate


def _require_settled(load: Load) -> None:
    assert set(load.by_status) == {b"201"}, load.by_status


@asynccontextmanager
async def _reading(place: _Place, seen: dict[int, float]) -> AsyncIterator[None]:
    """Read the stream as a bureau does: when each event had come, by its number."""
    begun = asyncio.Event()

    async def read() -> None:
        headers = {"Authorization": f"Bearer {place.bureau}"}
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as http,
            http.get(f"{place.url}/v1/alerts/stream", headers=headers) as response,
        ):
            assert response.status == HTTPStatus.OK, await response.read()
            number = 0
            async for line in response.content:
                if line.startswith(b"id: "):
                    number = int(line[4:])
                elif line == b"\n":
                    seen.setdefault(number, wall_clock().timestamp())
                    begun.set()

    reading = asyncio.create_task(read())
    try:
        async with asyncio.timeout(_READ_WITHIN_S):
            await begun.wait()
        yield
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _visible(place: _Place, visible: Measure, seconds: float) -> None:
    """The delay of each alert raised, p99; its parts are told by `note`."""
    first = await place.database.pool.fetchval(
        "SELECT coalesce(max(seq), 0) FROM alert_event"
    )
    seen: dict[int, float] = {}
    async with _reading(place, seen):
        load = await run_paced(
            place.port, _twice(place), per_second=_PACE, seconds=seconds
        )
        _require_settled(load)
        await place.watched()
        last = await place.database.pool.fetchval("SELECT max(seq) FROM alert_event")
        async with asyncio.timeout(_READ_WITHIN_S):
            while last not in seen:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    rows = await place.database.pool.fetch(
        "SELECT e.seq, extract(epoch FROM s.settled_at)::float8 AS settled,"
        " extract(epoch FROM e.at)::float8 AS looked"
        " FROM alert_event e JOIN alert a ON a.id = e.alert_id"
        " JOIN settlement s ON s.id = a.latest"
        " WHERE e.seq > $1 AND e.what = 'raised' AND a.detector = 'exact-repeat'",
        first,
    )
    delays = sorted(seen[row["seq"]] - row["settled"] for row in rows)
    assert len(delays) > _PACE * seconds / 4, "too few alerts to tell"
    p99 = delays[len(delays) * 99 // 100]
    # Until its look began, as against the look itself, its commit and the stream.
    waited = median(row["looked"] - row["settled"] for row in rows)
    visible.ratios.append(p99)
    visible.note = (
        f"{len(delays):,} alerts: median {median(delays) * 1e3:.0f} ms, p99"
        f" {p99 * 1e3:.0f} ms, from the instant of settling; until its look began,"
        f" median {waited * 1e3:.0f} ms"
    )


def _twice(place: _Place) -> Iterator[bytes]:
    """Each bill a second time under another key and visit number."""
    # So long that no session's token holds it.
    for one in place.bills("once-a"):
        yield one
        yield one.replace(b"once-ax", b"once-bx")


@click.command()
@click.option("--seconds", default=6.0, help="Length of one round.")
@click.option("--rounds", default=5, help="Rounds of the comparison.")
def main(*, seconds: float, rounds: int) -> None:
    """Measure alone: `python -m tests.bench.alerts_cost`."""
    for each in uvloop.run(measure(Path("var"), seconds=seconds, rounds=rounds)):
        click.echo(f"{each.name} {each.ratio:.3f} {each.ratios} {each.note}")


if __name__ == "__main__":
    main()

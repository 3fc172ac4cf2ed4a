"""Settling while a month is matched beside it: whether anybody waits longer.

Twice: at a pace that a busy district has (open arrival), which is what the target is
about; and with four callers who never pause, which fills both cores by itself.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

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

_SECONDS = 12.0
_ROUNDS = 3
#: Settlements a second: a country's busiest minute is a few hundred.
_PACE = 100
#: Callers who send their next bill as soon as the last is answered.
_CALLERS = 4
_HOSPITAL = "BENCH"


async def settle_p99_while_closing(out: Path, ledger: str, count: int) -> list[Measure]:
    """p99 of settling with a match going on all the time, over p99 without."""
    scale = f"{count:,} settlements"
    measures = [
        Measure(
            "settle_p99_while_matching",
            1.5,
            at_least=False,
            scale=f"{scale}, {_PACE} a second",
        ),
        Measure(
            "settle_p99_while_matching_full",
            1.5,
            at_least=False,
            scale=f"{scale}, {_CALLERS} callers without a pause",
        ),
    ]
    with scratch_folder(out / "closing", "bench") as data_dir:
        async with open_sandbox(data_dir) as sandbox:
            lines = RosterGenerator({"特困人员": ("特困人员",)}, seed=1).lines(2_000)
            rows = [[*line.split(","), ""] for line in lines]
            await sandbox.import_roster(rows)
            cards = sorted(
                row[1] for row in rows if row[7] < "2026-01-01" and not row[8]
            )
            keys = await register_facilities(
                sandbox.database,
                [
                    facility(
                        _HOSPITAL,
                        "bench",
                        level=2,
                        subdistrict="990101001",
                        at=wall_clock(),
                    )
                ],
                sealing_key=load_party_secret_key(data_dir),
                random=os.urandom,
            )
            async with sandbox.database.pool.acquire() as session:
                hospital = await session.fetchval(
                    "SELECT id FROM party WHERE code = $1", _HOSPITAL
                )
                await session.execute(ledger, hospital, count)
                await session.execute(
                    "INSERT INTO opened_month"
                    " VALUES (202601, 0, $1, 'made for a measurement', now(), 'bench')",
                    count,
                )
                await session.execute("ANALYZE settlement")
            # So that it is the ledger that is matched: these rows have no records, and
            # each would be a difference.
            (data_dir / "bureau" / "bureau-key.json").unlink()
            day = shanghai_day(wall_clock()).isoformat()
            async with serving(sandbox, port=0, workers=1) as url:
                async with line_to(url, connections=1) as line:
                    token = await GatewayClient(line, keys[_HOSPITAL], "b").token()
                at = _Gateway(urlsplit(url).port or 0, cards, day, token)
                for number in range(_ROUNDS):
                    # No "f" in a name: with zeros it would make a card's number.
                    await _compare(measures[0], at.paced, data_dir, f"d{number}")
                    await _compare(measures[1], at.full, data_dir, f"l{number}")
    return measures


@dataclass(frozen=True, slots=True)
class _Gateway:
    """What the load needs to know of the gateway."""

    port: int
    cards: list[str]
    day: str
    token: str

    async def paced(self, name: str) -> float:
        """p99 in seconds, each settlement at its time."""
        load = await run_paced(
            self.port, self._bills(name), per_second=_PACE, seconds=_SECONDS
        )
        return _p99(load)

    async def full(self, name: str) -> float:
        """p99 in seconds, each caller as fast as it is answered."""
        load = await run_load(
            self.port, self._bills(name), connections=_CALLERS, seconds=_SECONDS
        )
        return _p99(load)

    def _bills(self, name: str) -> Iterator[bytes]:
        return bodies.settlements(self.cards, self.day, self.token, name)


def _p99(load: Load) -> float:
    assert set(load.by_status) == {b"201"}, load.by_status
    latencies = sorted(load.latencies_s)
    return latencies[len(latencies) * 99 // 100]


async def _compare(
    measure: Measure, load: Callable[[str], Awaitable[float]], data_dir: Path, name: str
) -> None:
    alone = await load(f"a{name}")
    stop = asyncio.Event()
    matching = asyncio.create_task(_match_on(data_dir, stop))
    beside = await load(f"b{name}")
    stop.set()
    matches = await matching
    measure.ratios.append(beside / alone)
    measure.note = (
        f"{beside * 1e3:.1f} ms beside {matches} matches, {alone * 1e3:.1f} ms alone"
    )


async def _match_on(data_dir: Path, stop: asyncio.Event) -> int:
    """Match one time after the other until told to stop; how many times."""
    matches = 0
    while not stop.is_set():
        await _medaid(data_dir, "match")
        matches += 1
    return matches


async def _medaid(data_dir: Path, command: str) -> None:
    program = str(Path(sys.executable).with_name("medaid"))
    about = ("reconcile", command, "--month", "2026-01", "--data-dir", str(data_dir))
    running = await asyncio.create_subprocess_exec(
        program, *about, stdout=asyncio.subprocess.DEVNULL
    )
    assert await running.wait() == 0

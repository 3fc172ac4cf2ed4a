"""The roster at a city's scale: taking it in, starting on it, asking it, changing it.

Two sandboxes with made-up rosters, one of a tenth of the persons: between the two lies
the slope, from which the time and size for 80 million persons are told on paper. Files
are made, signed and taken in by the commands that an operator uses; the cache is built
by what the gateway builds it with. Sandboxes are kept: what is measured anew is the
cache and whatever comes after it, for importing a city takes its minutes but once
(`--again` for that too).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Self

import click
import orjson
import uvloop
from rich.console import Console

from gateway.demo.folder import scratch_folder
from gateway.demo.sandbox import Sandbox, open_sandbox
from gateway.location import own_data_dir
from tests.bench.city_changes import changes_felt, eligibility_beside
from tests.bench.measures import Measure

CITY = 9_220_000
COUNTRY = 80_000_000
_TENTH = 10
#: Against whom eligibility over HTTP is measured.
_TOWN = 10_000
_LOAD_S, _IMPORTER_MB, _START_S, _WORKER_MB, _LOOK_UP_US = 600.0, 500.0, 2.0, 150.0, 6.0
_STARTS = 5
_MADE = "made.json"
_FILES = "roster-file"
#: Cards that are asked for.
_CARDS = 150_000
_BEGUN = "2026-01-01"
_CARD, _FROM, _TO = 1, 7, 8

console = Console()


@dataclass(frozen=True, slots=True)
class Took:
    """What one process took."""

    wall_s: float
    cpu_s: float
    rss_mb: float


@dataclass(frozen=True, slots=True)
class Loaded:
    """A roster from its file to a cache that answers."""

    persons: int
    rows: int
    importing: Took
    building: Took
    cache_bytes: int
    database_bytes: int

    @property
    def wall_s(self) -> float:
        """File to ready."""
        return self.importing.wall_s + self.building.wall_s


def run_measured(arguments: Sequence[str]) -> tuple[Took, bytes]:
    """Run this Python with arguments; what it took itself, and what it printed.

    Raises `click.ClickException` where it fails.
    """
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env={k: v for k, v in os.environ.items() if not k.startswith("MEDAID_")},
    )
    with process:
        printed = process.stdout.read() if process.stdout else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise click.ClickException(f"{' '.join(arguments[:5])} failed")
    cpu_s = usage.ru_utime + usage.ru_stime
    took = Took(time.monotonic() - began, cpu_s, usage.ru_maxrss / 1e3)
    return took, printed


async def measure(
    out: Path, persons: int = CITY, *, again: bool = False, runs: int = 50
) -> list[Measure]:
    """All figures, on rosters of so many persons and of a tenth of them."""
    async with AsyncExitStack() as stack:
        tenth = await stack.enter_async_context(_Place(out, persons // _TENTH, again))
        small = await tenth.loaded()
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(_Place(out, persons, again))
        city = await place.loaded()
        found = [*_loading(city), *_on_paper(small, city), *_worker(place)]
        data_dir = stack.enter_context(scratch_folder(out / "city-town", "bench"))
        town = await stack.enter_async_context(open_sandbox(data_dir))
        await _take_in(town, _TOWN)
        cards = place.cards.read_text(encoding="ascii").split()
        few = cards_of(data_dir / _FILES / "roster.csv")
        found.append(await eligibility_beside(town, few, place.sandbox, cards))
        file = place.file
        found.append(await changes_felt(place.sandbox, file, persons, runs=runs))
    return found


class _Place:
    """A kept sandbox with a roster of so many persons."""

    def __init__(self, out: Path, persons: int, again: bool) -> None:  # passed on
        self._folder = own_data_dir(out / f"city-{persons}")
        self.persons = persons
        self._again = again
        self._stack = AsyncExitStack()
        self.sandbox: Sandbox

    async def __aenter__(self) -> Self:
        made = self._folder / _MADE
        if self._again or not made.exists():
            with scratch_folder(self._folder, "bench"):
                pass
        self.sandbox = await self._stack.enter_async_context(open_sandbox(self._folder))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def file(self) -> Path:
        """The roster's data file."""
        return self._folder / _FILES / "roster.csv"

    @property
    def cards(self) -> Path:
        """Some of its cards, one a line."""
        return self._folder / "cards.txt"

    async def loaded(self) -> Loaded:
        """Take the file in where it was not, and build the cache anew."""
        made = self._folder / _MADE
        if made.exists():
            kept = orjson.loads(made.read_bytes())
            rows, importing = kept["rows"], Took(**kept["importing"])
        else:
            rows, importing = await _take_in(self.sandbox, self.persons)
            kept = {"rows": rows, "importing": asdict(importing)}
            made.write_bytes(orjson.dumps(kept))
            self.cards.write_text("\n".join(cards_of(self.file)), encoding="ascii")
        cache = self._folder / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        building, _ = run_measured(
            ["-m", "tests.bench.city_process", "build", self.sandbox.database.dsn,
             str(cache), str(self._folder)]
        )  # fmt: skip
        size = "SELECT pg_database_size(current_database())"
        loaded = Loaded(
            persons=self.persons,
            rows=rows,
            importing=importing,
            building=building,
            cache_bytes=sum(f.stat().st_size for f in cache.rglob("data.mdb")),
            database_bytes=await self.sandbox.database.pool.fetchval(size),
        )
        console.print(_sentence(loaded))
        return loaded

    def worker(self, cache: Path) -> dict[str, list[float] | float]:
        """Start a worker on a cache; what it says of itself."""
        begun = repr(time.monotonic())
        _, said = run_measured(
            ["-m", "tests.bench.city_process", "worker", str(cache),
             str(self._folder), str(self.cards), begun]
        )  # fmt: skip
        found: dict[str, list[float] | float] = orjson.loads(said)
        return found

    @property
    def cache(self) -> Path:
        """The machine's cache."""
        return self._folder / "cache"


async def _take_in(sandbox: Sandbox, persons: int) -> tuple[int, Took]:
    """Make, sign and take in a file; its rows, and what taking it in took."""
    folder = sandbox.data_dir / _FILES
    shutil.rmtree(folder, ignore_errors=True)
    key = sandbox.data_dir / "bureau" / "roster-key.json"
    manifest = folder / "manifest.json"
    await sandbox.tool(
        "roster", "generate", "--persons", str(persons), "--out", str(folder)
    )
    await sandbox.tool(
        "roster", "sign", str(folder / "roster.csv"), "--kind", "full",
        "--version", "1", "--key", str(key), "--out", str(manifest),
    )  # fmt: skip
    took, printed = run_measured(
        ["-m", "gateway.cli.main", "roster", "import", str(manifest), "--json",
         "--data-dir", str(sandbox.data_dir)]
    )  # fmt: skip
    return int(orjson.loads(printed)["rows"]), took


def cards_of(file: Path) -> list[str]:
    """Cards of persons who are eligible from this year's beginning on."""
    with file.open(encoding="utf-8") as lines:
        found: list[str] = []
        for line in lines:
            row = line.rstrip("\n").split(",")
            if row[_FROM] < _BEGUN and not row[_TO]:
                found.append(row[_CARD])
                if len(found) == 2 * _CARDS:
                    break
    # One of two, so that households do not stand side by side.
    return list(dict.fromkeys(found))[::2] or found


def _loading(city: Loaded) -> list[Measure]:
    scale = f"{city.persons:,} persons, {city.rows:,} rows"
    load = Measure(
        "roster_first_load", round(_LOAD_S * city.persons / CITY, 1), at_least=False,
        scale=scale, title="first load of the roster, file to ready", unit="s",
    )  # fmt: skip
    load.ratios.append(city.wall_s)
    load.note = (
        f"import {city.importing.wall_s:.0f} s (its own processor time"
        f" {city.importing.cpu_s:.0f} s), cache {city.building.wall_s:.0f} s"
        f" ({city.building.cpu_s:.0f} s, {city.building.rss_mb:.0f} MB);"
        f" database {city.database_bytes / 1e9:.1f} GB, cache"
        f" {city.cache_bytes / 1e6:.0f} MB"
    )
    memory = Measure(
        "roster_importer_memory", _IMPORTER_MB, at_least=False, scale=scale,
        title="memory of the importer at its peak", unit="MB",
    )  # fmt: skip
    memory.ratios.append(city.importing.rss_mb)
    return [load, memory]


def _on_paper(small: Loaded, city: Loaded) -> list[Measure]:
    """From the slope between the two: what each further person costs."""
    further = city.persons - small.persons
    each_s = (city.wall_s - small.wall_s) / further
    each_bytes = (city.cache_bytes - small.cache_bytes) / further
    more = COUNTRY - city.persons
    load = Measure(
        "roster_80_million_load", _LOAD_S / 60 * COUNTRY / CITY, at_least=False,
        scale=f"from the slope between {small.persons:,} and {city.persons:,}",
        title="80 million persons on paper: first load", unit="min",
    )  # fmt: skip
    load.ratios.append((city.wall_s + each_s * more) / 60)
    load.note = f"{each_s * 1e6:.1f} us for each further person"
    if each_s <= 0:
        load.refused = "the smaller roster took longer: the machine was busy"
    size = Measure(
        "roster_80_million_cache", 16.0, at_least=False, scale=load.scale,
        title="80 million persons on paper: the cache", unit="GB",
    )  # fmt: skip
    size.ratios.append((city.cache_bytes + each_bytes * more) / 1e9)
    size.note = f"{each_bytes:.0f} bytes for each further person"
    return [load, size]


def _worker(place: _Place) -> list[Measure]:
    """Start, memory and look-ups of a worker process."""
    scale = f"{place.persons:,} persons"
    start = Measure(
        "roster_warm_start", _START_S, at_least=False, scale=scale, unit="s",
        title="a worker on a city's cache, process start to first answer",
    )  # fmt: skip
    memory = Measure(
        "roster_worker_memory", _WORKER_MB, at_least=False, scale=scale, unit="MB",
        title="private memory of a worker that has asked the whole cache, in all",
    )  # fmt: skip
    look = Measure(
        "roster_look_up", _LOOK_UP_US, at_least=False, scale=scale, unit="us",
        title="look-up in process by social security card, token included",
    )  # fmt: skip
    for _ in range(_STARTS):
        said = place.worker(place.cache)
        assert isinstance(said["us"], list)
        start.ratios.append(float(str(said["ready_s"])))
        # More than what it has above an empty one, so whoever is below is below.
        memory.ratios.append(float(str(said["private_mb"])))
        look.ratios.append(median(said["us"]))
        memory.note = f"{said['gained_mb']:.1f} MB of it since it began to ask"
    return [start, memory, look]


@click.command()
@click.option("--persons", default=CITY, show_default=True)
@click.option("--runs", default=50, show_default=True, help="Deltas of 3,207 persons.")
@click.option("--again", is_flag=True, help="Make and take in the files anew.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("var/bench"))
def main(*, persons: int, runs: int, again: bool, out: Path) -> None:
    """Measure alone: `python -m tests.bench.city_roster --persons 200000`."""
    for each in uvloop.run(measure(out, persons, again=again, runs=runs)):
        low, high = each.spread
        console.print(
            f"{each.name} {each.ratio:.3f} {each.unit} ({low:.3f} to {high:.3f}),"
            f" target {each.target}: {each.note}"
        )


def _sentence(loaded: Loaded) -> str:
    return (
        f"{loaded.persons:,} persons: import {loaded.importing}, cache"
        f" {loaded.building}, {loaded.cache_bytes / loaded.persons:.0f} bytes a person"
    )


if __name__ == "__main__":
    main()

"""Memory of the gateway's processes under a steady load for an hour.

A worker that keeps something for each request grows for ever. Each process is looked
at every ten seconds; the picture shows all of them, the figure is the worker's.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import click
import uvloop
from rich.console import Console
from rich.progress import Progress, TimeRemainingColumn

from gateway.client import GatewayClient
from gateway.demo.folder import scratch_folder
from gateway.demo.parties import facility, register_facilities
from gateway.demo.sandbox import line_to, open_sandbox, serving
from gateway.keyfiles import load_party_secret_key
from gateway.wiring import wall_clock
from settlement.domain.calendar import shanghai_day
from tests.bench import bodies
from tests.bench.measures import Measure
from tests.bench.memory_picture import picture
from tests.bench.raw_client import Load, run_load, run_paced
from tests.bench.stored_database import roster_into

HOUR_S = 3_600.0
PICTURE = Path("docs/performance-memory.svg")
#: Most that a flat worker gains in an hour, in MB. At some hundred settlements a second
#: it is a byte or less for each: nothing that Python keeps of anything is so small, a
#: reference alone takes eight. In a year it would be 9 GB, so this is no licence, but
#: what can be told from an allocator that settles.
FLAT_MB = 1.0
#: At the beginning caches fill, each of which has an end: 256 tiles of the log, the
#: sessions of an hour, statements, and the pages that the allocator keeps at hand.
_WARM = 0.25
_EVERY_S = 10.0
_FEWEST = 8
_PERSONS = 40_000
#: What a settlement takes on the disk at most, with its WAL.
_BYTES_EACH = 16_000
_CONNECTIONS = 64
#: At a pace below the highest few are used, and the last ones hardly ever: the gateway
#: must not close them meanwhile.
_PACED_CONNECTIONS = 24
_CONFIG = "idle_s = 3600\n"
_MEGABYTE = 1 << 20
#: Which process it is, by the module that it runs.
_NAMES = {
    "gateway.worker_process": "worker",
    "gateway.watch_process": "watch",
    "gateway.cli.main": "supervisor",
}

console = Console()


@dataclass(frozen=True, slots=True)
class Growth:
    """What became of one process's memory after the first quarter."""

    mb_an_hour: float
    """Slope of Theil and Sen: the median over all pairs, which single peaks do not
    move."""
    step_mb: float
    """Median of the last third less that of the first: what a step at one moment,
    which the slope may not show, has added."""
    middle_mb: float

    @property
    def is_flat(self) -> bool:
        """Whether neither grew by more than `FLAT_MB`; falling is flat."""
        return self.mb_an_hour <= FLAT_MB and self.step_mb <= FLAT_MB


@dataclass(slots=True)
class Watched:
    """Samples of each process: seconds since the begin, and MB."""

    samples: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def note(self, name: str, seconds: float, megabytes: float) -> None:
        """One sample of one process."""
        self.samples.setdefault(name, []).append((seconds, megabytes))


def growth(samples: Sequence[tuple[float, float]]) -> Growth:
    """How memory grew over the last three quarters of the samples.

    Of seconds and MB, in order of time. Raises `ValueError` below eight samples.
    """
    if len(samples) < _FEWEST:
        raise ValueError("too few samples to tell anything")
    kept = list(samples)[int(len(samples) * _WARM) :]
    slopes = [
        (b - a) / (later - earlier)
        for (earlier, a), (later, b) in itertools.combinations(kept, 2)
        if later > earlier
    ]
    megabytes = [size for _, size in kept]
    third = len(kept) // 3
    return Growth(
        median(slopes) * HOUR_S,
        median(megabytes[-third:]) - median(megabytes[:third]),
        median(megabytes),
    )


def steady_rate(highest: float, free: int, seconds: float) -> float:
    """Settlements a second: half of the highest, and no more than the disk can hold.

    Half of what is free, in bytes, stays free.
    """
    return min(highest / 2, free / 2 / _BYTES_EACH / seconds)


def memory_of(pid: int) -> float | None:
    """MB that the process has made itself; `None` where it is gone.

    Not what it has mapped from files, code above all: that is shared with whoever
    else runs Python, and how much of it counts for one changes with them.
    """
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return None
    for line in text.splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024 / _MEGABYTE
    return None


def our_processes() -> dict[int, str]:
    """The gateway's processes below this one, by id."""
    found: dict[int, str] = {}
    for pid in _below(os.getpid()):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        for module, name in _NAMES.items():
            if module in words:
                found[pid] = name
    if "worker" not in found.values():
        # One worker alone is the process that was started.
        alone = {pid for pid, name in found.items() if name == "supervisor"}
        found |= dict.fromkeys(alone, "worker")
    return found


def _below(pid: int) -> Iterator[int]:
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = path.read_text(encoding="ascii").split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        for child in map(int, children):
            yield child
            yield from _below(child)


async def measure(
    out: Path,
    *,
    seconds: float = HOUR_S,
    picture_path: Path = PICTURE,
    per_second: float | None = None,
) -> list[Measure]:
    """A steady load of so many seconds, and what the worker's memory did meanwhile."""
    async with _place(out) as place:
        highest = await place.highest()
        free = shutil.disk_usage(out).free
        rate = per_second or steady_rate(highest, free, seconds)
        watched = Watched()
        load = await _soak(place, rate, seconds, watched)
    title = f"Memory of the gateway, {rate:,.0f} settlements a second"
    text = picture(watched.samples, title=title, warm=_WARM)
    picture_path.write_text(text, encoding="utf-8")
    scale = f"{load.seconds / 60:.0f} minutes at {rate:,.0f} settlements a second"
    worker = _figure("soak_memory", scale, watched.samples["worker"])
    worker.title = "memory that the worker gains in an hour, after the first quarter"
    worker.note += f"; {load.answers:,} answers, the highest is {highest:,.0f} a second"
    watch = _figure("soak_memory_watch", scale, watched.samples["watch"])
    watch.title = "the same of the watch, which nobody at a desk waits for"
    unexpected = {status.decode(): n for status, n in load.by_status.items()}
    unexpected.pop("201", None)
    if unexpected:
        worker.refused = f"answers other than 201: {unexpected}"
    return [worker, watch]


def _figure(name: str, scale: str, samples: Sequence[tuple[float, float]]) -> Measure:
    grown = growth(samples)
    figure = Measure(name, FLAT_MB, at_least=False, scale=scale, unit="MB")
    figure.ratios.append(max(grown.mb_an_hour, grown.step_mb))
    figure.note = (
        f"of {grown.middle_mb:.0f} MB; slope {grown.mb_an_hour:+.2f}, from the first"
        f" third to the last {grown.step_mb:+.2f}"
    )
    return figure


@dataclass(frozen=True, slots=True)
class _Place:
    port: int
    token: str
    cards: list[str]

    def bills(self, run: str) -> Iterator[bytes]:
        day = shanghai_day(wall_clock()).isoformat()
        return bodies.settlements(self.cards, day, self.token, run)

    async def highest(self) -> float:
        """What it settles at most, after a first second that does not count."""

        async def full(run: str, seconds: float) -> Load:
            bills = self.bills(run)
            return await run_load(
                self.port, bills, connections=_CONNECTIONS, seconds=seconds
            )

        await full("w", 1.0)
        return (await full("h", 5.0)).rate


@asynccontextmanager
async def _place(out: Path) -> AsyncIterator[_Place]:
    async with AsyncExitStack() as stack:
        data_dir = stack.enter_context(scratch_folder(out / "soak", "bench"))
        sandbox = await stack.enter_async_context(open_sandbox(data_dir))
        cards = await roster_into(sandbox, _PERSONS)
        hospital = facility(
            "SOAK", "bench", level=2, subdistrict="990101001", at=wall_clock()
        )
        keys = await register_facilities(
            sandbox.database,
            [hospital],
            sealing_key=load_party_secret_key(data_dir),
            random=os.urandom,
        )
        config = data_dir / "soak.toml"
        config.write_text(_CONFIG, encoding="utf-8")
        url = await stack.enter_async_context(
            serving(sandbox, port=0, workers=1, config=config)
        )
        async with line_to(url, connections=1) as line:
            token = await GatewayClient(line, keys["SOAK"], "bench").token()
        yield _Place(urlsplit(url).port or 0, token, cards.known)


async def _soak(place: _Place, rate: float, seconds: float, watched: Watched) -> Load:
    began = time.monotonic()
    with Progress(
        *Progress.get_default_columns(), TimeRemainingColumn(), console=console
    ) as progress:
        task = progress.add_task(f"soak, {rate:,.0f} a second", total=seconds)
        loading = asyncio.create_task(
            run_paced(
                place.port,
                place.bills("s"),
                per_second=rate,
                seconds=seconds,
                connections=_PACED_CONNECTIONS,
            )
        )
        # At most a sixtieth of the run, so that a short one can be tried.
        every = min(_EVERY_S, seconds / 60)
        while not loading.done():
            passed = time.monotonic() - began
            for pid, name in our_processes().items():
                megabytes = memory_of(pid)
                if megabytes is not None:
                    watched.note(name, passed, megabytes)
            progress.update(task, completed=min(passed, seconds))
            await asyncio.wait({loading}, timeout=every)
    return await loading


@click.command()
@click.option("--seconds", default=HOUR_S, show_default=True, help="How long.")
@click.option(
    "--per-second",
    type=float,
    help="Settlements a second, in place of half of the highest.",
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("var/bench"))
@click.option(
    "--picture",
    "picture_path",
    type=click.Path(path_type=Path),
    default=PICTURE,
    show_default=True,
)
def main(
    *, seconds: float, per_second: float | None, out: Path, picture_path: Path
) -> None:
    """Settle at a steady rate and watch the memory of each process."""
    figures = uvloop.run(
        measure(out, seconds=seconds, picture_path=picture_path, per_second=per_second)
    )
    for figure in figures:
        console.print(f"{figure.title}: {figure.ratio:.2f} MB ({figure.note})")
    if not all(figure.is_met for figure in figures):
        raise SystemExit(1)


if __name__ == "__main__":
    main()

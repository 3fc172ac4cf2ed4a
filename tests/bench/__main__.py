"""`make bench`: at most 10 minutes, one sandbox gateway, a table and `bench.json`.

Each figure of a server stands against a bare aiohttp echo that was measured just
before and just after it, by the same client on the same loop.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import click
import uvloop
from rich.console import Console
from rich.table import Table

from eligibility_cache.generation import RosterGenerator
from gateway.client import GatewayClient
from gateway.demo.folder import scratch_folder
from gateway.demo.parties import facility, register_facilities
from gateway.demo.sandbox import Sandbox, line_to, open_sandbox, serving
from gateway.keyfiles import load_party_secret_key
from gateway.wiring import wall_clock
from settlement.domain.calendar import shanghai_day
from settlement.store.embedded import EmbeddedPostgres
from tests.bench import bodies, deduction, peers, policy_peers
from tests.bench.measures import Measure, write
from tests.bench.raw_client import Load, run_load

_PERSONS = 10_000
_CONNECTIONS = 64
#: A category of the demo pack whose aid has no cap, so that nobody's pot runs dry in
#: the middle of a measurement.
_UNCAPPED = "特困人员"

#: Our time over theirs at most: they give no explanation and keep no running totals.
_PEER_TARGETS = {"zen": 1.0, "openfisca": 0.1}

console = Console()


@dataclass(frozen=True, slots=True)
class Bench:
    """What every measurement needs."""

    sandbox: Sandbox
    cards: list[str]
    day: str
    seconds: float


@click.command()
@click.option("--seconds", default=8.0, help="Length of one round of one server.")
@click.option("--steady", default=60.0, help="Length of the steady settle run.")
@click.option("--rounds", default=3, help="Rounds of each comparison.")
@click.option("--gate", is_flag=True, help="End with status 1 on a missed target.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("var"),
    help="Folder for bench.json and the scratch data.",
)
def main(*, seconds: float, steady: float, rounds: int, gate: bool, out: Path) -> None:
    """Measure what the cashier waits for."""
    measures = uvloop.run(_bench(out, seconds, steady, rounds))
    write(measures, out / "bench.json")
    _print(measures)
    if gate and not all(measure.is_met for measure in measures):
        raise SystemExit(1)


async def _bench(
    out: Path, seconds: float, steady: float, rounds: int
) -> list[Measure]:
    with scratch_folder(out / "bench", "bench") as data_dir:
        async with open_sandbox(data_dir) as sandbox:
            cards = await _roster(sandbox)
            today = shanghai_day(wall_clock()).isoformat()
            bench = Bench(sandbox, cards, today, seconds)
            measures = await _one_worker(bench, steady, rounds)
            measures.append(await _two_workers(bench, rounds))
    measures += _deduction()
    return measures


async def _roster(sandbox: Sandbox) -> list[str]:
    """Take in a made-up roster; the cards of persons eligible today."""
    lines = RosterGenerator({_UNCAPPED: (_UNCAPPED,)}, seed=1).lines(_PERSONS)
    rows = [[*line.split(","), ""] for line in lines]
    await sandbox.import_roster(rows)
    begun, card, valid_from, valid_to = "2026-01-01", 1, 7, 8
    return sorted(
        {row[card] for row in rows if row[valid_from] < begun and not row[valid_to]}
    )


async def _token(bench: Bench, base_url: str, code: str) -> str:
    """A session of a facility registered for the run."""
    keys = await register_facilities(
        bench.sandbox.database,
        [facility(code, "bench", level=2, subdistrict="990101001", at=wall_clock())],
        sealing_key=load_party_secret_key(bench.sandbox.data_dir),
        random=os.urandom,
    )
    async with line_to(base_url, connections=1) as line:
        return await GatewayClient(line, keys[code], "bench").token()


async def _one_worker(bench: Bench, steady: float, rounds: int) -> list[Measure]:
    async with serving(bench.sandbox, port=0, workers=1) as base_url:
        port = urlsplit(base_url).port or 0
        token = await _token(bench, base_url, "BENCH1")
        length = await _answer_length(bench, port, token)
        eligible = Measure(
            "eligibility_without_quota", 0.60, True, f"{_PERSONS} persons"
        )
        quota = Measure("eligibility_with_quota", 0.50, True, f"{_PERSONS} persons")
        settle = Measure("settle", 0.20, True, f"{_CONNECTIONS} connections")
        with peers.echo_server(length) as echo_port:
            for number in range(rounds):
                await _round(
                    bench, echo_port, port, eligible,
                    lambda: bodies.eligibility(
                        bench.cards, bench.day, token, with_quota=False
                    ),
                )  # fmt: skip
                await _round(
                    bench, echo_port, port, quota,
                    lambda: bodies.eligibility(
                        bench.cards, bench.day, token, with_quota=True
                    ),
                )  # fmt: skip
                await _round(
                    bench, echo_port, port, settle,
                    partial(
                        bodies.settlements, bench.cards, bench.day, token, f"s{number}"
                    ),
                )  # fmt: skip
            sustained = Measure("settle_steady", 0.20, True, f"{steady:.0f} s")
            await _round(
                bench, echo_port, port, sustained,
                lambda: bodies.settlements(bench.cards, bench.day, token, "st"),
                seconds=steady,
            )  # fmt: skip
        latency = await _latency(bench, port, token)
    return [eligible, quota, settle, sustained, latency]


async def _answer_length(bench: Bench, port: int, token: str) -> int:
    load = await run_load(
        port,
        bodies.settlements(bench.cards, bench.day, token, "w"),
        connections=1,
        seconds=1,
    )
    _require_all(load, b"201")
    return load.bytes_in // load.answers


async def _round(
    bench: Bench,
    echo_port: int,
    port: int,
    measure: Measure,
    requests: Callable[[], Iterator[bytes]],
    seconds: float | None = None,
) -> None:
    """Echo, ours, echo; the ratio to the mean of the two echoes."""

    async def echo() -> Load:
        return await run_load(
            echo_port,
            bodies.echoes(bench.cards, bench.day, "x"),
            connections=_CONNECTIONS,
            seconds=bench.seconds / 2,
        )

    before = await echo()
    ours = await run_load(
        port,
        requests(),
        connections=_CONNECTIONS,
        seconds=seconds or bench.seconds,
    )
    after = await echo()
    _require_all(ours, b"201" if measure.name.startswith("settle") else b"200")
    yardstick = (before.rate + after.rate) / 2
    measure.ratios.append(ours.rate / yardstick)
    latencies = sorted(ours.latencies_s)
    measure.note = (
        f"{ours.rate:,.0f}/s against an echo of {yardstick:,.0f}/s; median"
        f" {latencies[len(latencies) // 2] * 1e3:.1f} ms, p99"
        f" {latencies[len(latencies) * 99 // 100] * 1e3:.1f} ms; client CPU"
        f" {ours.client_cpu_s / ours.answers * 1e6:.0f} us an answer"
    )
    console.print(f"{measure.name}: {measure.ratios[-1]:.3f} ({measure.note})")


def _require_all(load: Load, status: bytes) -> None:
    if set(load.by_status) != {status}:
        raise click.ClickException(f"unexpected answers: {load.by_status}")


async def _latency(bench: Bench, port: int, token: str) -> Measure:
    """One caller at a time, against one TPC-B transaction on the same server."""
    measure = Measure("settle_latency_to_tpcb", 3.0, False, "one caller, median")
    with EmbeddedPostgres(bench.sandbox.data_dir) as server:
        pgbench, dsn = server.binaries / "pgbench", server.dsn_of("tpcb")
        async with bench.sandbox.database.pool.acquire() as connection:
            await connection.execute("CREATE DATABASE tpcb")
        await asyncio.to_thread(peers.fill_tpcb, pgbench, dsn)
        for number in range(3):
            load = await run_load(
                port,
                bodies.settlements(bench.cards, bench.day, token, f"l{number}"),
                connections=1,
                seconds=bench.seconds,
            )
            ours_ms = median(load.latencies_s) * 1e3
            theirs_ms = await asyncio.to_thread(
                peers.tpcb_median_ms, pgbench, dsn, int(bench.seconds)
            )
            measure.ratios.append(ours_ms / theirs_ms)
            measure.note = f"{ours_ms:.2f} ms against {theirs_ms:.2f} ms"
            console.print(f"{measure.name}: {measure.ratios[-1]:.2f} ({measure.note})")
    return measure


async def _two_workers(bench: Bench, rounds: int) -> Measure:
    """Settle with two workers against settle with one, in turn."""
    measure = Measure("settle_two_workers", 1.0, True, "2 cores")
    for number in range(rounds):
        rates = []
        for workers in (1, 2):
            async with serving(bench.sandbox, port=0, workers=workers) as base_url:
                token = await _token(bench, base_url, f"BENCH{workers}-{number}")
                load = await run_load(
                    urlsplit(base_url).port or 0,
                    bodies.settlements(
                        bench.cards, bench.day, token, f"w{workers}{number}"
                    ),
                    connections=_CONNECTIONS,
                    seconds=bench.seconds,
                )
                _require_all(load, b"201")
                rates.append(load.rate)
        measure.ratios.append(rates[1] / rates[0])
        measure.note = f"{rates[1]:,.0f}/s against {rates[0]:,.0f}/s"
        console.print(f"{measure.name}: {measure.ratios[-1]:.2f} ({measure.note})")
    return measure


def _deduction() -> list[Measure]:
    """The pure core in process, and the same rule in two other engines."""
    coded = Measure("deduction_coded", 5.0, False, "pure core, coded explanation")
    rendered = Measure("deduction_rendered", 15.0, False, "pure core, all sentences")
    coded.ratios += deduction.coded_us()
    rendered.ratios += deduction.rendered_us()
    for measure in (coded, rendered):
        measure.note = f"microseconds, not a ratio; best {min(measure.ratios):.1f}"
    return [coded, rendered, *_beside_peers(coded)]


def _beside_peers(coded: Measure) -> Iterator[Measure]:
    """Our time over theirs; none of an engine that is not installed."""
    for peer in policy_peers.measure():
        if peer.us is None:
            console.print(f"deduction_vs_{peer.name}: {peer.note}")
            continue
        target = _PEER_TARGETS[peer.name]
        measure = Measure(f"deduction_vs_{peer.name}", target, False, "one bill")
        measure.ratios += [ours_us / peer.us for ours_us in coded.ratios]
        measure.note = f"{coded.ratio:.1f} us against {peer.us:.1f} us; {peer.note}"
        yield measure


def _print(measures: list[Measure]) -> None:
    table = Table("what", "ratio", "spread", "target", "", "note")
    for measure in measures:
        sign = ">=" if measure.at_least else "<="
        table.add_row(
            measure.name,
            f"{measure.ratio:.3f}",
            f"{min(measure.ratios):.3f}..{max(measure.ratios):.3f}",
            f"{sign} {measure.target}",
            "met" if measure.is_met else "MISSED",
            measure.note,
        )
    console.print(table)
    console.print(
        f"measured at {datetime.now().astimezone().isoformat('T', 'minutes')}"
    )


if __name__ == "__main__":
    main()

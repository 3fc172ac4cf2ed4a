"""One worker: eligibility and settling beside the echo, latency, one hot person."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from statistics import median

from settlement.store.embedded import EmbeddedPostgres
from tests.bench import peers
from tests.bench.ground import (
    CONNECTIONS,
    PERSONS,
    Desks,
    Yardstick,
    console,
    percentile,
    require_all,
    require_settled,
    settle,
)
from tests.bench.measures import Measure
from tests.bench.raw_client import Load, run_load, run_paced

#: A client that is later than this measures itself.
_LATE_S = 0.05
#: How often a round that the client has spoilt is made again.
_AGAIN = 2


class OneWorker:
    """The measurements of a gateway with one worker; `port` is its."""

    def __init__(self, desks: Desks, yardstick: Yardstick, port: int) -> None:
        """Nothing is measured yet."""
        self._desks = desks
        self._bench = desks.bench
        self._yardstick = yardstick
        self._port = port
        #: The highest throughput of settling, a second.
        self.best_rate = 0.0
        crowd = f"{PERSONS:,} persons, {CONNECTIONS} connections"
        self.eligibility = Measure(
            "eligibility_without_quota", 0.70, at_least=True, scale=crowd,
            title="eligibility without quota, one worker, to the echo",
        )  # fmt: skip
        self.quota = Measure(
            "eligibility_with_quota", 0.50, at_least=True, scale=crowd,
            title="eligibility with quota, one worker, to the echo",
        )  # fmt: skip
        self.settle = Measure(
            "settle", 0.33, at_least=True, scale=crowd,
            title="settle, one worker: durable, sealed, signed, logged; to the echo",
        )  # fmt: skip

    async def beside_the_echo(self, number: int) -> None:
        """One round of eligibility, eligibility with quota, and settling."""
        for measure, with_quota in ((self.eligibility, False), (self.quota, True)):
            questions = self._desks.questions(with_quota=with_quota)
            before = await self._yardstick.before()
            load = await run_load(
                self._port,
                questions,
                connections=CONNECTIONS,
                seconds=self._bench.seconds,
            )
            require_all(load, b"200")
            _note(measure, before, load, await self._yardstick.load())
        bills = self._desks.bills(f"s{number}")
        await self._settle(self.settle, bills, self._bench.seconds)

    async def steady(self, seconds: float) -> Measure:
        """Settling without a pause."""
        measure = Measure(
            "settle_steady", 0.33, at_least=True, scale=f"{seconds:.0f} s",
            title="settle, one worker, steady; to the echo",
        )  # fmt: skip
        self._yardstick.forget()
        await self._settle(measure, self._desks.bills("st"), seconds)
        return measure

    async def hot_person(self, rounds: int) -> Measure:
        """Every bill is the same person's, each of another visit."""
        measure = Measure(
            "settle_hot_person", 500, at_least=True, unit="a second",
            scale=f"{CONNECTIONS} connections",
            title="settle, one worker, every bill the same person's",
        )  # fmt: skip
        self._yardstick.forget()
        for number in range(rounds):
            bills = self._desks.bills_of_one(f"h{number}")
            load, echo = await self._beside_echo(bills, self._bench.seconds)
            measure.ratios.append(load.rate)
            measure.note = (
                f"{load.rate:,.0f}/s beside an echo of {echo:,.0f}/s; {_latency(load)}"
            )
            _say(measure)
        return measure

    async def p99_at_half(self, rounds: int) -> Measure:
        """Open arrival at half of the best rate; the tail over the median.

        A round in which the client itself was late is made again; where that does not
        help, the figure is refused.
        """
        measure = Measure(
            "settle_p99_at_half", 8.0, at_least=False, scale="open arrival",
            title="settle p99 at half of the highest throughput, to its median",
        )  # fmt: skip
        pace = self.best_rate / 2
        for number in range(rounds):
            load = await self._paced(pace, f"p{number}")
            for again in range(_AGAIN):
                if load.late_s > _LATE_S:
                    load = await self._paced(pace, f"p{number}x{again}")
            if load.late_s > _LATE_S:
                measure.refused = f"the client itself was late by {load.late_s:.2f} s"
            p50, p99 = (percentile(load.latencies_s, each) * 1e3 for each in (50, 99))
            measure.ratios.append(p99 / p50)
            measure.note = (
                f"median {p50:.1f} ms, p99 {p99:.1f} ms at {pace:,.0f}/s; client late"
                f" by {load.late_s * 1e3:.0f} ms at most"
            )
            _say(measure)
        return measure

    async def _paced(self, pace: float, run: str) -> Load:
        before = await self._bench.begin()
        load = await run_paced(
            self._port,
            self._desks.bills(run),
            per_second=pace,
            seconds=self._bench.seconds,
        )
        await require_settled(self._bench, load, before)
        return load

    async def latency(self, rounds: int) -> Measure:
        """One caller at a time, against one TPC-B transaction on the same server."""
        measure = Measure(
            "settle_latency_to_tpcb", 3.0, at_least=False, scale="one caller, median",
            title="settle, one caller at a time, to one pgbench TPC-B transaction",
        )  # fmt: skip
        bench = self._bench
        with EmbeddedPostgres(bench.sandbox.data_dir) as server:
            pgbench, dsn = server.binaries / "pgbench", server.dsn_of("tpcb")
            await bench.sandbox.database.pool.execute("CREATE DATABASE tpcb")
            await asyncio.to_thread(peers.fill_tpcb, pgbench, dsn)
            for number in range(rounds):
                before = await bench.begin()
                load = await run_load(
                    self._port,
                    self._desks.bills(f"l{number}"),
                    connections=1,
                    seconds=bench.seconds,
                )
                await require_settled(bench, load, before)
                ours_ms = median(load.latencies_s) * 1e3
                theirs_ms = await asyncio.to_thread(
                    peers.tpcb_median_ms, pgbench, dsn, max(1, int(bench.seconds))
                )
                measure.ratios.append(ours_ms / theirs_ms)
                measure.note = f"{ours_ms:.2f} ms against {theirs_ms:.2f} ms"
                _say(measure)
        return measure

    async def _settle(
        self, measure: Measure, bills: Iterator[bytes], seconds: float
    ) -> None:
        before = await self._yardstick.before()
        load = await settle(self._bench, self._port, bills, seconds)
        self.best_rate = max(self.best_rate, load.rate)
        _note(measure, before, load, await self._yardstick.load())

    async def _beside_echo(
        self, bills: Iterator[bytes], seconds: float
    ) -> tuple[Load, float]:
        before = await self._yardstick.before()
        load = await settle(self._bench, self._port, bills, seconds)
        after = await self._yardstick.load()
        return load, (before.rate + after.rate) / 2


def _note(measure: Measure, before: Load, load: Load, after: Load) -> None:
    """The ratio to the mean of the echo before and the echo after."""
    echo = (before.rate + after.rate) / 2
    measure.ratios.append(load.rate / echo)
    measure.note = (
        f"{load.rate:,.0f}/s against an echo of {echo:,.0f}/s; {_latency(load)}; client"
        f" CPU {load.client_cpu_s / load.answers * 1e6:.0f} us an answer"
    )
    _say(measure)


def _latency(load: Load) -> str:
    p50, p99 = (percentile(load.latencies_s, each) * 1e3 for each in (50, 99))
    return f"median {p50:.1f} ms, p99 {p99:.1f} ms"


def _say(measure: Measure) -> None:
    console.print(f"{measure.name}: {measure.ratios[-1]:.3f} ({measure.note})")

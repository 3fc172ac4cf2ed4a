"""Where the cost of a settlement lies: processor time by step, waits, and limits.

The worker runs under `sampled_gateway` for one round. How much processor time it uses
for each settlement is the kernel's own account; the samples tell how that is divided.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from gateway.demo import sandbox
from settlement.store.embedded import EmbeddedPostgres
from tests.bench import limits_of_machine, peers, stacks
from tests.bench.bodies import echoes
from tests.bench.cpu_time import cpu_s_of
from tests.bench.ground import (
    CONNECTIONS,
    Bench,
    Desks,
    port_of,
    require_all,
    settle,
)
from tests.bench.machine import machine
from tests.bench.raw_client import run_load

_PROJECT = Path(__file__).resolve().parents[2]
_OWN_TIMES = slice(11, 13)
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_WAL = (
    "SELECT sum(fsyncs)::float8 AS flushes, sum(fsync_time)::float8 AS ms"
    " FROM pg_stat_io WHERE object = 'wal'"
)


async def measure(bench: Bench, desks: Desks) -> dict[str, Any]:
    """The cost of settling as `var/bench-cost.json` has it; all in microseconds."""
    file = bench.sandbox.data_dir / "stacks"
    pool = bench.sandbox.database.pool
    await pool.execute("ALTER SYSTEM SET track_wal_io_timing = on")
    await pool.execute("SELECT pg_reload_conf()")
    with EmbeddedPostgres(bench.sandbox.data_dir) as server:
        async with _sampled(bench, file) as (url, worker):
            port, postmaster = port_of(url), server.postmaster_pid
            assert postmaster is not None
            await settle(bench, port, desks.bills("kw"), bench.seconds / 3)
            await bench.begin()
            begins_at = file.stat().st_size
            before = await _account(bench, url, worker, postmaster)
            load = await settle(bench, port, desks.bills("ks"), 2 * bench.seconds)
            after = await _account(bench, url, worker, postmaster)
            sampled = file.read_bytes()[begins_at:].decode("utf-8", "replace")
    spent = {name: after[name] - before[name] for name in after}
    each = 1e6 / load.answers
    counted = stacks.counted(sampled)
    worker_us = spent["worker"] * each
    batches = max(spent["batches"], 1.0)
    echo_us, length = await _echo(desks, load.bytes_in // load.answers)
    claims = spent["claims"] / batches
    flush_us = await asyncio.to_thread(
        limits_of_machine.fdatasync_us, bench.sandbox.data_dir
    )
    return {
        "settlements_a_second": load.rate,
        "worker_us": worker_us,
        "samples": counted.total(),
        "steps": [
            [step, counted[step] / max(counted.total(), 1) * worker_us]
            for step in stacks.STEPS
        ],
        "beside": [
            ["PostgreSQL, all its processes", spent["postgres"] * each],
            ["the watch, in a process of its own", spent["watch"] * each],
            ["this client", load.client_cpu_s * each],
        ],
        "batch": {
            "claims": claims,
            "us": spent["batch_s"] / batches * 1e6,
            "flush_us": spent["flush_ms"] / max(spent["flushes"], 1.0) * 1e3,
            "flushes": spent["flushes"] / batches,
        },
        "limits": [
            [f"one echo of as many bytes ({length:,})", echo_us],
            ["one Ed25519 signature", limits_of_machine.signature_us()],
            ["one X25519 key and agreement", limits_of_machine.agreement_us()],
            ["one fdatasync of 8 kB on this disk", flush_us],
            [f"the same, shared by a batch of {claims:.0f}", flush_us / claims],
        ],
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
    }


@asynccontextmanager
async def _sampled(bench: Bench, file: Path) -> AsyncIterator[tuple[str, int]]:
    """Address and process of a gateway with one worker that is sampled."""
    log = bench.sandbox.data_dir / "sampled.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.sampled_gateway", str(file)),
            *("serve", "--port", "0", "--workers", "1"),
            *("--data-dir", str(bench.sandbox.data_dir)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            cwd=_PROJECT,
            start_new_session=True,
            preexec_fn=sandbox.end_with_parent,
        )
    try:
        yield await sandbox._address_of(process, log), process.pid
    finally:
        await sandbox._stop(process)


async def _account(
    bench: Bench, url: str, worker: int, postmaster: int
) -> dict[str, float]:
    """What was spent so far: seconds by process, and what the batches have counted."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as answer:
        text = await answer.text()
    told = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("medaid_settle_") and not sample.labels
    }
    wal = await bench.sandbox.database.pool.fetchrow(_WAL)
    assert wal is not None
    own = _own_cpu_s(worker)
    return {
        "worker": own,
        "watch": cpu_s_of(worker) - own,
        "postgres": cpu_s_of(postmaster),
        "claims": told["medaid_settle_batch_claims_sum"],
        "batches": told["medaid_settle_batch_claims_count"],
        "batch_s": told["medaid_settle_commit_duration_seconds_sum"],
        "flushes": wal["flushes"] or 0.0,
        "flush_ms": wal["ms"] or 0.0,
    }


def _own_cpu_s(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return sum(map(int, stat.rpartition(")")[2].split()[_OWN_TIMES])) / _TICKS_PER_S


async def _echo(desks: Desks, length: int) -> tuple[float, int]:
    """Processor time of the bare echo for each answer, and the bytes of one."""
    bench = desks.bench
    bills = echoes(bench.cards, bench.day, desks.tokens[0], timed=True)
    with peers.echo_process(length) as (port, pid):
        await run_load(port, bills, connections=CONNECTIONS, seconds=0.5)
        before = _own_cpu_s(pid)
        load = await run_load(
            port, bills, connections=CONNECTIONS, seconds=bench.seconds / 3
        )
        require_all(load, b"201")
        spent = _own_cpu_s(pid) - before
    return spent / load.answers * 1e6, length

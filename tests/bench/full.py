"""`make bench-full`: what takes long, on prepared databases that are kept.

A month of N settlements of one hospital is made by SQL, once, under `var/bench/`; then
`medaid reconcile match` reads a list of N lines and matches it, as its users run it.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import click
import uvloop
from rich.console import Console
from rich.table import Table

from gateway.location import open_database
from settlement.store.database import Database
from tests.bench import alerts_cost, alerts_quality, month_package
from tests.bench.closing import settle_p99_while_closing
from tests.bench.measures import Measure, write

_HOSPITAL, _MONTH = "BENCH", "2026-01"
#: Targets of issue 5: seconds and MB for a million settlements and lines.
_SECONDS, _MEGABYTES = 60, 300
_LINES_AT_ONCE = 50_000
#: Every so many lines one is altered, so that differences are found and kept.
_ALTERED = 10_000

console = Console()

_LEDGER = """
INSERT INTO settlement
SELECT id, 202601, $1, 'k' || n, 's', substr(sha256(('p' || n % 200000)::bytea), 1, 16),
       'MZ-' || n, sha256(('v' || n)::bytea), 'outpatient', day, day, at, at, 'op',
       true, 'dibao', '990101001', 1, 1, 'MA-2000', NULL,
       25000, 16000, 7200, 5760, 0, 3240, n
FROM (
    SELECT n, date '2026-01-01' + (n * 31 / $2)::integer AS day,
           timestamptz '2026-01-01 08:00+08' + (n * 31 / $2) * interval '1 day' AS at,
           substr(int4send(9497 + (n * 31 / $2)::integer), 3)
               || substr(sha256(n::text::bytea), 1, 14) AS id
    FROM generate_series(0, $2::bigint - 1) AS n
) AS made
"""
_LEAVES = """
INSERT INTO log_leaf SELECT log_index, sha256(id), id, month FROM settlement
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """One command: how long it took, and how much memory it had at most."""

    seconds: float
    megabytes: int
    out: str


@click.command()
@click.option("--settlements", multiple=True, type=int, default=(100_000, 1_000_000))
@click.option("--gate", is_flag=True, help="Fail where a target is missed.")
def main(*, settlements: tuple[int, ...], gate: bool) -> None:
    """Match a month of so many settlements with a list of as many lines."""
    measures = []
    for count in settlements:
        folder = Path("var/bench") / f"month-{count}"
        _prepare(folder, count)
        measures += _match(folder, count)
    beside = settle_p99_while_closing(Path("var/bench"), _LEDGER, min(settlements))
    measures += uvloop.run(beside)
    measures += month_package.measure(Path("var/bench"), min(settlements), rounds=3)
    measures += alerts_quality.measure()
    measures += uvloop.run(alerts_cost.measure(Path("var/bench")))
    table = Table("figure", "ratio", "target", "note")
    for each in measures:
        sign = ">=" if each.at_least else "<="
        target = f"{sign} {each.target}"
        table.add_row(each.name, f"{each.ratio:.2f}", target, each.note)
    console.print(table)
    write(measures, Path("var/bench-full.json"))
    if gate and not all(each.is_met for each in measures):
        sys.exit(1)


def _prepare(folder: Path, count: int) -> None:
    """Make the month unless a run before has."""
    done = folder / "prepared"
    if done.exists():
        console.print(f"{folder}: prepared before")
        return
    with console.status(f"{folder}: {count:,} settlements"):
        _run("init", "--sandbox", "--data-dir", str(folder))
        key = folder / "key.json"
        if not key.exists():
            _run(
                *("facility", "add", _HOSPITAL, "--level", "1"),
                *("--subdistrict", "990101001", "--key-out", str(key)),
                *("--data-dir", str(folder)),
            )
        asyncio.run(_fill(folder, count))
    done.touch()


async def _fill(folder: Path, count: int) -> None:
    async with open_database(folder, None, max_size=2) as database:
        async with database.pool.acquire() as session, session.transaction():
            hospital = await session.fetchval(
                "SELECT id FROM party WHERE code = $1", _HOSPITAL
            )
            await session.execute(_LEDGER, hospital, count)
            await session.execute(_LEAVES)
            await session.execute(
                "INSERT INTO log_head (size, root, edge, checkpoint)"
                " VALUES ($1, '', '', 'no log: made for a measurement')",
                count,
            )
        await database.pool.execute("VACUUM ANALYZE settlement")
        await database.pool.execute("VACUUM ANALYZE log_leaf")
        await _write_list(database, folder / "list.zip")


async def _write_list(database: Database, path: Path) -> None:
    """The hospital's list as 3202 has it, in another order than ours."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        async with database.pool.acquire() as session, session.transaction():
            cursor = await session.cursor(
                "SELECT encode(id, 'hex') AS id, visit_no, log_index FROM settlement"
                " ORDER BY sha256(id)"
            )
            with packed.open("list.txt", "w", force_zip64=True) as text:
                while rows := await cursor.fetch(_LINES_AT_ONCE):
                    text.write("".join(map(_line, rows)).encode())


def _line(row: asyncpg.Record) -> str:
    identity, visit, index = row.values()
    aid = "57.61" if index % _ALTERED == 0 else "57.60"
    return f"{identity}\t{visit}\tnull\t250.00\t{aid}\t0.00\t0\tnull\n"


def _match(folder: Path, count: int) -> list[Measure]:
    """Open and match, in processes of their own."""
    where = ("--month", _MONTH, "--data-dir", str(folder))
    # So that it is the ledger that is matched, and no record is opened.
    (folder / "bureau" / "bureau-key.json").unlink(missing_ok=True)
    _run("reconcile", "open", *where)
    ran = _run(
        *("reconcile", "match", *where, "--facility", _HOSPITAL, "--json"),
        *("--file", str(folder / "list.zip")),
    )
    altered = -(-count // _ALTERED)
    assert f'"amount_differs": {altered}' in ran.out, ran.out[:500]
    scale = f"{count:,} settlements, {count:,} lines"
    seconds = Measure(f"match_seconds_{count}", 1.0, at_least=False, scale=scale)
    seconds.ratios.append(ran.seconds / _SECONDS)
    seconds.note = f"{ran.seconds:.1f} s of {_SECONDS} s"
    memory = Measure(f"match_memory_{count}", 1.0, at_least=False, scale=scale)
    memory.ratios.append(ran.megabytes / _MEGABYTES)
    memory.note = f"{ran.megabytes} MB of {_MEGABYTES} MB"
    return [seconds, memory]


def _run(*arguments: str) -> Ran:
    """One command; its own memory, without the database server's."""
    began = time.monotonic()
    program = str(Path(sys.executable).with_name("medaid"))
    making = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE)
    assert making.stdout is not None
    out = making.stdout.read().decode()
    _, status, used = os.wait4(making.pid, 0)
    making.returncode = os.waitstatus_to_exitcode(status)
    assert making.returncode == 0, f"medaid {' '.join(arguments)}: {out[-500:]}"
    return Ran(time.monotonic() - began, _megabytes(used), out)


def _megabytes(used: resource.struct_rusage) -> int:
    return used.ru_maxrss // 1024


if __name__ == "__main__":
    main()

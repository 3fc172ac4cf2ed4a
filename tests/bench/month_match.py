"""A month of N settlements of one hospital, matched with a list of N lines.

The month is made by SQL, once, and kept; then `medaid reconcile match` reads the list
and matches it, as its users run it.
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
from rich.console import Console

from gateway.location import open_database
from settlement.store.database import Database
from tests.bench.measures import Measure

_HOSPITAL, _MONTH = "BENCH", "2026-01"
#: Targets of issue 5: seconds and MB for a million settlements and lines.
_SECONDS, _MEGABYTES = 60, 300
_LINES_AT_ONCE = 50_000
#: Every so many lines one is altered, so that differences are found and kept.
_ALTERED = 10_000

console = Console()

#: Settlements of the party $1, so many as $2 says.
LEDGER = """
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


def measure(out: Path, count: int) -> list[Measure]:
    """Match a month of so many settlements with a list of as many lines."""
    folder = out / f"month-{count}"
    _prepare(folder, count)
    return _match(folder, count)


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
            await session.execute(LEDGER, hospital, count)
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
    scale = f"{count:,} settlements, {count:,} lines, {altered} of them altered"
    seconds = Measure(
        f"match_seconds_{count}",
        _SECONDS,
        at_least=False,
        scale=scale,
        title="match a month with a hospital's list",
        unit="s",
    )
    seconds.ratios.append(ran.seconds)
    memory = Measure(
        f"match_memory_{count}",
        _MEGABYTES,
        at_least=False,
        scale=scale,
        title="memory that the match takes",
        unit="MB",
    )
    memory.ratios.append(ran.megabytes)
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

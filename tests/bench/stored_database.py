"""A sandbox in which so many settlements are stored already, made once and kept.

In chunks, each in one database transaction with the log's head: whatever ends the
making, the next run goes on where the log ends. Indexes grow row by row, as in life,
and so have the size that they have in life. A gateway starts on it and goes on
settling, for the log is a real one; only what records say was never sealed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, astuple, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
import orjson
from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn, TimeRemainingColumn

from crypto.checkpoint import CheckpointSigner
from crypto.tokens import Tokenizer
from eligibility_cache.generation import RosterGenerator
from gateway.client import GatewayClient
from gateway.demo.folder import scratch_folder
from gateway.demo.parties import facility, register_facilities
from gateway.demo.sandbox import Sandbox, line_to, open_sandbox, serving
from gateway.installation import Installation
from gateway.keyfiles import load_keys, load_party_secret_key
from gateway.location import own_data_dir
from gateway.wiring import wall_clock
from settlement.domain.calendar import shanghai_day
from settlement.service.logbook import Logbook, Page
from settlement.store.answers import answer_digest
from settlement.store.log_nodes import read_head
from settlement.store.rows import LeafRow, LogHead, RecordRow
from tests.bench import bodies
from tests.bench.raw_client import run_load
from tests.bench.stored_rows import Chunk, District, Sizes, make

if TYPE_CHECKING:
    from settlement.store.database import Database, Session

#: Who has settlements stored has some three a month, as in the pilot district.
PERSONS = 280_000
#: Of ten persons so many have none.
_NEW = 3
#: Its aid has no cap, so nobody's pot runs dry in the middle of a measurement.
_UNCAPPED = "特困人员"
_HOSPITALS = 40
#: Settlements were stored on so many days, today the last.
_DAYS = 180
_CHUNK = 10_000
_MADE = "made.json"
#: What a settlement takes beside record and answer: rows and indexes, measured.
_ROWS_BYTES = 1_900
_SHARES = (100, 50, 25, 10)
_SPARE = 8 << 30

_TODAY_FIRST = "UPDATE watch_cursor SET log_index = (SELECT size FROM log_head)"
_ADD_UP = """
INSERT INTO accumulator AS a
SELECT person, year, pot, sum(amount_fen), NULL FROM posting
WHERE log_index >= $1 GROUP BY person, year, pot ORDER BY person, year, pot
ON CONFLICT (person, year, pot) DO UPDATE SET used_fen = a.used_fen + excluded.used_fen
"""
#: The pack's other pot is locked with it, and so exists.
_OTHER_POT = """
INSERT INTO accumulator
SELECT DISTINCT person, year, 'inpatient', 0 FROM posting WHERE log_index >= $1
ON CONFLICT DO NOTHING
"""
_MOVE_HEAD = """
UPDATE log_head SET size = $1, root = $2, edge = $3, checkpoint = $4 WHERE size = $5
"""

console = Console()


@dataclass(frozen=True, slots=True)
class Made:
    """What was decided when the database was begun."""

    first_day: date
    per_day: int
    sizes: Sizes


@dataclass(frozen=True, slots=True)
class Cards:
    """Cards of the roster: of persons who have settlements stored, and of others."""

    known: list[str]
    new: list[str]


def share_of(sizes: Sizes, count: int, free: int) -> int:
    """How many hundredths of their real size records and answers can have.

    The most that takes a third of the `free` bytes, or else the least, where that
    leaves some room. 0: no room. A record above half a page takes a whole page.
    """
    for share in _SHARES:
        if on_disk(sizes, count, share) <= free // 3:
            return share
    return _SHARES[-1] if on_disk(sizes, count, _SHARES[-1]) <= free - _SPARE else 0


def on_disk(sizes: Sizes, count: int, share: int) -> int:
    """Bytes that `count` settlements take."""
    scaled = sizes.percent(share)
    page, half = 8192, 4000
    record = page if half < scaled.record <= page else scaled.record
    return count * (record + scaled.total - scaled.record + _ROWS_BYTES)


async def roster_into(sandbox: Sandbox, persons: int) -> Cards:
    """Take in the made-up roster, unless it is there; the cards eligible all year."""
    lines = RosterGenerator({_UNCAPPED: (_UNCAPPED,)}, seed=1).lines(persons)
    rows = [[*line.split(","), ""] for line in lines]
    if not await sandbox.database.pool.fetchval("SELECT version FROM roster_head"):
        shutil.rmtree(sandbox.data_dir / "roster", ignore_errors=True)
        await sandbox.import_roster(rows)
    begun, card, valid_from, valid_to = "2026-01-01", 1, 7, 8
    cards = sorted(
        {row[card] for row in rows if row[valid_from] < begun and not row[valid_to]}
    )
    new = [card for place, card in enumerate(cards) if place % 10 < _NEW]
    known = [card for place, card in enumerate(cards) if place % 10 >= _NEW]
    return Cards(known, new)


@asynccontextmanager
async def prepared(
    folder: Path, *, upto: int, target: int, persons: int = PERSONS
) -> AsyncIterator[tuple[Sandbox, Cards]]:
    """A sandbox that holds `upto` settlements, on its way to `target`.

    Made as far as it is missing, and kept. Raises `click.ClickException` where the
    disk has no room.
    """
    folder = own_data_dir(folder)
    begun = folder / _MADE
    if not begun.exists():
        with scratch_folder(folder, "bench") as data_dir:
            async with open_sandbox(data_dir) as sandbox:
                await _begin(sandbox, target, persons)
    made = _read(begun)
    async with open_sandbox(folder) as sandbox:
        cards = await roster_into(sandbox, persons)
        await _fill(sandbox, cards, made, upto)
        yield sandbox, cards


async def _begin(sandbox: Sandbox, target: int, persons: int) -> None:
    cards = await roster_into(sandbox, persons)
    now = wall_clock()
    keys = await register_facilities(
        sandbox.database,
        [
            facility(f"S{n:03d}", "stored", level=n % 2 + 1, at=now,
                     subdistrict=f"990101{n % 13 + 1:03d}")
            for n in range(_HOSPITALS)
        ],
        sealing_key=load_party_secret_key(sandbox.data_dir),
        random=os.urandom,
    )  # fmt: skip
    async with serving(sandbox, port=0, workers=1) as url:
        async with line_to(url, connections=1) as line:
            token = await GatewayClient(line, keys["S000"], "first").token()
        day = shanghai_day(now).isoformat()
        bills = bodies.settlements(cards.known, day, token, "first")
        await run_load(urlsplit(url).port or 0, bills, connections=64, seconds=1.0)
    row = await sandbox.database.pool.fetchrow(
        "SELECT (SELECT avg(length(record)) FROM sealed_record)::int,"
        " avg(length(request))::int, avg(length(head))::int, avg(length(tail))::int"
        " FROM answer"
    )
    assert row is not None
    real = Sizes(*row.values())
    free = shutil.disk_usage(sandbox.data_dir).free
    share = share_of(real, target, free)
    if not share:
        raise click.ClickException(
            f"{target:,} settlements take {on_disk(real, target, 10) >> 30} GB at"
            f" least, and {free >> 30} are free"
        )
    console.print(
        f"{target:,} settlements will take {on_disk(real, target, share) >> 30} GB of"
        f" {free >> 30} GB free: record {real.record} bytes, answer"
        f" {real.total - real.record}, of which {share} % are stored"
    )
    first_day = shanghai_day(now) - timedelta(days=_DAYS)
    made = Made(first_day, -(-target // _DAYS), real.percent(share))
    (sandbox.data_dir / _MADE).write_bytes(orjson.dumps(asdict(made)))


def _read(path: Path) -> Made:
    found = orjson.loads(path.read_bytes())
    return Made(
        date.fromisoformat(found["first_day"]),
        found["per_day"],
        Sizes(**found["sizes"]),
    )


async def _fill(sandbox: Sandbox, cards: Cards, made: Made, upto: int) -> None:
    """Chunk after chunk until the log has `upto` leaves."""
    origin = Installation.load(sandbox.data_dir).origin
    signer = CheckpointSigner(origin, load_keys(sandbox.data_dir).checkpoint_sign)
    logbook = Logbook(signer)
    async with sandbox.database.pool.acquire() as session:
        head = await _head(session)
        if head.size >= upto:
            return
        district = await _district(session, sandbox.data_dir, cards, made)
        with Progress(
            *Progress.get_default_columns(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            refresh_per_second=1,
        ) as progress:
            task = progress.add_task(sandbox.data_dir.name, total=upto)
            while head.size < upto:
                progress.update(task, completed=head.size)
                chunk = make(head.size, min(_CHUNK, upto - head.size), district)
                page = logbook.extend(head, chunk.records)
                async with session.transaction():
                    await write_chunk(session, chunk, page)
                head = LogHead(page.head.size, page.head.root, page.head.edge)
        with console.status("vacuum and statistics, as autovacuum would"):
            await vacuum(session)


async def vacuum(session: Session) -> None:
    """All tables that hold something; the next month's, as in life, stay unknown."""
    filled = await session.fetch(
        "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace IN ('public'::regnamespace, 'clinical'::regnamespace)"
        " AND pg_relation_size(oid) > 0"
    )
    for row in filled:
        await session.execute(f"VACUUM (ANALYZE) {row['name']}")
    await session.execute("CHECKPOINT")


async def _head(session: Session) -> LogHead:
    found = await read_head(session)
    assert found is not None
    return found[0]


async def _district(
    session: Session, data_dir: Path, cards: Cards, made: Made
) -> District:
    tokens = Tokenizer(load_keys(data_dir).token_key)
    known = [tokens.card("social_security_card", card) for card in cards.known]
    persons = await session.fetch(
        "SELECT DISTINCT ON (w.person) w.person, w.category, w.subdistrict"
        " FROM roster_card c JOIN roster_window w USING (person)"
        " WHERE c.card = ANY($1::bytea[]) ORDER BY w.person",
        known,
    )
    hospitals = await session.fetch("SELECT id FROM party WHERE name = 'stored'")
    return District(
        hospitals=[row["id"] for row in hospitals],
        persons=[tuple(row.values()) for row in persons],
        first_day=made.first_day,
        per_day=made.per_day,
        policy_no=await session.fetchval("SELECT min(no) FROM policy_pack"),
        sizes=made.sizes,
    )


async def write_chunk(session: Session, chunk: Chunk, page: Page) -> None:
    """All of it, or nothing, as the caller's transaction; the head moves with it."""
    for month in sorted(chunk.months):
        await session.execute("SELECT ensure_month($1)", month)
    leaves = list(enumerate(chunk.leaves, start=page.first_index))
    tables: dict[str, Iterable[Sequence[object]]] = {
        "settle_key": chunk.settle_key,
        "reversal_key": chunk.reversal_key,
        "visit": chunk.visit,
        "settlement": chunk.settlement,
        "reversal": chunk.reversal,
        "answer": [(*row, answer_digest(row)) for row in chunk.answer],
        "sealed_record": [
            RecordRow(month, index, record)
            for (index, (_, month)), record in zip(leaves, chunk.records, strict=True)
        ],
        "log_leaf": [
            LeafRow(index, entry, identity, month)
            for (index, (identity, month)), entry in zip(
                leaves, page.entries, strict=True
            )
        ],
        "log_node": page.nodes,
        "posting": chunk.posting,
    }
    for table, records in tables.items():
        await session.copy_records_to_table(table, records=records)
    await session.copy_records_to_table(
        "diagnosis", schema_name="clinical", records=chunk.diagnosis
    )
    await session.execute(_ADD_UP, page.first_index)
    await session.execute(_OTHER_POT, page.first_index)
    head = page.head
    moved = await session.execute(_MOVE_HEAD, *astuple(head))
    assert moved == "UPDATE 1", moved
    await session.execute(_TODAY_FIRST)


async def stored(database: Database) -> int:
    """How many leaves the log has."""
    size: int = await database.pool.fetchval("SELECT size FROM log_head")
    return size


async def bytes_of(database: Database) -> int:
    """What the database takes on the disk."""
    size: int = await database.pool.fetchval(
        "SELECT pg_database_size(current_database())"
    )
    return size

"""Every place of the database where tokens stand, read and written anew.

All of it is one database transaction, in which nobody else is connected: whoever comes
waits, and then finds either epoch whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from settlement.domain.errors import FatalError, require
from settlement.store.database import read_token_epoch
from settlement.store.roster import read_head
from settlement.store.statements import statement
from settlement.store.transaction import committed, our_errors

if TYPE_CHECKING:
    from settlement.store.database import Connection, Database, Session

#: Columns that hold tokens, by table. A test holds this list against the schema.
TOKEN_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "roster_window": ("person", "household"),
    "roster_card": ("card", "person"),
    "roster_change": ("person",),
    "roster_forgotten": ("person",),
    "settlement": ("person",),
    "reversal": ("person",),
    "accumulator": ("person",),
    "posting": ("person",),
    "alert_case": ("person", "household"),
    "alert": ("person", "household"),
}
#: Rows in memory at a time.
_CHUNK = 5_000
_LOCK_WITHIN_MS = 5_000
#: Who was stopped a moment ago is still leaving, and nobody new comes in.
_LEAVING_TRIES, _LEAVING_PAUSE_S = 20, 0.1

Tokens = list[bytes | None]
Turn = Callable[[Sequence[bytes | None]], Tokens]


class NotAloneError(FatalError):
    """Somebody else is connected to the database, or holds the roster."""


class AnswerInBooks(NamedTuple):
    """A stored answer's request, and the settlement that it asked for."""

    id: bytes
    request: bytes
    is_settlement: bool
    facility_id: int | None
    person: bytes | None
    visit_identity: bytes | None
    """`None` where no visit is held: of declines, and of reversals."""


class AnswerRenewed(NamedTuple):
    """What stands in its place."""

    id: bytes
    request: bytes
    old_identity: bytes | None
    new_identity: bytes | None


@asynccontextmanager
async def alone(database: Database) -> AsyncIterator[Session]:
    """A connection that is the only one, in a database transaction of its own.

    But for one of the pool, which must have no more. Raises `NotAloneError`; and as
    `committed`.
    """
    with our_errors():
        connection = await database.connect()
    try:
        async with committed(connection):
            with our_errors():
                await _keep_others_out(database, connection)
                yield connection
    finally:
        await connection.close()


async def _keep_others_out(database: Database, connection: Connection) -> None:
    own = await database.pool.fetchval("SELECT pg_backend_pid()")
    await connection.execute(
        "SET LOCAL client_connection_check_interval = '1s';"
        # Rows are found by where they lie: never by reading all again.
        " SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;"
        " SET LOCAL maintenance_work_mem = '256MB';"
        f" SET LOCAL lock_timeout = {_LOCK_WITHIN_MS}"
    )
    try:
        # Before others are counted: who connects from now on waits for it.
        await connection.execute("LOCK TABLE roster_head IN ACCESS EXCLUSIVE MODE")
    except asyncpg.LockNotAvailableError as held:
        raise NotAloneError("something else works on the roster") from held
    others = 0
    for _ in range(_LEAVING_TRIES):
        # Else the first look is what a transaction goes on seeing.
        await connection.execute("SELECT pg_stat_clear_snapshot()")
        others = await connection.fetchval(statement("retoken_others"), own)
        if not others:
            return
        await asyncio.sleep(_LEAVING_PAUSE_S)
    raise NotAloneError(f"{others} others are connected to the database")


async def epoch_and_check(session: Session) -> tuple[int, bytes]:
    """The epoch in force, and what the token key that wrote the roster left."""
    return await read_token_epoch(session), (await read_head(session)).key_check


async def rows_of(session: Session) -> int:
    """Roughly how many rows there are to go through; cheap."""
    tables = [*TOKEN_COLUMNS, "answer"]
    rows: int = await session.fetchval(statement("retoken_rows"), tables)
    return rows


async def renew_columns(
    session: Session, turn: Turn, told: Callable[[int], None]
) -> int:
    """Turn every token in `TOKEN_COLUMNS`; how many. `told`: rows done since."""
    tokens = 0
    for table, columns in TOKEN_COLUMNS.items():
        async with _indexes_aside(session, table):
            tokens += await _renew_table(session, table, columns, turn, told)
    return tokens


async def _renew_table(
    session: Session,
    table: str,
    columns: Sequence[str],
    turn: Turn,
    told: Callable[[int], None],
) -> int:
    tokens = 0
    named = ", ".join(columns)
    query = _update(table, columns)
    reading = f"SELECT ctid, {named} FROM {table}"  # noqa: S608  # names of ours
    async for rows in _chunks(session, f"in_{table}", reading):
        places = [row[0] for row in rows]
        turned = [turn([row[at] for row in rows]) for at in range(1, len(columns) + 1)]
        tag = await session.execute(query, places, *turned)
        require(tag == f"UPDATE {len(rows)}", "each row is found where it lay")
        tokens += sum(1 for column in turned for token in column if token)
        told(len(rows))
    return tokens


async def _chunks(
    session: Session, name: str, query: str
) -> AsyncIterator[list[asyncpg.Record]]:
    """Rows as they were when it began, some at a time.

    By hand, to be closed: while a cursor is open, its tables take no index, and asyncpg
    closes none. `name` is used once: asyncpg remembers which columns a FETCH gave.
    """
    await session.execute(f"DECLARE {name} NO SCROLL CURSOR FOR {query}")
    while rows := await session.fetch(f"FETCH {_CHUNK} FROM {name}"):
        yield rows
    await session.execute(f"CLOSE {name}")


@asynccontextmanager
async def _indexes_aside(session: Session, table: str) -> AsyncIterator[None]:
    """Drop what is quicker made anew: millions of entries come in random order.

    Not what a foreign key rests on. Nobody else is connected, and nothing is lost by a
    fault, which takes all of it back.
    """
    found = await session.fetch(statement("retoken_indexes"), table)
    for drop, _ in found:
        await session.execute(drop)
    yield
    for _, make in found:
        await session.execute(make)


def _update(table: str, columns: Sequence[str]) -> str:
    arrays = ", ".join(f"${at}::bytea[]" for at in range(2, len(columns) + 2))
    assigned = ", ".join(f"{column} = n.{column}" for column in columns)
    named = ", ".join(columns)
    return (
        f"UPDATE {table} AS t SET {assigned}"  # noqa: S608  # names of ours
        f" FROM unnest($1::tid[], {arrays}) AS n(place, {named})"
        " WHERE t.ctid = n.place"
    )


async def stored_answers(
    session: Session,
) -> AsyncIterator[tuple[int, list[AnswerInBooks]]]:
    """Every stored answer, month by month, some thousands at a time."""
    months = await session.fetch(
        "SELECT month FROM settlement UNION SELECT month FROM reversal ORDER BY month"
    )
    for (month,) in months:
        # What DECLARE runs takes no arguments.
        query = statement("retoken_answers").replace("$1", str(int(month)))
        async for found in _chunks(session, f"of_{month}", query):
            yield month, [AnswerInBooks(*each) for each in found]


async def write_answers(
    session: Session, month: int, answers: Sequence[AnswerRenewed]
) -> None:
    """Put requests and visits in the place of the former ones.

    The checksum beside an answer follows it where it was right before: what was
    altered stays visible as altered.
    """
    tag = await session.execute(
        statement("retoken_write_answers"),
        month,
        [each.id for each in answers],
        [each.request for each in answers],
    )
    require(tag == f"UPDATE {len(answers)}", "each answer is found again")
    held = [each for each in answers if each.new_identity is not None]
    columns = (
        [each.id for each in held],
        [each.old_identity for each in held],
        [each.new_identity for each in held],
    )
    tag = await session.execute(statement("retoken_write_identities"), *columns)
    require(tag == f"UPDATE {len(held)}", "each settlement is found again")
    await session.execute(statement("retoken_write_visits"), *columns[1:])


class CaseSubject(NamedTuple):
    """What alerts and cases are about: a digest, of a person or of a household."""

    digest: bytes
    person: bytes | None
    household: bytes | None


async def case_subjects(session: Session) -> list[CaseSubject]:
    """Of all alerts and cases about persons and households."""
    found = await session.fetch(statement("retoken_subjects"))
    return [CaseSubject(*row) for row in found]


async def write_subjects(
    session: Session, renewed: Sequence[tuple[bytes, bytes]]
) -> None:
    """Old and new digest of each; what is silenced stays so."""
    old = [before for before, _ in renewed]
    new = [after for _, after in renewed]
    for table in ("alert", "alert_case", "alert_mute"):
        await session.execute(
            f"UPDATE {table} AS t SET subject = n.new"  # noqa: S608  # names of ours
            " FROM unnest($1::bytea[], $2::bytea[]) AS n(old, new)"
            " WHERE t.subject = n.old",
            old,
            new,
        )


async def begin_epoch(
    session: Session, epoch: int, check: bytes, *, tokens: int, at: datetime, by: str
) -> None:
    """From this commit on the tokens are of that epoch; nobody is there to be told."""
    tag = await session.execute(
        "UPDATE roster_head SET token_epoch = $1,"
        " key_check = CASE WHEN key_check = '' THEN key_check ELSE $2::bytea END",
        epoch,
        check,
    )
    require(tag == "UPDATE 1", "roster_head has its one row")
    await session.execute(
        "INSERT INTO token_epoch (epoch, begun_at, begun_by, tokens)"
        " VALUES ($1, $2, $3, $4)",
        epoch,
        at,
        by,
        tokens,
    )

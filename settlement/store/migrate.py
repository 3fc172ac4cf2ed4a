"""Forward-only migrations: numbered SQL files, each applied once, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from settlement.domain.errors import FatalError

if TYPE_CHECKING:
    from settlement.store.database import Connection

MIGRATIONS = Path(__file__).parent / "migrations"
_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_MADE = re.compile(r"^CREATE TABLE (?:IF NOT EXISTS )?([a-z_.]+)", re.MULTILINE)
_DROPPED = re.compile(r"^DROP TABLE (?:IF EXISTS )?([a-z_.]+)", re.MULTILINE)
#: Two processes may start at once; the lock lets one migrate and the other wait.
_LOCK_KEY = 0x6D656461


def migrations() -> list[tuple[int, Path]]:
    """Number and file of every migration, ascending."""
    found = []
    for path in sorted(MIGRATIONS.glob("*.sql")):
        match = _NAME.match(path.name)
        if match is None:
            raise FatalError(f"migration file name not understood: {path.name}")
        found.append((int(match.group(1)), path))
    return found


async def migrate(connection: Connection) -> list[int]:
    """Bring the schema to this program's version; return the numbers applied.

    Each file runs in its own database transaction. Safe to run again and from
    several processes at once. Raises `FatalError` on a schema from the future, on one
    that stands half without its mark, and where this user may not make tables.
    """
    with _one_sentence("the database's schema cannot be made"):
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK_KEY)
        try:
            return await _apply_missing(connection)
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK_KEY)


async def missing_migrations(connection: Connection) -> list[int]:
    """Numbers that this program knows and the database has not got; reads only.

    Raises `FatalError` on a schema from the future, on one that has lost a table that
    it says it has, and where it may not be read.
    """
    with _one_sentence("the database's schema cannot be read"):
        if await connection.fetchval("SELECT to_regclass('schema_migration')") is None:
            return [number for number, _ in migrations()]
        done = await _done(connection)
        await _check_tables(connection, done)
    return [number for number, _ in migrations() if number not in done]


@contextmanager
def _one_sentence(what: str) -> Iterator[None]:
    """Name a fault by its kind: the server's own message may quote rows."""
    try:
        yield
    except asyncpg.PostgresError as error:
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()
        raise FatalError(
            f"{what} ({kind}); use the database and the user that medaid init made it"
            " with, or restore the database"
        ) from error


async def _done(connection: Connection) -> set[int]:
    """Numbers that were applied; raises `FatalError` on a schema from the future."""
    rows = await connection.fetch("SELECT number FROM schema_migration")
    done = {row["number"] for row in rows}
    ahead = done - {number for number, _ in migrations()}
    if ahead:
        raise FatalError(
            f"the database has schema {max(ahead)}, newer than this program;"
            " install the newer program or restore the matching database"
        )
    return done


async def _check_tables(connection: Connection, done: set[int]) -> None:
    """Raise `FatalError` where a table of an applied migration is not there."""
    made: dict[str, None] = {}
    for number, path in migrations():
        if number in done:
            text = path.read_text(encoding="utf-8")
            made |= dict.fromkeys(_MADE.findall(text))
            for dropped in _DROPPED.findall(text):
                made.pop(dropped, None)
    lost = await connection.fetchval(
        "SELECT min(name) FROM unnest($1::text[]) AS name"
        " WHERE to_regclass(name) IS NULL",
        list(made),
    )
    if lost is not None:
        raise FatalError(
            f"the database has lost its table {lost}; somebody altered it: keep a copy,"
            " and restore the newest sound one"
        )


async def _apply_missing(connection: Connection) -> list[int]:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migration ("
        " number integer PRIMARY KEY,"
        " applied_at timestamptz NOT NULL DEFAULT now())"
    )
    done = await _done(connection)
    applied = []
    for number, path in migrations():
        if number in done:
            continue
        with _one_sentence(f"the database's schema cannot be brought to {number}"):
            async with connection.transaction():
                await connection.execute(path.read_text(encoding="utf-8"))
                await connection.execute(
                    "INSERT INTO schema_migration (number) VALUES ($1)", number
                )
        applied.append(number)
    return applied

"""Forward-only migrations: numbered SQL files, each applied once, in order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from settlement.domain.errors import FatalError

if TYPE_CHECKING:
    from settlement.store.database import Connection

MIGRATIONS = Path(__file__).parent / "migrations"
_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
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
    several processes at once. Raises `FatalError` on a schema from the future.
    """
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK_KEY)
    try:
        return await _apply_missing(connection)
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK_KEY)


async def missing_migrations(connection: Connection) -> list[int]:
    """Numbers that this program knows and the database has not got; reads only."""
    known = [number for number, _ in migrations()]
    if await connection.fetchval("SELECT to_regclass('schema_migration')") is None:
        return known
    rows = await connection.fetch("SELECT number FROM schema_migration")
    done = {row["number"] for row in rows}
    return [number for number in known if number not in done]


async def _apply_missing(connection: Connection) -> list[int]:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migration ("
        " number integer PRIMARY KEY,"
        " applied_at timestamptz NOT NULL DEFAULT now())"
    )
    rows = await connection.fetch("SELECT number FROM schema_migration")
    done = {row["number"] for row in rows}
    known = migrations()
    ahead = done - {number for number, _ in known}
    if ahead:
        raise FatalError(
            f"the database has schema {max(ahead)}, newer than this program;"
            " install the newer program or restore the matching database"
        )
    applied = []
    for number, path in known:
        if number in done:
            continue
        async with connection.transaction():
            await connection.execute(path.read_text(encoding="utf-8"))
            await connection.execute(
                "INSERT INTO schema_migration (number) VALUES ($1)", number
            )
        applied.append(number)
    return applied

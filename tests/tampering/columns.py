"""Flip one bit, or alter one value, in any column of any table, as a superuser."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

#: Tables that carry money, identity, order or proof, with the kinds of rows in each.
KINDS: dict[str, dict[str, str]] = {
    "settlement": {
        "in force": "state = 's'",
        "reversed": "state = 'r'",
        "declined": "reason = 'MA-2204'",
        "late original": "reason = 'MA-2205'",
    },
    "reversal": {
        "reversal": "settlement_id IS NOT NULL",
        "tombstone": "settlement_id IS NULL",
    },
    "settle_key": {
        "settlement": "NOT tombstone",
        "stopped": "tombstone AND late_id IS NOT NULL",
    },
    "reversal_key": {"reversal": "id IN (SELECT id FROM reversal)"},
    "answer": {
        "of a leaf": "octet_length(tail) > 0",
        "of a decline": "octet_length(tail) = 0",
    },
    "visit": {"any": "ordinal = 0", "further bill": "ordinal > 0"},
    "clinical.diagnosis": {"any": "true"},
    "accumulator": {"any": "used_fen > 0"},
    "posting": {"settlement": "amount_fen > 0", "reversal": "amount_fen < 0"},
    "sealed_record": {"any": "true"},
    "log_leaf": {"any": "true"},
    "log_node": {"any": "true"},
    "log_head": {"any": "true"},
    "policy_pack": {"any": "true"},
}

_COLUMNS = """
SELECT attname, format_type(atttypid, NULL) AS type, NOT attnotnull AS is_nullable
FROM pg_attribute
WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_CONSTRAINTS = """
SELECT conrelid::regclass::text AS table, conname FROM pg_constraint
WHERE conrelid = $1::regclass AND contype IN ('c', 'p', 'u')
"""


@dataclass(frozen=True)
class Column:
    """One column of one table."""

    table: str
    name: str
    type: str
    is_nullable: bool


async def columns(connection: Any, table: str) -> list[Column]:
    """Every column that the table has now, so that a new one is not forgotten."""
    return [
        Column(table, row["attname"], row["type"], row["is_nullable"])
        for row in await connection.fetch(_COLUMNS, table)
    ]


async def lay_open(connection: Any, of_table: list[Column]) -> None:
    """Drop what would stop a bad value: damage on a disk asks no constraint."""
    table = of_table[0].table
    await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    if table == "policy_pack":
        await connection.execute("ALTER TABLE policy_pack ALTER no DROP IDENTITY")
    for row in await connection.fetch(_CONSTRAINTS, table):
        await connection.execute(
            f'ALTER TABLE {row["table"]} DROP CONSTRAINT "{row["conname"]}" CASCADE'
        )
    for column in of_table:
        await connection.execute(
            f"ALTER TABLE {table} ALTER {column.name} DROP NOT NULL"
        )


@asynccontextmanager
async def altered(
    connection: Any, column: Column, kind: str, value: str | None
) -> AsyncIterator[None]:
    """Hold another value in one row of that kind for the life of the block."""
    place = await _pick(connection, column, kind)
    old = place.pop()
    moved = await _write(connection, column, place, value)
    try:
        yield
    finally:
        await _write(connection, column, moved, old)


async def values(connection: Any, column: Column, kind: str) -> str | None:
    """The value, as text, that `altered` would find; `None` where all are NULL."""
    found = await _pick(connection, column, kind)
    return None if not found else str(found[-1])


async def _pick(connection: Any, column: Column, kind: str) -> list[Any]:
    """Partition and place of a row of that kind, and its value as text."""
    row = await connection.fetchrow(
        f"SELECT tableoid, ctid, {column.name}::text FROM {column.table}"  # noqa: S608  # ours
        f" WHERE {column.name} IS NOT NULL AND ({KINDS[column.table][kind]})"
        f" ORDER BY tableoid, {'log_index, ' * (column.table == 'posting')}ctid LIMIT 1"
    )
    return [] if row is None else list(row.values())


async def _write(
    connection: Any, column: Column, place: list[Any], value: str | None
) -> list[Any]:
    if column.name == "month" and value is not None:
        await connection.execute("SELECT ensure_month($1)", int(value))
    row = await connection.fetchrow(
        f"UPDATE {column.table} SET {column.name} = $3::text::{column.type}"  # noqa: S608  # ours
        " WHERE tableoid = $1 AND ctid = $2 RETURNING tableoid, ctid",
        *place,
        value,
    )
    assert row is not None
    return list(row.values())


def flipped(column: Column, text: str, rng: random.Random) -> str:
    """The value, as text, with one bit of it the other way; dates one day further."""
    match column.type:
        case "bytea":
            octets = bytearray.fromhex(text.removeprefix("\\x"))
            if not octets:
                return "\\x01"
            octets[rng.randrange(len(octets))] ^= 1 << rng.randrange(8)
            return "\\x" + octets.hex()
        case "smallint" | "integer" | "bigint":
            return str(int(text) ^ (1 << rng.randrange(11)))
        case "boolean":
            return "false" if text == "true" else "true"
        case "date":
            return str(date.fromisoformat(text) + timedelta(days=1))
        case "timestamp with time zone":
            return str(datetime.fromisoformat(text) + timedelta(seconds=1))
        case "text" if not text:
            return "1"
        case _:
            at = rng.choice([i for i, c in enumerate(text) if c.isalnum()] or [0])
            return text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]

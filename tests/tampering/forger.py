"""A superuser with the gateway's own keys who rewrites the past as a whole.

Leaves, nodes, head, checkpoint, receipts, rows: all of it agrees with itself again,
and every record that was not touched keeps its exact bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import asyncpg

from crypto.checkpoint import CheckpointSigner
from crypto.merkle import Extension, RightEdge
from crypto.receipt import Receipt
from settlement.service.logbook import TILE_LEVELS
from settlement.service.outcome import around_record
from tests.settlement.house import ORIGIN, House

_RECEIPT = b',"receipt":{"record":"'
_OF_ONE_SETTLEMENT = (
    "DELETE FROM settle_key WHERE id = $1",
    "DELETE FROM visit WHERE id = $1",
    "DELETE FROM answer WHERE id = $1",
    "DELETE FROM clinical.diagnosis WHERE settlement_id = $1",
    """WITH gone AS (DELETE FROM posting WHERE log_index =
           (SELECT log_index FROM settlement WHERE id = $1) RETURNING *)
       UPDATE accumulator a SET used_fen = a.used_fen - g.amount_fen FROM gone g
       WHERE (a.person, a.year, a.pot) = (g.person, g.year, g.pot)""",
    "DELETE FROM settlement WHERE id = $1",
)


@dataclass(frozen=True)
class Kept:
    """A record that stays in the forged log."""

    id: bytes
    month: int
    record: bytes


class Forger:
    """Works on the house's database, with the house's keys."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def log(self) -> list[Kept]:
        """The records in the order in which they stand."""
        async with self._house.database.pool.acquire() as connection:
            found = await connection.fetch(
                "SELECT l.id, l.month, r.record FROM log_leaf l"
                " JOIN sealed_record r USING (month, log_index) ORDER BY l.log_index"
            )
        return [Kept(*row.values()) for row in found]

    async def remove(self, index: int) -> None:
        """Make one settlement never have happened."""
        log = await self.log()
        gone = log.pop(index)
        async with self._house.database.pool.acquire() as connection:
            for statement in _OF_ONE_SETTLEMENT:
                await connection.execute(statement, gone.id)
        await self.rebuild(log, index)

    async def move_last_to(self, index: int) -> None:
        """Put the newest record in among the old ones."""
        log = await self.log()
        log.insert(index, log.pop())
        await self.rebuild(log, index)

    async def rebuild(self, log: Sequence[Kept], first: int) -> None:
        """Make everything that is derived from the order of records anew.

        Answers before `first` stay: their receipts still hold, where each settlement
        had a batch of its own.
        """
        extension = RightEdge().extend([sha256(kept.record).digest() for kept in log])
        signer = CheckpointSigner(ORIGIN, self._house.keys.checkpoint_sign)
        checkpoint = signer.sign(len(log), extension.root)
        pool = self._house.database.pool
        async with pool.acquire() as connection, connection.transaction():
            await _place(connection, log)
            await _write_tree(connection, extension, checkpoint)
            for index, kept in enumerate(log[first:], start=first):
                receipt = Receipt(
                    b"", ORIGIN, index, len(log), extension.paths[index], checkpoint
                )
                await _answer_anew(connection, kept, receipt)


async def _place(
    connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record], log: Sequence[Kept]
) -> None:
    """Give each record its new index, wherever the index stands."""
    await connection.execute(
        "CREATE TEMPORARY TABLE moved ON COMMIT DROP AS"
        " SELECT id, log_index AS old, NULL::bigint AS new FROM log_leaf"
    )
    await connection.execute("TRUNCATE log_leaf, sealed_record")
    for index, kept in enumerate(log):
        await connection.execute(
            "UPDATE moved SET new = $1 WHERE id = $2", index, kept.id
        )
        await connection.execute(
            "INSERT INTO log_leaf VALUES ($1, $2, $3, $4)",
            index, sha256(kept.record).digest(), kept.id, kept.month,
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO sealed_record VALUES ($1, $2, $3)",
            kept.month, index, kept.record,
        )  # fmt: skip
    for table in ("settlement", "reversal"):
        await connection.execute(
            f"UPDATE {table} t SET log_index = m.new FROM moved m"  # noqa: S608  # ours
            " WHERE m.id = t.id"
        )
    await connection.execute("CREATE TEMPORARY TABLE p AS SELECT * FROM posting")
    await connection.execute("TRUNCATE posting")
    await connection.execute(
        "INSERT INTO posting SELECT m.new, p.person, p.year, p.pot, p.amount_fen,"
        " p.cap_fen FROM p JOIN moved m ON m.old = p.log_index"
    )
    await connection.execute("DROP TABLE p")


async def _write_tree(
    connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record],
    extension: Extension,
    checkpoint: str,
) -> None:
    await connection.execute("TRUNCATE log_node")
    for level in TILE_LEVELS:
        for index, node in extension.complete_nodes(level):
            await connection.execute(
                "INSERT INTO log_node VALUES ($1, $2, $3)", level, index, node
            )
    await connection.execute(
        "UPDATE log_head SET size = $1, root = $2, edge = $3, checkpoint = $4",
        extension.edge.size,
        extension.root,
        extension.edge.to_bytes(),
        checkpoint,
    )


async def _answer_anew(
    connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record],
    kept: Kept,
    receipt: Receipt,
) -> None:
    head = await connection.fetchval("SELECT head FROM answer WHERE id = $1", kept.id)
    body = head.removesuffix(_RECEIPT) + b"}"
    head, tail = around_record(body, receipt)
    await connection.execute(
        "UPDATE answer SET head = $1, tail = $2,"
        " digest = sha256(request || $1::bytea || $2::bytea) WHERE id = $3",
        head,
        tail,
        kept.id,
    )

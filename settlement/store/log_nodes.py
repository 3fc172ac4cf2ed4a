"""Read the log: leaves, full tiles, nodes for proofs, the latest checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from crypto.merkle import NodeReader, leaf_hash, node_hash, nodes_needed
from crypto.tiles import TILE_HEIGHT, TILE_WIDTH
from settlement.store.database import Database
from settlement.store.rows import LogHead

if TYPE_CHECKING:
    from settlement.store.database import Session

#: Full tiles kept in memory, 16 kB each.
_TILES_KEPT = 256


async def read_head(session: Session) -> tuple[LogHead, str] | None:
    """The head and its checkpoint; `None` before `ensure_head`."""
    row = await session.fetchrow("SELECT size, root, edge, checkpoint FROM log_head")
    if row is None:
        return None
    return LogHead(row["size"], row["root"], row["edge"]), row["checkpoint"]


class LogNodes:
    """Nodes of the tree by level and index, from the rows that a batch wrote."""

    def __init__(self, database: Database) -> None:
        """Reads use the pool, never the sequencer's connection."""
        self._database = database
        self._full: dict[tuple[int, int], list[list[bytes]]] = {}

    async def head(self) -> tuple[LogHead, str] | None:
        """The head and its checkpoint; `None` before `ensure_head`."""
        async with self._database.pool.acquire() as connection:
            return await read_head(connection)

    async def row_of_tile(self, level: int, index: int, width: int) -> list[bytes]:
        """The hashes of a tile: `width` nodes at 8 times `level` levels up."""
        first = index * TILE_WIDTH
        async with self._database.pool.acquire() as connection:
            if level == 0:
                found = await connection.fetch(
                    "SELECT entry FROM log_leaf WHERE log_index >= $1"
                    " AND log_index < $2 ORDER BY log_index",
                    first,
                    first + width,
                )
                return [leaf_hash(row["entry"]) for row in found]
            found = await connection.fetch(
                "SELECT hash FROM log_node WHERE level = $1 AND node_index >= $2"
                " AND node_index < $3 ORDER BY node_index",
                level * TILE_HEIGHT,
                first,
                first + width,
            )
        return [row["hash"] for row in found]

    async def entries(self, index: int, width: int) -> list[bytes]:
        """The entries of a bundle: SHA-256 of each record."""
        first = index * TILE_WIDTH
        async with self._database.pool.acquire() as connection:
            found = await connection.fetch(
                "SELECT entry FROM log_leaf WHERE log_index >= $1"
                " AND log_index < $2 ORDER BY log_index",
                first,
                first + width,
            )
        return [row["entry"] for row in found]

    async def reader(self, build: Callable[[NodeReader], Any]) -> NodeReader:
        """A reader that holds every node that `build` will ask for.

        A node inside a tile is folded from the tile's row, so that only roots of
        full tiles have to be stored.
        """
        nodes: dict[tuple[int, int], bytes] = {}
        for level, index in dict.fromkeys(nodes_needed(build)):
            nodes[level, index] = await self._node(level, index)
        return lambda level, index: nodes[level, index]

    async def _node(self, level: int, index: int) -> bytes:
        tile_level, height = divmod(level, TILE_HEIGHT)
        tile, offset = divmod(index << height, TILE_WIDTH)
        rows = await self._tile(tile_level, tile)
        return rows[height][offset >> height]

    async def _tile(self, level: int, index: int) -> list[list[bytes]]:
        """All complete nodes of a tile by height; full tiles never change."""
        kept = self._full.get((level, index))
        if kept is not None:
            return kept
        rows = [await self.row_of_tile(level, index, TILE_WIDTH)]
        while len(rows[-1]) > 1:
            below = rows[-1]
            rows.append(
                [
                    node_hash(below[at], below[at + 1])
                    for at in range(0, len(below) - 1, 2)
                ]
            )
        if len(rows[0]) == TILE_WIDTH:
            while len(self._full) >= _TILES_KEPT:
                del self._full[next(iter(self._full))]
            self._full[level, index] = rows
        return rows

"""The public face of the log: checkpoint, tiles, proofs."""

from __future__ import annotations

from collections.abc import Callable

from crypto.errors import MalformedProofError
from crypto.merkle import NodeReader, Path, inclusion_proof
from crypto.proof import LogProof
from crypto.tiles import Tile, entry_bundle, parse_tile_path, tile_bytes
from settlement.domain.errors import FatalError, RequestRefused
from settlement.store.find import reading_faults
from settlement.store.log_nodes import LogNodes
from settlement.store.rows import LogHead


class LogReader:
    """Everything that a verifier may fetch; tells nothing of any hospital."""

    def __init__(
        self, nodes: LogNodes, guard_from_now: Callable[[], Callable[[LogHead], None]]
    ) -> None:
        """Read what is committed; the guard refuses less than was shown before."""
        self._nodes = nodes
        self._guard_from_now = guard_from_now

    async def checkpoint(self) -> bytes:
        """The latest checkpoint, a signed note."""
        return (await self._latest())[1].encode("utf-8")

    async def tile(self, path: str) -> bytes | None:
        """A tile by its path below the log's address; `None` where there is none."""
        try:
            tile = parse_tile_path(f"tile/{path}")
        except MalformedProofError:
            return None
        size, _ = await self._latest()
        if not tile.is_in(size):
            return None
        with reading_faults():
            return await self._bytes(tile)

    async def _bytes(self, tile: Tile) -> bytes:
        if tile.level is None:
            return entry_bundle(await self._nodes.entries(tile.index, tile.width))
        return tile_bytes(
            await self._nodes.row_of_tile(tile.level, tile.index, tile.width)
        )

    async def proof(self, index: int) -> str:
        """That the leaf is in the tree of the latest checkpoint (C2SP tlog-proof)."""
        size, checkpoint = await self._latest()

        def build(read: NodeReader) -> Path:
            return inclusion_proof(index, size, read)

        with reading_faults():
            path = build(await self._nodes.reader(build))
        return LogProof(index, path, checkpoint).to_text()

    async def _latest(self) -> tuple[int, str]:
        guard = self._guard_from_now()
        with reading_faults():
            found = await self._nodes.head()
        if found is None:
            raise RequestRefused("MA-5104", retry_after_s=30)
        head, checkpoint = found
        try:
            guard(head)
        except FatalError:
            raise RequestRefused("MA-5104", retry_after_s=30) from None
        return head.size, checkpoint

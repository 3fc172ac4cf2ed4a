"""Export a month: sealed records, a proof for each, under one checkpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from crypto.merkle import NodeReader, Path, inclusion_proof
from crypto.proof import LogProof
from settlement.store.database import Database
from settlement.store.exporting import month_leaves
from settlement.store.log_nodes import LogNodes


@dataclass(frozen=True, slots=True)
class ExportedRecord:
    """One record with its proof, ready to be written."""

    sid: str
    record: bytes
    proof: str


class MonthExport:
    """One month against the checkpoint of the moment it was begun."""

    def __init__(self, database: Database) -> None:
        """Call `begin` first."""
        self._database = database
        self._nodes = LogNodes(database)
        self.tree_size = 0
        self.checkpoint = ""

    async def begin(self) -> None:
        """Take the checkpoint; raises `LookupError` where there is no log yet."""
        found = await self._nodes.head()
        if found is None:
            raise LookupError("there is no log yet")
        head, self.checkpoint = found
        self.tree_size = head.size

    async def records(
        self, month: int, facility: int | None
    ) -> AsyncIterator[ExportedRecord]:
        """Every record of the month that the checkpoint covers, in log order."""
        leaves = month_leaves(
            self._database, month, below=self.tree_size, facility=facility
        )
        async for leaf in leaves:
            proof = await self._proof(leaf.log_index)
            yield ExportedRecord(leaf.id.hex(), leaf.record, proof)

    async def _proof(self, index: int) -> str:
        def build(read: NodeReader) -> Path:
            return inclusion_proof(index, self.tree_size, read)

        path = build(await self._nodes.reader(build))
        return LogProof(index, path, self.checkpoint).to_text()

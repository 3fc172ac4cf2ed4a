"""The Merkle log as a batch extends it: pure, from the head row it has locked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crypto.checkpoint import CheckpointSigner
from crypto.merkle import RightEdge
from crypto.receipt import Receipt
from settlement.domain.errors import FatalError
from settlement.service.outcome import around_record
from settlement.store.rows import LogHead, NewHead, NodeRow

#: Levels at which roots of full tiles are kept; 2**48 leaves are never reached.
TILE_LEVELS = (8, 16, 24, 32, 40)


@dataclass(frozen=True, slots=True)
class Page:
    """What a batch adds to the log: new head, full tiles, a receipt for each leaf."""

    origin: str
    first_index: int
    paths: Sequence[tuple[bytes, ...]]
    nodes: list[NodeRow]
    head: NewHead

    def around(self, offset: int, body: bytes) -> tuple[bytes, bytes]:
        """Head and tail of the answer around the record's bytes."""
        receipt = Receipt(
            b"",
            self.origin,
            self.first_index + offset,
            self.head.size,
            self.paths[offset],
            self.head.checkpoint,
        )
        return around_record(body, receipt)


class Logbook:
    """Extends the log and signs its checkpoints."""

    def __init__(self, signer: CheckpointSigner) -> None:
        """Take the signer of this log's origin."""
        self._signer = signer
        self.origin = signer.origin

    def empty(self) -> NewHead:
        """The head of a log without leaves."""
        edge = RightEdge()
        checkpoint = self._signer.sign(0, edge.root)
        return NewHead(0, edge.root, edge.to_bytes(), checkpoint, 0)

    def extend(self, head: LogHead, entries: Sequence[bytes]) -> Page:
        """Append entries; raises `FatalError` when the head contradicts itself.

        The root is recomputed from the stored edge first: a head row that was
        altered stops settlement instead of being signed over.
        """
        edge = RightEdge.from_bytes(head.edge)
        if edge.size != head.size or edge.root != head.root:
            raise FatalError("the log's stored edge does not give its stored root")
        extension = edge.extend(entries)
        size = head.size + len(entries)
        new_head = NewHead(
            size,
            extension.root,
            extension.edge.to_bytes(),
            self._signer.sign(size, extension.root),
            head.size,
        )
        nodes = [
            NodeRow(level, index, node)
            for level in TILE_LEVELS
            for index, node in extension.complete_nodes(level)
        ]
        return Page(self.origin, head.size, extension.paths, nodes, new_head)

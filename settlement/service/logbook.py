"""The Merkle log as a batch extends it: pure, from the head row it has locked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from crypto.checkpoint import CheckpointSigner
from crypto.merkle import Extension, RightEdge
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
    entries: Sequence[bytes]
    """SHA-256 of each record's exact bytes."""
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

    def extend(self, head: LogHead, records: Sequence[bytes]) -> Page:
        """Append the entries of these records and sign the new checkpoint.

        Raises `FatalError` when the head contradicts itself, or when what is to be
        signed is not what the records give. The root is recomputed from the stored
        edge first: a head row that was altered stops settlement instead of being
        signed over.
        """
        edge = RightEdge.from_bytes(head.edge)
        if edge.size != head.size or edge.root != head.root:
            raise FatalError("the log's stored edge does not give its stored root")
        entries = [sha256(record).digest() for record in records]
        extension = edge.extend(entries)
        _check_before_signing(extension, records)
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
        return Page(self.origin, head.size, entries, extension.paths, nodes, new_head)


def _check_before_signing(extension: Extension, records: Sequence[bytes]) -> None:
    """Compute again, in another way, what the signature will vouch for.

    One flipped bit in a leaf hash that was signed over ends a log for ever: no record
    gives that hash (reliability H10). So each leaf is hashed again here, straight
    from the bytes that are about to be stored, as RFC 6962 section 2.1 says; and the
    edge, from which the next batch goes on, must lead to the root.
    """
    for (_, leaf), record in zip(extension.complete_nodes(0), records, strict=True):
        if leaf != sha256(b"\0" + sha256(record).digest()).digest():
            raise FatalError(
                "a record changed between being hashed and being stored: this"
                " machine's memory or processor is faulty. Nothing was signed; settle"
                " on another machine and have this one tested"
            )
    if extension.edge.root != extension.root:
        raise FatalError(
            "the log's new edge does not give its new root: this machine's memory or"
            " processor is faulty. Nothing was signed; settle on another machine and"
            " have this one tested"
        )

"""The log against itself: the tree is grown again from the stored records."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING

from crypto.checkpoint import Checkpoint, verify_checkpoint
from crypto.errors import CryptoError
from crypto.merkle import RightEdge, leaf_hash, verify_inclusion
from crypto.receipt import Receipt
from crypto.trust import Trust
from settlement.service.logbook import TILE_LEVELS
from settlement.service.past import Past
from settlement.store import books
from settlement.store.books import BookLeaf
from settlement.store.log_nodes import read_head
from settlement.store.rows import LogHead

if TYPE_CHECKING:
    from settlement.store.database import Session

#: Entries after which the tree grows, and nodes after which they are compared.
_AT_ONCE = 1_024

Note = Callable[[str, str], None]
"""Takes a rule that does not hold, and where."""


class LogAuditor:
    """Takes every leaf in order; memory does not grow with the log."""

    def __init__(self, trust: Trust, past: Past, note: Note) -> None:
        """`past`: what others hold, compared on the way."""
        self._trust = trust
        self._past = past
        self._note = note
        self._edge = RightEdge()
        self._pending: list[bytes] = []
        self._nodes: dict[tuple[int, int], bytes] = {}
        self._node_count = 0
        self._checkpoint_text = ""
        self._checkpoint: Checkpoint | None = None
        for found in past.begin():
            note(*found)

    def take(self, leaf: BookLeaf) -> None:
        """Entry against record, and the tree one leaf further."""
        if leaf.record is None or sha256(leaf.record).digest() != leaf.entry:
            self._note(
                "log: entry is not the hash of its record (log_leaf, sealed_record)",
                str(leaf.log_index),
            )
        for found in self._past.leaf(leaf.log_index, leaf.entry, leaf.answer):
            self._note(*found)
        self._pending.append(leaf.entry)
        size = self._edge.size + len(self._pending)
        if self._past.wants_root(size):
            self._grow()
            for found in self._past.root_at(size, self._edge.root):
                self._note(*found)
        elif len(self._pending) >= _AT_ONCE:
            self._grow()

    def receipt(self, receipt: Receipt, entry: bytes) -> None:
        """The receipt that was answered leads to a signed root; raises `CryptoError`.

        Neighbouring receipts share their batch's checkpoint: it is verified once.
        """
        if receipt.checkpoint != self._checkpoint_text or self._checkpoint is None:
            self._checkpoint = verify_checkpoint(receipt.checkpoint, self._trust)
            self._checkpoint_text = receipt.checkpoint
        verify_inclusion(
            receipt.index,
            self._checkpoint.size,
            leaf_hash(entry),
            receipt.path,
            self._checkpoint.root,
        )

    def _grow(self) -> None:
        extension = self._edge.extend(self._pending)
        for level in TILE_LEVELS:
            for index, node in extension.complete_nodes(level):
                self._nodes[level, index] = node
        self._edge = extension.edge
        self._pending = []

    async def compare_nodes(self, session: Session, *, at_least: int = 1) -> None:
        """Roots of full tiles against those stored, when that many have gathered."""
        if len(self._nodes) < at_least:
            return
        self._node_count += len(self._nodes)
        for level, index in await books.differing_nodes(session, self._nodes):
            self._note(
                "log: stored tile roots differ from the records' (log_node)",
                f"level {level}, index {index}",
            )
        self._nodes = {}

    async def finish(self, session: Session) -> None:
        """After the last leaf: nodes, head, and what others hold beyond it."""
        if self._pending:
            self._grow()
        for found in self._past.finish():
            self._note(*found)
        await self.compare_nodes(session)
        if await books.node_count(session) != self._node_count:
            self._note("log: stored tile roots differ in number (log_node)", "nodes")
        found_head = await read_head(session)
        if found_head is not None:
            self._check_head(*found_head)
        elif self._edge.size:
            # The first worker that serves makes the head: before, there is no log.
            self._note("log: no head (log_head)", "head")

    def _check_head(self, head: LogHead, checkpoint: str) -> None:
        if (head.size, head.root) != (self._edge.size, self._edge.root):
            self._note(
                "log: stored root is not the root of the records (log_head, log_leaf)",
                "head",
            )
        if head.edge != self._edge.to_bytes():
            self._note(
                "log: stored edge is not the edge of the records (log_head, log_leaf)",
                "head",
            )
        try:
            shown = verify_checkpoint(checkpoint, self._trust)
            if (shown.size, shown.root) != (head.size, head.root):
                self._note("log: checkpoint is not of the head (log_head)", "head")
        except CryptoError as error:
            self._note(f"signature: checkpoint (log_head: {error.code})", "head")

"""Check the books: the invariants over the whole database, by the stored bytes.

Money, caps and once are checked by queries; log and signatures from the records
themselves, with the same code that a verifier uses offline.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

import orjson

from crypto.checkpoint import Checkpoint, verify_checkpoint
from crypto.errors import CryptoError
from crypto.merkle import RightEdge, leaf_hash, verify_inclusion
from crypto.receipt import parse_receipt
from crypto.record import verify_record
from crypto.trust import Trust
from settlement.service.logbook import TILE_LEVELS
from settlement.store import books
from settlement.store.books import BookCounts, BookLeaf
from settlement.store.database import Database
from settlement.store.log_nodes import LogNodes
from settlement.store.rows import LogHead

_GROW_AT_ONCE = 1_024
_AMOUNTS = ("total_fen", "aid_fen", "patient_pays_fen")

#: Called with leaves checked so far.
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that does not hold, and where."""

    rule: str
    place: str


@dataclass(slots=True)
class BooksReport:
    """The verdict: no violations means that every invariant holds."""

    counts: BookCounts
    leaves: int = 0
    violations: list[Violation] = field(default_factory=list)


async def check_books(
    database: Database, trust: Trust, progress: Progress = lambda _done: None
) -> BooksReport:
    """Check everything; reads only.

    Run it on a quiet database: rows that arrive meanwhile may show as violations.
    """
    report = BooksReport(await books.counts(database))
    report.violations += [Violation(*row) for row in await books.violations(database)]
    auditor = _LogAuditor(trust, report)
    async for leaf in books.leaves(database):
        auditor.take(leaf)
        report.leaves += 1
        progress(report.leaves)
    await auditor.finish(LogNodes(database))
    return report


class _LogAuditor:
    """Grows the tree again from the records and compares with what is stored."""

    def __init__(self, trust: Trust, report: BooksReport) -> None:
        self._trust = trust
        self._report = report
        self._edge = RightEdge()
        self._pending: list[bytes] = []
        self._nodes: dict[tuple[int, int], bytes] = {}
        self._note_text = ""
        self._verified: Checkpoint | None = None

    def take(self, leaf: BookLeaf) -> None:
        place = str(leaf.log_index)
        if leaf.record is None or sha256(leaf.record).digest() != leaf.entry:
            self._note("log: entry is not the hash of its record", place)
        else:
            self._check_record(leaf, leaf.record, place)
        self._pending.append(leaf.entry)
        if len(self._pending) >= _GROW_AT_ONCE:
            self._grow()

    def _check_record(self, leaf: BookLeaf, record: bytes, place: str) -> None:
        try:
            claims = verify_record(record, self._trust).claims
        except CryptoError as error:
            self._note(f"signature: record does not verify ({error.code})", place)
            return
        stated = (claims["sid"], claims["op"], *(claims[name] for name in _AMOUNTS))
        if stated != (
            leaf.id.hex(),
            leaf.op,
            leaf.total_fen,
            leaf.aid_fen,
            leaf.patient_pays_fen,
        ):
            self._note("log: record and tables disagree", place)
        self._check_answer(leaf, record, place)

    def _check_answer(self, leaf: BookLeaf, record: bytes, place: str) -> None:
        if leaf.head is None or leaf.tail is None:
            self._note("once: answer missing", place)
            return
        try:
            answer = orjson.loads(leaf.head + record + leaf.tail)
            receipt = parse_receipt(answer["receipt"])
            if (receipt.index, answer["aid_fen"]) != (leaf.log_index, leaf.aid_fen):
                self._note("once: answer and tables disagree", place)
            checkpoint = self._checkpoint(receipt.checkpoint)
            verify_inclusion(
                receipt.index,
                checkpoint.size,
                leaf_hash(leaf.entry),
                receipt.path,
                checkpoint.root,
            )
        except CryptoError as error:
            self._note(f"signature: receipt does not verify ({error.code})", place)
        except (ValueError, KeyError, TypeError):
            self._note("once: answer cannot be read", place)

    def _checkpoint(self, note: str) -> Checkpoint:
        """Neighbouring receipts share their batch's checkpoint: verify it once."""
        if note != self._note_text or self._verified is None:
            self._verified = verify_checkpoint(note, self._trust)
            self._note_text = note
        return self._verified

    def _grow(self) -> None:
        extension = self._edge.extend(self._pending)
        for level in TILE_LEVELS:
            for index, node in extension.complete_nodes(level):
                self._nodes[level, index] = node
        self._edge = extension.edge
        self._pending = []

    async def finish(self, nodes: LogNodes) -> None:
        if self._pending:
            self._grow()
        found = await nodes.head()
        if found is not None:
            self._check_head(*found)
        elif self._edge.size:
            # The first worker that serves makes the head: before, there is no log.
            self._note("log: no head", "head")
        if await nodes.stored_nodes() != self._nodes:
            self._note("log: stored tile roots differ", "nodes")

    def _check_head(self, head: LogHead, checkpoint: str) -> None:
        if (head.size, head.root) != (self._edge.size, self._edge.root):
            self._note("log: stored root is not the root of the records", "head")
        if head.edge != self._edge.to_bytes():
            self._note("log: stored edge is not the edge of the records", "head")
        try:
            shown = verify_checkpoint(checkpoint, self._trust)
            if (shown.size, shown.root) != (head.size, head.root):
                self._note("log: checkpoint is not of the head", "head")
        except CryptoError as error:
            self._note(f"signature: checkpoint ({error.code})", "head")

    def _note(self, rule: str, place: str) -> None:
        self._report.violations.append(Violation(rule, place))

"""Check the books: the invariants over the whole database, by the stored bytes.

Money, caps and once are checked by queries; log and signatures from the records
themselves, with the same code that a verifier uses offline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
from settlement.service.past import Evidence, Past
from settlement.store import books
from settlement.store.books import BookCounts, BookLeaf
from settlement.store.database import Database
from settlement.store.log_nodes import LogNodes
from settlement.store.rows import LogHead

_GROW_AT_ONCE = 1_024
_AMOUNTS = ("total_fen", "aid_fen", "patient_pays_fen")

#: Called with the leaves checked so far, and how many there are.
Progress = Callable[[int, int], None]


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
    compared: int = 0
    """Records and checkpoints in other hands that the log was held against."""


async def check_books(
    database: Database,
    trust: Trust,
    progress: Progress = lambda _done, _total: None,
    *,
    against: Evidence | None = None,
) -> BooksReport:
    """Check everything; reads only.

    `against`: what others hold of the log's past; only that finds a past which was
    rewritten together with everything that was derived from it.
    Run it on a quiet database: rows that arrive meanwhile may show as violations.
    """
    past = Past(against or Evidence())
    report = BooksReport(await books.counts(database), compared=past.checked)
    report.violations += [Violation(*row) for row in await books.violations(database)]
    auditor = _LogAuditor(trust, report, past)
    nodes = LogNodes(database)
    found = await nodes.head()
    total = 0 if found is None else found[0].size
    async for leaf in books.leaves(database):
        auditor.take(leaf)
        report.leaves += 1
        progress(report.leaves, total)
    await auditor.finish(nodes)
    return report


class _LogAuditor:
    """Grows the tree again from the records and compares with what is stored."""

    def __init__(self, trust: Trust, report: BooksReport, past: Past) -> None:
        self._trust = trust
        self._report = report
        self._past = past
        self._edge = RightEdge()
        self._pending: list[bytes] = []
        self._nodes: dict[tuple[int, int], bytes] = {}
        self._note_text = ""
        self._verified: Checkpoint | None = None
        self._note_all(past.begin())

    def take(self, leaf: BookLeaf) -> None:
        place = str(leaf.log_index)
        if leaf.record is None or sha256(leaf.record).digest() != leaf.entry:
            self._note("log: entry is not the hash of its record", place)
        else:
            self._check_record(leaf, leaf.record, place)
        self._note_all(self._past.leaf(leaf.log_index, leaf.entry, leaf.answer))
        self._pending.append(leaf.entry)
        size = self._edge.size + len(self._pending)
        if self._past.wants_root(size):
            self._grow()
            self._note_all(self._past.root_at(size, self._edge.root))
        elif len(self._pending) >= _GROW_AT_ONCE:
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
        self._check_answer(leaf, place)

    def _check_answer(self, leaf: BookLeaf, place: str) -> None:
        if leaf.answer is None:
            self._note("once: answer missing", place)
            return
        try:
            answer = orjson.loads(leaf.answer)
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
        self._note_all(self._past.finish())
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

    def _note_all(self, found: Iterable[tuple[str, str]]) -> None:
        for rule, place in found:
            self._note(rule, place)

    def _note(self, rule: str, place: str) -> None:
        self._report.violations.append(Violation(rule, place))

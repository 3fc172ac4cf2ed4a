"""Check the books: the invariants over the whole database, by the stored bytes.

Money, caps and once are checked by queries; log and signatures from the records
themselves, with the same code that a verifier uses offline; each row against the
answer that was given; and, with the bureau's key, each decision from its content.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crypto.keys import OpeningKey
from crypto.trust import Trust
from settlement.domain.decision import PolicyRef
from settlement.domain.policy import CompiledPack, PolicyError, compile_pack
from settlement.domain.roster import FIRST_TOKEN_EPOCH
from settlement.service.books_decisions import DecisionChecker
from settlement.service.books_entries import EntryAuditor
from settlement.service.books_log import LogAuditor
from settlement.service.books_months import check_cuts, check_statements
from settlement.service.books_report import BooksReport, Violation
from settlement.service.books_rows import RowChecker
from settlement.service.past import Evidence, Past
from settlement.service.request import Tokenizer
from settlement.store import books
from settlement.store.books import BookPack, BookPosting
from settlement.store.database import read_token_epoch
from settlement.store.log_nodes import read_head

if TYPE_CHECKING:
    from settlement.store.database import Database, Session

__all__ = ["BooksReport", "Means", "Progress", "Violation", "check_books"]

_NODES_AT_ONCE = 1_000

#: Called with the leaves checked so far, and how many there are.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the check may use beyond the database and the trust file."""

    against: Evidence = field(default_factory=Evidence)
    """What others hold of the log's past; only that finds a past which was rewritten
    together with everything that was derived from it."""
    bureau_key: OpeningKey | None = None
    """Opens the contents, so that each decision is recomputed."""
    tokenizer: Tokenizer | None = None
    """The gateway's, so that diagnoses and requests are compared too."""


async def check_books(
    database: Database,
    trust: Trust,
    progress: Progress = lambda _done, _total: None,
    means: Means | None = None,
) -> BooksReport:
    """Check everything that can be checked with these means; reads only.

    Memory grows with the evidence and the packs, never with the books. It may run
    beside gateways that settle: every read sees the books of one instant.
    """
    async with books.snapshot(database) as session:
        return await _check(session, trust, progress, means or Means())


async def _check(
    session: Session, trust: Trust, progress: Progress, means: Means
) -> BooksReport:
    cuts, wrong_cuts = await check_cuts(session, trust)
    past = Past(means.against)
    report = BooksReport(await books.counts(session), compared=past.checked)
    past.hold(cuts)
    for found in (*await books.violations(session), *wrong_cuts):
        report.note(*found)
    refs, packs = _compile(await books.packs(session), report)
    decisions = (
        None
        if means.bureau_key is None
        else DecisionChecker(
            means.bureau_key,
            packs,
            means.tokenizer,
            is_first_epoch=await read_token_epoch(session) == FIRST_TOKEN_EPOCH,
        )
    )
    log = LogAuditor(trust, past, report.note)
    rows = RowChecker(refs, means.tokenizer)
    entries = EntryAuditor(trust, report, log, rows, decisions)
    await _check_leaves(session, report, log, entries, progress)
    await log.finish(session)
    async for decline in books.declines(session):
        entries.without_leaf(decline)
    async for repeat in books.repeats(session):
        entries.without_leaf(repeat)
    for found in await check_statements(session):
        report.note(*found)
    report.decisions = None if decisions is None else decisions.checked
    return report


async def _check_leaves(
    session: Session,
    report: BooksReport,
    log: LogAuditor,
    entries: EntryAuditor,
    progress: Progress,
) -> None:
    head = await read_head(session)
    total = 0 if head is None else head[0].size
    async with aclosing(books.postings(session)) as stream:
        postings = _ByLeaf(stream)
        async for leaf in books.leaves(session):
            entries.leaf(leaf, await postings.of(leaf.log_index))
            await log.compare_nodes(session, at_least=_NODES_AT_ONCE)
            report.leaves += 1
            progress(report.leaves, total)


class _ByLeaf:
    """Postings in the order of the log, handed out leaf by leaf."""

    def __init__(self, postings: AsyncIterator[BookPosting]) -> None:
        self._postings = postings
        self._next: BookPosting | None = None
        self._is_begun = False

    async def of(self, log_index: int) -> list[BookPosting]:
        """Those of one leaf; those of no leaf, before it, are the queries' business."""
        if not self._is_begun:
            self._is_begun = True
            await self._advance()
        found = []
        while self._next is not None and self._next.log_index <= log_index:
            if self._next.log_index == log_index:
                found.append(self._next)
            await self._advance()
        return found

    async def _advance(self) -> None:
        self._next = await anext(self._postings, None)


def _compile(
    installed: Sequence[BookPack], report: BooksReport
) -> tuple[dict[int, PolicyRef], dict[str, CompiledPack]]:
    """The packs by number and by hash; one that does not compile is a violation."""
    packs: dict[str, CompiledPack] = {}
    refs: dict[int, PolicyRef] = {}
    for row in installed:
        try:
            pack = compile_pack(row.document)
        except PolicyError:
            rule = "policy: document does not compile (policy_pack)"
            report.note(rule, str(row.no))
            continue
        if (row.id, row.version) != (pack.ref.id, pack.ref.version):
            rule = "policy: the document names itself otherwise (policy_pack)"
            report.note(rule, str(row.no))
        packs[pack.ref.sha256], refs[row.no] = pack, pack.ref
    return refs, packs

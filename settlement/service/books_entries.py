"""One leaf at a time, and what has no leaf: record, receipt, answer, rows, decision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from crypto.errors import CryptoError
from crypto.receipt import parse_receipt
from crypto.record import VerifiedRecord, verify_record
from crypto.trust import Trust
from settlement.service.books_decisions import DecisionChecker
from settlement.service.books_log import LogAuditor
from settlement.service.books_report import BooksReport
from settlement.service.books_rows import RowChecker
from settlement.store.books import BookAnswer, BookLeaf, BookPosting

_Shown = Mapping[str, Any]


class EntryAuditor:
    """Whatever it is given, it notes what does not hold and goes on."""

    def __init__(
        self,
        trust: Trust,
        report: BooksReport,
        log: LogAuditor,
        rows: RowChecker,
        decisions: DecisionChecker | None,
    ) -> None:
        """`decisions`: `None` where contents cannot be opened."""
        self._trust = trust
        self._note = report.note
        self._log = log
        self._rows = rows
        self._decisions = decisions

    def leaf(self, leaf: BookLeaf, posted: Sequence[BookPosting]) -> None:
        """One leaf with everything that belongs to it."""
        place = str(leaf.log_index)
        self._log.take(leaf)
        verified = self._record(leaf, place)
        shown = self._answer(leaf, place)
        if shown is not None:
            self._receipt(leaf, shown, place)
            self._compare_answer(leaf, shown, place)
        if verified is not None:
            self._compare_record(leaf, verified, place)
            self._recompute(leaf, verified, posted, place)

    def without_leaf(self, book: BookAnswer) -> None:
        """A decline, or an answer to a reversal that undid nothing itself."""
        place = book.id.hex()
        shown = self._answer(book, place)
        row = book.settlement
        if shown is not None and row is not None:
            found = lambda: self._rows.settlement(book, row, shown)  # noqa: E731  # read at once
            self._differences("once: answer and tables disagree", found, place)

    def _record(self, leaf: BookLeaf, place: str) -> VerifiedRecord | None:
        if leaf.record is None:
            return None  # the log's check has told
        try:
            return verify_record(leaf.record, self._trust)
        except CryptoError as error:
            rule = f"signature: record does not verify (sealed_record: {error.code})"
            self._note(rule, place)
            return None

    def _answer(self, book: BookAnswer, place: str) -> _Shown | None:
        if book.answer is None:
            self._note("once: answer missing (answer)", place)
            return None
        if not book.is_whole:
            self._note("once: answer is not what its checksum says (answer)", place)
        try:
            shown = orjson.loads(book.answer)
        except ValueError:
            shown = None
        if isinstance(shown, dict):
            return shown
        self._note("once: answer cannot be read (answer)", place)
        return None

    def _receipt(self, leaf: BookLeaf, shown: _Shown, place: str) -> None:
        try:
            receipt = parse_receipt(shown.get("receipt") or {})
            if receipt.index != leaf.log_index:
                self._note("once: receipt names another leaf (answer)", place)
            self._log.receipt(receipt, leaf.entry)
        except CryptoError as error:
            rule = f"signature: receipt does not verify (answer: {error.code})"
            self._note(rule, place)

    def _compare_answer(self, leaf: BookLeaf, shown: _Shown, place: str) -> None:
        def found() -> Iterable[str]:
            if leaf.settlement is not None:
                yield from self._rows.settlement(leaf, leaf.settlement, shown)
            if leaf.reversal is not None:
                yield from self._rows.reversal(leaf, leaf.reversal, shown)

        self._differences("once: answer and tables disagree", found, place)

    def _compare_record(
        self, leaf: BookLeaf, verified: VerifiedRecord, place: str
    ) -> None:
        def found() -> Iterable[str]:
            if verified.claims["op"] != _operation(leaf):
                yield "log_leaf.id"
            elif leaf.settlement is not None:
                yield from self._rows.settlement_record(
                    leaf, leaf.settlement, verified.claims
                )
            elif leaf.reversal is not None:
                yield from self._rows.reversal_record(
                    leaf, leaf.reversal, verified.claims
                )

        self._differences("log: record and tables disagree", found, place)

    def _recompute(
        self,
        leaf: BookLeaf,
        verified: VerifiedRecord,
        posted: Sequence[BookPosting],
        place: str,
    ) -> None:
        decisions = self._decisions
        if decisions is None:
            return
        try:
            self._differences(
                "decision: content and tables disagree",
                lambda: decisions.check(leaf, verified, posted),
                place,
            )
        except CryptoError as error:
            rule = f"decision: content does not open (sealed_record: {error.code})"
            self._note(rule, place)

    def _differences(
        self, rule: str, found: Callable[[], Iterable[str]], place: str
    ) -> None:
        """Name what disagrees; a shape that nobody wrote is told as such."""
        try:
            names = sorted({*found()})
        except (KeyError, TypeError, ValueError, AttributeError):
            self._note(f"{rule} (a part of answer cannot be read)", place)
            return
        if names:
            self._note(f"{rule} ({', '.join(names)})", place)


def _operation(leaf: BookLeaf) -> str | None:
    if leaf.settlement is not None:
        return "settle"
    if leaf.reversal is None:
        return None
    return "tombstone" if leaf.reversal["settlement_id"] is None else "reverse"

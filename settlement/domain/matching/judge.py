"""The rules: what the sides say about one settlement, and where they disagree.

A side says that a settlement is in force, taken back, or both, which is nothing. That
is compared first; amounts are compared where both say the same. Pairs that cancel are
netted before, so a hospital may list a settlement with its refund or leave both out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from typing import assert_never

from settlement.domain.matching.difference import Difference
from settlement.domain.matching.items import (
    Amounts,
    BureauItem,
    LedgerItem,
    ListedItem,
    NetState,
)
from settlement.domain.matching.kinds import Kind, Repair

#: A difference names so many lines at most: a hostile list may repeat one for ever.
LINES_SHOWN = 20

_NOTHING = Amounts(0, 0)


@dataclass(slots=True)
class Heard:
    """What lines come to together; keeps sums, not lines."""

    count: int = 0
    """How many lines."""
    net: int = 0
    """Settlements less refunds."""
    total_fen: int = 0
    aid_fen: int = 0
    lines: list[int] = field(default_factory=list)

    def add(self, line: int, sign: int, total_fen: int, aid_fen: int) -> None:
        """Hear one more line."""
        self.count += 1
        self.net += sign
        self.total_fen += total_fen
        self.aid_fen += aid_fen
        if len(self.lines) < LINES_SHOWN:
            self.lines.append(line)

    @property
    def amounts(self) -> Amounts:
        """What the lines add up to."""
        return Amounts(self.total_fen, self.aid_fen)

    @property
    def is_void(self) -> bool:
        """Whether nothing is left: no line, or lines that cancel."""
        return self.net == 0 and self.amounts == _NOTHING


@dataclass(slots=True)
class Listed:
    """What the hospital says about one settlement, heard line by line."""

    first: ListedItem
    whole: Heard = field(default_factory=Heard)
    here: Heard = field(default_factory=Heard)
    """Lines that can be about what our ledger has in this period."""
    strays: Heard = field(default_factory=Heard)
    """Lines that belong to another period, beside a ledger item in this one."""
    actual_day: date | None = None
    has_our_amounts: bool = False
    """Whether one line alone says what our ledger says."""


def hear(lines: Iterator[ListedItem], ledger: LedgerItem | None) -> Listed:
    """All that the hospital's lines, one at least, say about one settlement.

    Memory does not grow with the lines.
    """
    first = next(lines)
    listed = Listed(first)
    ours = net_amounts(ledger) if ledger else None
    for item in chain((first,), lines):
        sign, total_fen, aid_fen = signed(item)
        listed.whole.add(item.line, sign, total_fen, aid_fen)
        if item.elsewhere is not None:
            # The earliest, so that the order of lines plays no part.
            listed.actual_day = min(item.elsewhere, listed.actual_day or date.max)
        if _is_stray(item, sign, ledger):
            listed.strays.add(item.line, sign, total_fen, aid_fen)
        else:
            listed.here.add(item.line, sign, total_fen, aid_fen)
            if (total_fen, aid_fen) == ours:
                listed.has_our_amounts = True
    return listed


def signed(item: ListedItem) -> tuple[int, int, int]:
    """+1 or -1 for a refund, and the amounts with the sign that they count with."""
    total_fen, aid_fen = item.total_fen, item.aid_fen
    if item.is_refund:
        return -1, -abs(total_fen), -abs(aid_fen)
    return (-1 if total_fen < 0 or aid_fen < 0 else 1), total_fen, aid_fen


def net_amounts(item: LedgerItem | BureauItem) -> Amounts:
    """What the item counts in the period."""
    if item.state is NetState.CANCELLED:
        return _NOTHING
    return Amounts(item.total_fen, item.aid_fen)


def _is_stray(item: ListedItem, sign: int, ledger: LedgerItem | None) -> bool:
    if ledger is None:
        return False
    # Where only the reversal lies here, the settlement lies in an earlier period.
    is_earlier = ledger.state is NetState.REVERSED and sign > 0
    return is_earlier or item.elsewhere is not None


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known about one settlement."""

    settlement_id: bytes | None
    ledger: LedgerItem | None
    listed: Listed | None
    record: BureauItem | None

    def hospital_differences(self) -> Iterator[Difference]:
        """Where the hospital's list and our ledger disagree."""
        if self.ledger is None:
            yield from self._unknown_here()
            return
        if self.listed is not None and not self.listed.strays.is_void:
            # Without a day of the caller's, it is the settlement's own.
            day = self.listed.actual_day or self.ledger.settled_on
            yield self._other_period(self.listed.strays, day)
        here = self.listed.here if self.listed else Heard()
        match self.ledger.state:
            case NetState.SETTLED:
                yield from self._against_settled(here)
            case NetState.REVERSED:
                yield from self._against_reversed(here)
            case NetState.CANCELLED:
                yield from self._against_cancelled(here)
            case never:
                assert_never(never)

    def bureau_difference(self) -> Difference | None:
        """Where the bureau's records and our ledger disagree."""
        ledger, record = self.ledger, self.record
        if ledger and record:
            is_same = ledger.state is record.state and net_amounts(
                ledger
            ) == net_amounts(record)
            kind, repair = Kind.BUREAU_DIFFERS, Repair.ASK_OPERATOR
        elif ledger:
            is_same = ledger.state is NetState.CANCELLED
            kind, repair = Kind.MISSING_AT_BUREAU, Repair.FETCH_RECORDS
        else:
            is_same = record is None or record.state is NetState.CANCELLED
            kind, repair = Kind.ONLY_AT_BUREAU, Repair.ASK_OPERATOR
        return None if is_same else self._difference(kind, repair)

    def _unknown_here(self) -> Iterator[Difference]:
        """Our ledger has nothing of it in this period."""
        if self.listed is None or self.listed.whole.is_void:
            return
        whole = self.listed.whole
        if self.listed.actual_day is not None:
            yield self._other_period(whole, self.listed.actual_day)
        elif self.settlement_id is None and whole.net > 0:
            yield self._difference(Kind.MISSING_AT_GATEWAY, Repair.SETTLE_AGAIN)
        else:
            yield self._difference(Kind.MISSING_AT_GATEWAY, Repair.CORRECT_LIST)
        # Lines without an id of ours may be several bills of one visit.
        if self.settlement_id is not None:
            yield from self._repeated(whole)

    def _other_period(self, heard: Heard, day: date) -> Difference:
        return self._difference(Kind.OTHER_PERIOD, Repair.MOVE_LINE, heard, day)

    def _against_settled(self, here: Heard) -> Iterator[Difference]:
        if here.count == 0:
            yield self._difference(Kind.MISSING_AT_HOSPITAL, Repair.BOOK_OR_REVERSE)
        elif here.net <= 0:
            yield self._difference(Kind.REVERSED_AT_HOSPITAL_ONLY, Repair.REVERSE)
        else:
            yield from self._amounts(here)
        yield from self._repeated(here)

    def _against_reversed(self, here: Heard) -> Iterator[Difference]:
        if here.count == 0:
            yield self._difference(Kind.REVERSED_AT_GATEWAY_ONLY, Repair.BOOK_REVERSAL)
        else:
            yield from self._amounts(here)
        yield from self._repeated(here)

    def _against_cancelled(self, here: Heard) -> Iterator[Difference]:
        if here.net > 0:
            yield self._difference(Kind.REVERSED_AT_GATEWAY_ONLY, Repair.BOOK_REVERSAL)
        elif here.net < 0:
            # The refund is listed, and what was refunded is not.
            yield self._difference(Kind.MISSING_AT_HOSPITAL, Repair.CORRECT_LIST)
        elif not here.is_void:
            yield self._difference(Kind.AMOUNT_DIFFERS, Repair.CORRECT_LIST)
        yield from self._repeated(here)

    def _amounts(self, here: Heard) -> Iterator[Difference]:
        """Both sides count it; of a line that stands there twice, one may be right."""
        is_repeated = abs(here.net) > 1
        is_right = self.listed is not None and self.listed.has_our_amounts
        if not (is_right if is_repeated else here.amounts == self._ours()):
            yield self._difference(Kind.AMOUNT_DIFFERS, Repair.CORRECT_LIST)

    def _repeated(self, heard: Heard) -> Iterator[Difference]:
        if abs(heard.net) > 1:
            yield self._difference(Kind.DUPLICATED, Repair.CORRECT_LIST)

    def _ours(self) -> Amounts | None:
        return net_amounts(self.ledger) if self.ledger else None

    def _difference(
        self,
        kind: Kind,
        repair: Repair,
        heard: Heard | None = None,
        actual_day: date | None = None,
    ) -> Difference:
        """The difference with all that is known; about these lines, or about all."""
        ledger, listed = self.ledger, self.listed
        heard = heard or (listed.whole if listed else Heard())
        names = ledger or (listed.first if listed else None)
        return Difference(
            kind=kind,
            settlement_id=self.settlement_id,
            lines=tuple(heard.lines),
            visit_no=names.visit_no if names else "",
            key=names.key if names else "",
            hospital=heard.amounts if listed else None,
            gateway=self._ours(),
            bureau=net_amounts(self.record) if self.record else None,
            repair=repair,
            actual_day=actual_day,
            reversal_id=ledger.reversal_id if ledger else None,
            listed_id=listed.first.listed_id if listed else "",
        )

"""Small worlds to match: one settlement in every situation, and what must be found."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from settlement.domain.matching import (
    BureauItem,
    Difference,
    Kind,
    LedgerItem,
    ListedItem,
    NetState,
    Tally,
    match,
)

DAY = date(2026, 1, 5)
OTHER_DAY = date(2026, 2, 1)
SETTLED, REVERSED, CANCELLED = NetState.SETTLED, NetState.REVERSED, NetState.CANCELLED


def settlement_id(number: int) -> bytes:
    """An id; numbers and ids are in the same order."""
    return number.to_bytes(16, "big")


@dataclass(frozen=True)
class Bill:
    """What one settlement came to."""

    number: int
    total_fen: int
    aid_fen: int

    def ledger(self, state: NetState = SETTLED) -> LedgerItem:
        """The ledger's item."""
        sign = -1 if state is REVERSED else 1
        return LedgerItem(
            settlement_id(self.number),
            DAY,
            "outpatient",
            f"MZ{self.number}",
            f"K{self.number}",
            sign * self.total_fen,
            sign * self.aid_fen,
            state,
            None if state is SETTLED else b"r" * 16,
            None if state is SETTLED else f"R{self.number}",
        )

    def line(
        self,
        *,
        sign: int = 1,
        is_refund: bool = False,
        elsewhere: date | None = None,
        more_total: int = 0,
        more_aid: int = 0,
    ) -> ListedItem:
        """A line of the hospital; `world` numbers the lines."""
        return ListedItem(
            0,
            settlement_id(self.number),
            f"MZ{self.number}",
            "",
            sign * (self.total_fen + more_total),
            sign * (self.aid_fen + more_aid),
            is_refund,
            elsewhere,
        )

    def refund(self, elsewhere: date | None = None) -> ListedItem:
        """A refund by its sign; nothing has no sign, and needs the flag."""
        return self.line(sign=-1, is_refund=not self.total_fen, elsewhere=elsewhere)

    def flagged(self) -> ListedItem:
        """A refund by its flag alone."""
        return self.line(is_refund=True)

    def record(
        self, state: NetState = SETTLED, *, more_total: int = 0, more_aid: int = 0
    ) -> BureauItem:
        """The bureau's item."""
        sign = -1 if state is REVERSED else 1
        return BureauItem(
            settlement_id(self.number),
            sign * (self.total_fen + more_total),
            sign * (self.aid_fen + more_aid),
            state,
        )


class Situation(NamedTuple):
    """What ledger and hospital have of one settlement, and what must be found."""

    ledger: LedgerItem | None
    lines: list[ListedItem]
    found: set[Kind]


#: Every way in which a hospital's list and our ledger can stand to each other.
SITUATIONS: dict[str, Callable[[Bill], Situation]] = {
    "flat": lambda b: Situation(b.ledger(), [b.line()], set()),
    "flat, one line taken back": lambda b: Situation(
        b.ledger(), [b.line(), b.refund(), b.line()], set()
    ),
    "flat reversal": lambda b: Situation(b.ledger(REVERSED), [b.refund()], set()),
    "flat reversal by flag": lambda b: Situation(
        b.ledger(REVERSED), [b.flagged()], set()
    ),
    "cancelled, both listed": lambda b: Situation(
        b.ledger(CANCELLED), [b.line(), b.refund()], set()
    ),
    "cancelled, both listed by flag": lambda b: Situation(
        b.ledger(CANCELLED), [b.flagged(), b.line()], set()
    ),
    "cancelled, both left out": lambda b: Situation(b.ledger(CANCELLED), [], set()),
    "a pair that we do not have": lambda b: Situation(
        None, [b.line(), b.refund()], set()
    ),
    "a pair from another period": lambda b: Situation(
        None, [b.line(elsewhere=OTHER_DAY), b.refund(elsewhere=OTHER_DAY)], set()
    ),
    "unlisted": lambda b: Situation(b.ledger(), [], {Kind.MISSING_AT_HOSPITAL}),
    "unlisted original": lambda b: Situation(
        b.ledger(CANCELLED), [b.refund()], {Kind.MISSING_AT_HOSPITAL}
    ),
    "unknown": lambda b: Situation(None, [b.line()], {Kind.MISSING_AT_GATEWAY}),
    "unknown refund": lambda b: Situation(
        None, [b.refund()], {Kind.MISSING_AT_GATEWAY}
    ),
    "other total": lambda b: Situation(
        b.ledger(), [b.line(more_total=1)], {Kind.AMOUNT_DIFFERS}
    ),
    "other aid": lambda b: Situation(
        b.ledger(), [b.line(more_aid=1)], {Kind.AMOUNT_DIFFERS}
    ),
    "other amount of a reversal": lambda b: Situation(
        b.ledger(REVERSED), [b.line(is_refund=True, more_aid=1)], {Kind.AMOUNT_DIFFERS}
    ),
    "a pair that does not cancel": lambda b: Situation(
        b.ledger(CANCELLED),
        [b.line(more_total=1), b.flagged()],
        {Kind.AMOUNT_DIFFERS},
    ),
    "reversal unlisted": lambda b: Situation(
        b.ledger(REVERSED), [], {Kind.REVERSED_AT_GATEWAY_ONLY}
    ),
    "refund unlisted": lambda b: Situation(
        b.ledger(CANCELLED), [b.line()], {Kind.REVERSED_AT_GATEWAY_ONLY}
    ),
    "refunded by the hospital": lambda b: Situation(
        b.ledger(), [b.line(), b.refund()], {Kind.REVERSED_AT_HOSPITAL_ONLY}
    ),
    "refunded, original left out": lambda b: Situation(
        b.ledger(), [b.flagged()], {Kind.REVERSED_AT_HOSPITAL_ONLY}
    ),
    "twice": lambda b: Situation(b.ledger(), [b.line()] * 2, {Kind.DUPLICATED}),
    "three times": lambda b: Situation(b.ledger(), [b.line()] * 3, {Kind.DUPLICATED}),
    "twice, once with other amounts": lambda b: Situation(
        b.ledger(), [b.line(more_aid=1), b.line()], {Kind.DUPLICATED}
    ),
    "twice with other amounts": lambda b: Situation(
        b.ledger(),
        [b.line(more_total=1)] * 2,
        {Kind.DUPLICATED, Kind.AMOUNT_DIFFERS},
    ),
    "refunded twice, reversed once": lambda b: Situation(
        b.ledger(REVERSED), [b.refund(), b.flagged()], {Kind.DUPLICATED}
    ),
    "refunded twice, not reversed": lambda b: Situation(
        b.ledger(),
        [b.refund(), b.flagged()],
        {Kind.REVERSED_AT_HOSPITAL_ONLY, Kind.DUPLICATED},
    ),
    "twice and reversed": lambda b: Situation(
        b.ledger(CANCELLED),
        [b.line(), b.line()],
        {Kind.REVERSED_AT_GATEWAY_ONLY, Kind.DUPLICATED},
    ),
    "of another period": lambda b: Situation(
        None, [b.line(elsewhere=OTHER_DAY)], {Kind.OTHER_PERIOD}
    ),
    "of another period, twice": lambda b: Situation(
        None,
        [b.line(elsewhere=OTHER_DAY)] * 2,
        {Kind.OTHER_PERIOD, Kind.DUPLICATED},
    ),
    "earlier settlement listed with its reversal": lambda b: Situation(
        b.ledger(REVERSED), [b.line(), b.refund()], {Kind.OTHER_PERIOD}
    ),
    "earlier settlement listed without its reversal": lambda b: Situation(
        b.ledger(REVERSED),
        [b.line()],
        {Kind.OTHER_PERIOD, Kind.REVERSED_AT_GATEWAY_ONLY},
    ),
    "later reversal listed early": lambda b: Situation(
        b.ledger(), [b.line(), b.refund(elsewhere=OTHER_DAY)], {Kind.OTHER_PERIOD}
    ),
}


def _agrees(b: Bill, item: LedgerItem | None) -> BureauItem | None:
    return b.record(item.state) if item else None


class View(NamedTuple):
    """What the bureau has of one settlement, and what must be found."""

    record: BureauItem | None
    found: set[Kind]


def _lost(_: Bill, item: LedgerItem | None) -> View:
    counts = item is not None and item.state is not CANCELLED
    return View(None, {Kind.MISSING_AT_BUREAU} if counts else set())


def _altered(b: Bill, item: LedgerItem | None) -> View:
    state = item.state if item else SETTLED
    record = b.record(state, more_aid=1)
    if item is None:
        return View(record, {Kind.ONLY_AT_BUREAU})
    return View(record, set() if state is CANCELLED else {Kind.BUREAU_DIFFERS})


def _other_state(b: Bill, item: LedgerItem | None) -> View:
    if item is None:
        return View(b.record(CANCELLED), set())
    state = SETTLED if item.state is CANCELLED else CANCELLED
    return View(b.record(state), {Kind.BUREAU_DIFFERS})


#: Every way in which the bureau's records and our ledger can stand to each other.
VIEWS: dict[str, Callable[[Bill, LedgerItem | None], View]] = {
    "flat": lambda b, item: View(_agrees(b, item), set()),
    "lost": _lost,
    "altered": _altered,
    "other state": _other_state,
}


class Sides(NamedTuple):
    """What is matched."""

    ledger: list[LedgerItem]
    listed: list[ListedItem]
    bureau: list[BureauItem]


def sorted_sides(
    ledger: Iterable[LedgerItem | None],
    lines: Iterable[ListedItem],
    records: Iterable[BureauItem | None],
) -> Sides:
    """The sides, sorted as `match` wants them; lines numbered as they come."""
    numbered = [line._replace(line=at) for at, line in enumerate(lines, start=1)]
    return Sides(
        sorted((item for item in ledger if item), key=lambda item: item.settlement_id),
        sorted(numbered, key=lambda line: line.settlement_id or b""),
        sorted((item for item in records if item), key=lambda item: item.settlement_id),
    )


def matched(sides: Sides) -> tuple[list[Difference], Tally]:
    """All three sides, matched."""
    tally = Tally()
    found = [*match(*map(iter, sides), tally=tally)]  # type: ignore[arg-type]  # map forgets the types
    return found, tally


def kinds(found: Iterable[Difference]) -> set[tuple[bytes | None, Kind]]:
    """What was found about what."""
    return {(each.settlement_id, each.kind) for each in found}

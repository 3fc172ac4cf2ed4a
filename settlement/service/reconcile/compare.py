"""Two or three sides of what was gathered in a transaction, compared piece by piece."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from settlement.domain.hospital_list import ListRefusedError, RefusedLine
from settlement.domain.matching import (
    BureauItem,
    Difference,
    LedgerItem,
    ListedItem,
    NetState,
    Tally,
    match,
)
from settlement.service.reconcile.streams import MOST_ALIKE, Stream, pieces_of
from settlement.store.hospital_lists import LineRow, lines_resolved, lines_unresolved
from settlement.store.periods import LedgerRow, ledger_of_period
from settlement.store.told import ToldItem, told_of

if TYPE_CHECKING:
    from settlement.store.database import Session


async def compare(
    session: Session, *, has_list: bool, bureau_of: str | None, tally: Tally
) -> AsyncIterator[list[Difference]]:
    """Differences of what `period`, `listed` and `told` hold, some at a time.

    `bureau_of`: the hospital whose records were read; `None` where none were. Raises
    `ListRefusedError` (MA-6310) for a list that repeats one settlement without end.
    """
    streams = (
        Stream(ledger_of_period(session), lambda row: row.settlement_id),
        Stream(lines_resolved(session), lambda row: row.settlement_id, _repeated)
        if has_list
        else None,
        Stream(told_of(session, bureau_of), lambda row: row.settlement_id)
        if bureau_of is not None
        else None,
    )
    async for ledger, listed, told in pieces_of(streams):
        yield list(
            match(
                map(_ledger_item, ledger or ()),
                None if listed is None else map(_listed_item, listed),
                None if told is None else _bureau_items(told),
                tally=tally,
            )
        )
    if has_list:
        unresolved = Stream(
            lines_unresolved(session),
            lambda row: (row.visit_no, row.key, row.listed_id),
            _repeated,
        )
        async for (lines,) in pieces_of((unresolved,)):
            items = map(_listed_item, lines or ())
            yield list(match((), (), None, unresolved=items, tally=tally))


def _repeated(row: LineRow) -> ListRefusedError:
    lines = (RefusedLine(row.line, "", "MA-6310"),)
    return ListRefusedError("MA-6310", f"more than {MOST_ALIKE} like this one", lines)


def _ledger_item(row: LedgerRow) -> LedgerItem:
    sign, state = 1, NetState.SETTLED
    if not row.is_settled:
        sign, state = -1, NetState.REVERSED
    elif row.reversal_id is not None:
        state = NetState.CANCELLED
    return LedgerItem(
        row.settlement_id,
        row.settled_on,
        row.care_type,
        row.visit_no,
        row.key,
        sign * row.total_fen,
        sign * row.aid_fen,
        state,
        row.reversal_id,
        row.reversal_key,
    )


def _listed_item(row: LineRow) -> ListedItem:
    return ListedItem(
        row.line,
        row.settlement_id,
        row.visit_no,
        row.key,
        row.total_fen,
        row.aid_fen,
        row.refund,
        row.elsewhere,
        row.listed_id,
    )


def _bureau_items(rows: list[ToldItem]) -> Iterator[BureauItem]:
    for row in rows:
        state = NetState.SETTLED if row.settled else NetState.REVERSED
        is_pair = row.settled == row.reversed == 1
        # A reversal of other amounts than its settlement's cancels nothing.
        if is_pair and row.total_fen == row.aid_fen == 0:
            state = NetState.CANCELLED
        yield BureauItem(row.settlement_id, row.total_fen, row.aid_fen, state)

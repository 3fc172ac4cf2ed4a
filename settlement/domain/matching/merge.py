"""One pass over the sides, each sorted by settlement id; memory for one id alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from typing import Generic, TypeVar

from settlement.domain.errors import require
from settlement.domain.matching.difference import Difference
from settlement.domain.matching.items import (
    BureauItem,
    LedgerItem,
    ListedItem,
    NetState,
    Side,
    Tally,
)
from settlement.domain.matching.judge import Case, hear, net_amounts

#: Sorts after every id.
_END = b"\xff" * 17

_Item = TypeVar("_Item", LedgerItem, ListedItem, BureauItem)


def match(
    ledger: Iterable[LedgerItem],
    listed: Iterable[ListedItem] | None,
    bureau: Iterable[BureauItem] | None,
    *,
    unresolved: Iterable[ListedItem] = (),
    tally: Tally | None = None,
) -> Iterator[Difference]:
    """Every difference between the sides of one facility and period.

    `ledger`, `listed` and `bureau` are sorted by settlement id, as bytes; ledger and
    bureau name each one once. A side that is `None` is not matched at all; an empty
    one lacks everything. Lines of the list that name no settlement of ours come as
    `unresolved`, sorted by visit number, key and listed id (by code point): equal
    ones are taken together. Another order is a bug of the caller, and raises.

    Differences come sorted by settlement id, those of unresolved lines last. `tally`
    is filled in; it is complete when the iteration has ended.
    """
    tally = Tally() if tally is None else tally
    for difference in chain(
        _match_resolved(ledger, listed, bureau, tally),
        _match_unresolved(unresolved, tally),
    ):
        tally.differences += 1
        yield difference


class _Sorted(Generic[_Item]):
    """A side, read one ahead."""

    __slots__ = ("_is_unique", "_items", "id", "item")

    def __init__(self, items: Iterable[_Item], *, is_unique: bool) -> None:
        self._items: Iterator[_Item] = iter(items)
        self._is_unique = is_unique
        self.item: _Item | None = None
        self.id = b""
        self._advance()

    def take(self, settlement_id: bytes) -> _Item | None:
        """The next item if it is this settlement's."""
        if self.id != settlement_id:
            return None
        item = self.item
        self._advance()
        return item

    def take_all(self, settlement_id: bytes) -> Iterator[_Item]:
        """Further items of this settlement."""
        while (item := self.take(settlement_id)) is not None:
            yield item

    def _advance(self) -> None:
        item = next(self._items, None)
        last, self.item = self.id, item
        if item is None:
            self.id = _END
            return
        self.id = item.settlement_id or b""
        if self.id <= last:
            require(
                self.id == last != b"" and not self._is_unique,
                "a side of the match is not sorted by settlement id",
            )


def _match_resolved(
    ledger: Iterable[LedgerItem],
    listed: Iterable[ListedItem] | None,
    bureau: Iterable[BureauItem] | None,
    tally: Tally,
) -> Iterator[Difference]:
    ours = _Sorted(ledger, is_unique=True)
    theirs = _Sorted(() if listed is None else listed, is_unique=False)
    records = _Sorted(() if bureau is None else bureau, is_unique=True)
    has_list, has_bureau = listed is not None, bureau is not None
    plain = Side()
    while (now := min(ours.id, theirs.id, records.id)) != _END:
        item, line, record = ours.take(now), theirs.take(now), records.take(now)
        if (
            item is not None
            and (not has_list or (line is not None and theirs.id != now))
            and _is_plain(item, line, record if has_bureau else item)
        ):
            plain.add(1, item.total_fen, item.aid_fen)
            continue
        heard = None
        if line is not None:
            heard = hear(chain((line,), theirs.take_all(now)), item)
        case = Case(now, item, heard, record)
        found = [*case.hospital_differences()] if has_list else []
        if has_bureau and (difference := case.bureau_difference()) is not None:
            found.append(difference)
        _count(case, tally, is_flat=not found)
        yield from found
    _count_plain(plain, tally, has_list=has_list, has_bureau=has_bureau)


def _is_plain(
    item: LedgerItem, line: ListedItem | None, record: LedgerItem | BureauItem | None
) -> bool:
    """Nearly all: settled, listed once, recorded, the same amounts everywhere."""
    total_fen, aid_fen = item.total_fen, item.aid_fen
    return (
        item.state is NetState.SETTLED
        and (
            line is None
            or (
                line.total_fen == total_fen
                and line.aid_fen == aid_fen
                and not line.is_refund
                and line.elsewhere is None
            )
        )
        and record is not None
        and record.state is NetState.SETTLED
        and record.total_fen == total_fen
        and record.aid_fen == aid_fen
    )


def _match_unresolved(
    lines: Iterable[ListedItem], tally: Tally
) -> Iterator[Difference]:
    last: tuple[str, str, str] | None = None
    for name, group in groupby(lines, key=_name):
        require(
            last is None or name > last,
            "unresolved lines are not sorted by visit number, key and listed id",
        )
        last = name
        case = Case(None, None, hear(group, None), None)
        _count(case, tally, is_flat=False)
        yield from case.hospital_differences()


def _name(line: ListedItem) -> tuple[str, str, str]:
    return line.visit_no, line.key, line.listed_id


def _count(case: Case, tally: Tally, *, is_flat: bool) -> None:
    for item, side in ((case.ledger, tally.gateway), (case.record, tally.bureau)):
        if item is not None and item.state is not NetState.CANCELLED:
            side.add(1, *net_amounts(item))
    if case.listed is not None:
        whole = case.listed.whole
        tally.lines += whole.count
        tally.hospital.add(abs(whole.net), *whole.amounts)
    ledger = case.ledger
    if is_flat and ledger is not None and ledger.state is not NetState.CANCELLED:
        tally.flat.add(1, *net_amounts(ledger))


def _count_plain(
    plain: Side, tally: Tally, *, has_list: bool, has_bureau: bool
) -> None:
    sides = [tally.gateway, tally.flat]
    if has_list:
        sides.append(tally.hospital)
        tally.lines += plain.count
    if has_bureau:
        sides.append(tally.bureau)
    for side in sides:
        side.add(plain.count, plain.total_fen, plain.aid_fen)

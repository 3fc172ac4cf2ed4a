"""A hospital's month matched: its list, our ledger, and the bureau's records."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

import orjson

from settlement.domain.calendar import month_name, month_of
from settlement.domain.matching import (
    KINDS,
    Amounts,
    Difference,
    Owner,
    Tally,
    difference_id,
    recovery_difference,
)
from settlement.service.ids import ids_of_days
from settlement.service.reconcile.compare import compare
from settlement.service.reconcile.faults import MonthFault
from settlement.service.reconcile.months import (
    require_facility,
    require_opened,
    span_of,
)
from settlement.store import differences as found_store
from settlement.store import hospital_lists as lists
from settlement.store.closing import FacilityRow, is_closed, keep_match, lock_closing
from settlement.store.differences import FoundRow
from settlement.store.hospital_lists import ListRow, RawLine
from settlement.store.periods import DaySpan, OpenedMonth
from settlement.store.recoveries import drop_given_back, open_recoveries

if TYPE_CHECKING:
    from settlement.store.database import Database, Session

#: Below, a list of which nothing fits may simply be wrong line by line.
_MANY_LINES = 20
#: Kinds that only the bureau's records show.
_OF_RECORDS = tuple(
    kind.value for kind, facts in KINDS.items() if facts.owner is not Owner.HOSPITAL
)
#: Differences of a day that are told; of a month, that are kept.
MOST_OF_DAYS = 10_000
MOST_OF_MONTH = 1_000_000


@dataclass(frozen=True, slots=True)
class NewList:
    """A hospital's list on its way in."""

    sha256: str
    form: Callable[[], str]
    """How it was read; known when its last line was."""
    lines: AsyncIterator[list[RawLine]]


@dataclass(frozen=True, slots=True)
class Matched:
    """What a match has come to."""

    facility: FacilityRow
    tally: Tally
    kinds: dict[str, int]
    """How many differences of each kind there are."""
    list_sha256: str | None
    is_new_list: bool


@dataclass(frozen=True, slots=True)
class Named:
    """A difference with the id under which it stays known."""

    id: bytes
    difference: Difference


async def match_month(
    session: Session,
    month: int,
    code: str,
    *,
    by: str,
    new_list: NewList | None = None,
    with_bureau: bool = False,
) -> Matched:
    """Match a hospital's opened month and keep what differs, in one transaction.

    Without `new_list` the list received last is matched again; without any, the
    hospital's side is left out. `with_bureau`: the table `told` holds what the bureau
    reads. Raises `MonthFault`; then nothing has changed.
    """
    async with session.transaction():
        facility = await require_facility(session, code)
        now = await lock_closing(session, facility.id)
        cut = await require_opened(session, month)
        await _require_open(session, month, facility)
        await span_of(cut).gather(session, facility.id)
        counts, is_new = await _take_list(session, month, facility, new_list, now, by)
        tally = await _find(
            session, cut, facility, has_list=counts is not None, told=with_bureau
        )
        await drop_given_back(session, month, facility.id, now, by)
        # A hospital's upload must not do away with what the bureau's records say.
        await found_store.keep_found(
            session,
            month,
            facility.id,
            now,
            by,
            not_sought=() if with_bureau else _OF_RECORDS,
        )
        await keep_match(
            session,
            month,
            facility.id,
            at=now,
            by=by,
            list_no=None if counts is None else counts.no,
            with_bureau=with_bureau,
            tally=asdict(tally),
        )
        return Matched(
            facility,
            tally,
            await found_store.kinds_found(session),
            None if counts is None else counts.sha256,
            is_new,
        )


async def _find(
    session: Session,
    cut: OpenedMonth,
    facility: FacilityRow,
    *,
    has_list: bool,
    told: bool,
) -> Tally:
    """Put what differs into the table `found` of this transaction."""
    month, tally = cut.month, Tally()
    bureau_of = facility.code if told else None
    await found_store.begin_found(session)
    async for some in compare(
        session, has_list=has_list, bureau_of=bureau_of, tally=tally
    ):
        await found_store.add_found(
            session, _rows(month_name(month), facility.code, some)
        )
        if tally.differences > MOST_OF_MONTH:
            raise MonthFault("MA-4212", facility.code)
    # Whatever the lists say: it stands until the hospital gives the aid back.
    async for asked in open_recoveries(session, facility.id, month, cut.tree_size):
        differences = map(recovery_difference, asked)
        rows = _rows(month_name(month), facility.code, differences)
        await found_store.add_found(session, rows)
        tally.differences += len(rows)
    return tally


async def _take_list(
    session: Session,
    month: int,
    facility: FacilityRow,
    new_list: NewList | None,
    now: datetime,
    by: str,
) -> tuple[ListRow | None, bool]:
    """The list that counts, read and resolved; and whether it was new."""
    await lists.begin_list(session)
    is_new = False
    if new_list is not None:
        await read_lines(session, new_list.lines)
        counts, is_new = await lists.keep_list(
            session,
            month=month,
            facility=facility.id,
            sha256=new_list.sha256,
            form=new_list.form(),
            received_at=now,
            received_by=by,
        )
    else:
        known = await lists.list_that_counts(session, month, facility.id)
        if known is None:
            return None, False
        await lists.read_kept(session, known.no)
        counts = known
    await lists.resolve_lines(session, facility.id)
    await lists.place_in_months(session)
    await require_fits(session, facility.code)
    return counts, is_new


async def read_lines(session: Session, pieces: AsyncIterator[list[RawLine]]) -> None:
    """Read a list into the table that was begun."""
    async for piece in pieces:
        await lists.add_lines(session, piece)


async def require_fits(session: Session, code: str) -> None:
    """Refuse a list of which nothing belongs here: another hospital's or month's."""
    lines, inside = await lists.counts_read(session)
    if inside == 0 and lines >= _MANY_LINES:
        raise MonthFault("MA-4212", code)


async def _require_open(session: Session, month: int, facility: FacilityRow) -> None:
    if await is_closed(session, month, facility.id):
        raise MonthFault("MA-4204", f"{facility.code} {month_name(month)}")


def _rows(period: str, code: str, some: Iterable[Difference]) -> list[FoundRow]:
    return [
        FoundRow(
            difference_id(period, code, each),
            each.kind,
            each.owner,
            each.repair,
            each.settlement_id,
            each.reversal_id,
            each.listed_id,
            each.visit_no,
            each.key,
            each.lines,
            orjson.dumps(amounts_of(each)).decode(),
            each.actual_day,
        )
        for each in some
    ]


def amounts_of(difference: Difference) -> dict[str, dict[str, int] | None]:
    """What each side says, by its name."""
    sides = {
        "hospital": difference.hospital,
        "gateway": difference.gateway,
        "bureau": difference.bureau,
    }
    return {name: _amounts(side) for name, side in sides.items()}


def _amounts(side: Amounts | None) -> dict[str, int] | None:
    return None if side is None else side._asdict()


@dataclass(frozen=True, slots=True)
class DaysMatched:
    """What a match that keeps nothing has come to."""

    named: list[Named]
    """The differences, `MOST_OF_DAYS` of them at most."""
    kinds: dict[str, int]
    """How many differences of each kind there are, all of them."""
    tally: Tally


async def match_days(
    database: Database,
    code: str,
    first: date,
    last: date,
    lines: AsyncIterator[list[RawLine]],
) -> DaysMatched:
    """Match a hospital's list of some days; keeps nothing. Raises `MonthFault`."""
    named: list[Named] = []
    kinds: Counter[str] = Counter()
    tally = Tally()
    period = f"{first}" if first == last else month_of(first)
    async with database.pool.acquire() as session, session.transaction():
        facility = await require_facility(session, code)
        await DaySpan(*ids_of_days(first, last)).gather(session, facility.id)
        await lists.begin_list(session)
        await read_lines(session, lines)
        await lists.resolve_lines(session, facility.id)
        await require_fits(session, code)
        async for some in compare(session, has_list=True, bureau_of=None, tally=tally):
            kinds.update(each.kind.value for each in some)
            room = MOST_OF_DAYS - len(named)
            named += [
                Named(difference_id(period, code, each), each) for each in some[:room]
            ]
    return DaysMatched(named, dict(sorted(kinds.items())), tally)

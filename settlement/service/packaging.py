"""What goes into a month package: read from the books in the order of the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from crypto.encoding import JsonValue
from crypto.merkle import (
    NodeReader,
    Path,
    consistency_proof,
    inclusion_proof,
)
from crypto.range_proof import gap_nodes
from settlement.domain.calendar import (
    days_of_month,
    month_name,
    month_of_day,
    rfc3339,
    shanghai_day,
)
from settlement.domain.month_entry import BillFigures, Entry, Hospital, is_late
from settlement.service.ids import ids_of_days
from settlement.service.request import BILL_FIELDS
from settlement.store import packaging
from settlement.store.closing import (
    ClosedRow,
    SignatureRow,
    closed_months,
    facilities_of,
    signatures_of,
)
from settlement.store.log_nodes import LogNodes
from settlement.store.packaging import EntryRow, KeptPackage
from settlement.store.periods import MonthSpan, OpenedMonth, opened_months

if TYPE_CHECKING:
    from settlement.store.database import Database, Session

_CHUNK = 10_000


class PackagingFault(Exception):
    """The month cannot be packaged; one sentence says what to do."""


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A hospital's closed month with the signatures that closed it."""

    hospital: Hospital
    statement: bytes
    signatures: tuple[SignatureRow, ...]


@dataclass(frozen=True, slots=True)
class PackagedEntry:
    """One leaf of the month, ready to be written."""

    index: int
    record: bytes
    is_sandbox: bool
    entry: Entry | None
    """`None` of a tombstone: no money stands behind it."""
    policy_sha256: str | None
    original: tuple[int, bytes, Path] | None
    """Of a reversal, the settlement that it undoes: index, record, inclusion path."""


@dataclass(frozen=True, slots=True)
class Previous:
    """The package of the month before."""

    cut: OpenedMonth
    kept: KeptPackage


class MonthBooks:
    """One closed month of the books; use `open_month_books` to make it."""

    def __init__(
        self,
        database: Database,
        cut: OpenedMonth,
        *,
        previous: Previous | None,
        kept: KeptPackage | None,
        statements: Sequence[SignedStatement],
        from_earlier: Sequence[int],
        waiting: Sequence[int],
    ) -> None:
        """All that is known before the entries are read."""
        self.cut = cut
        self.previous = previous
        self.kept = kept
        self.statements = statements
        self.from_earlier = from_earlier
        #: Leaves below the cut that belong to later months; grows with `entries`.
        self.deferred = list(waiting)
        self._database = database
        self._nodes = LogNodes(database)

    @property
    def month(self) -> str:
        """`YYYY-MM`."""
        return month_name(self.cut.month)

    async def entries(self) -> AsyncIterator[PackagedEntry]:
        """Every leaf of the month, in the order of the log."""
        for start in range(0, len(self.from_earlier), _CHUNK):
            chunk = self.from_earlier[start : start + _CHUNK]
            async for packaged in self._packaged(chunk):
                yield packaged
        cut, chunk = self.cut, []
        leaves = packaging.leaves(self._database, cut.first_index, cut.tree_size)
        async for index, month in leaves:
            if month > cut.month:
                self.deferred.append(index)
                continue
            chunk.append(index)
            if len(chunk) == _CHUNK:
                async for packaged in self._packaged(chunk):
                    yield packaged
                chunk = []
        async for packaged in self._packaged(chunk):
            yield packaged

    async def gap_hashes(self, gaps: Sequence[tuple[int, int]]) -> AsyncIterator[bytes]:
        """Roots of the complete subtrees of each gap, from its begin to its end."""
        for begin, end in gaps:

            def build(
                read: NodeReader, begin: int = begin, end: int = end
            ) -> list[bytes]:
                return [read(level, index) for level, index in gap_nodes(begin, end)]

            for node in build(await self._nodes.reader(build)):
                yield node

    async def consistency(self) -> Path:
        """That the log of this cut extends that of the earlier one."""
        old = 0 if self.previous is None else self.previous.cut.tree_size

        def build(read: NodeReader) -> Path:
            return consistency_proof(old, self.cut.tree_size, read)

        return build(await self._nodes.reader(build))

    async def policy_document(self, sha256: str) -> bytes:
        """A policy document that a record names."""
        async with self._database.pool.acquire() as connection:
            document = await packaging.policy_document(connection, sha256)
        if document is None:
            raise RuntimeError("a settlement names a pack that is not stored")
        return document

    async def _packaged(self, indexes: Sequence[int]) -> AsyncIterator[PackagedEntry]:
        count = 0
        async for row in packaging.entries(self._database, indexes):
            count += 1
            yield PackagedEntry(
                index=row.log_index,
                record=row.record,
                is_sandbox=row.sandbox,
                entry=None if row.is_tombstone else self._entry(row),
                policy_sha256=row.policy_sha256,
                original=await self._original(row),
            )
        if count != len(indexes):
            raise PackagingFault(
                "a leaf of the log has no record; run medaid check-books"
            )

    async def _original(self, row: EntryRow) -> tuple[int, bytes, Path] | None:
        index, record = row.original_index, row.original_record
        if index is None or record is None:
            return None

        def build(read: NodeReader) -> Path:
            return inclusion_proof(index, self.cut.tree_size, read)

        return index, record, build(await self._nodes.reader(build))

    def _entry(self, row: EntryRow) -> Entry:
        day = shanghai_day(row.at)
        return Entry(
            index=row.log_index,
            sid=row.id.hex(),
            ref=row.settlement_id.hex() if row.settlement_id else "",
            facility=row.facility,
            day=day,
            is_late=is_late(
                month_of_day(day),
                row.log_index,
                month=self.cut.month,
                first_index=self.cut.first_index,
            ),
            bill=_bill(row),
        )


async def open_month_books(database: Database, month: int) -> MonthBooks:
    """The month's books once every hospital has closed it; raises `PackagingFault`."""
    async with database.pool.acquire() as connection:
        cut, earlier = await _cut(connection, month)
        previous = await _previous(connection, earlier)
        kept = await packaging.kept_package(connection, month)
        statements = await _statements(connection, cut, is_first=kept is None)
        return MonthBooks(
            database,
            cut,
            previous=previous,
            kept=kept,
            statements=statements if kept is None else _as_kept(statements, kept),
            from_earlier=await packaging.earlier_indexes(
                connection, month, cut.first_index, is_later=False
            ),
            waiting=await packaging.earlier_indexes(
                connection, month, cut.first_index, is_later=True
            ),
        )


def signatures_document(signed: SignedStatement) -> list[JsonValue]:
    """Who signed a hospital's statement; their keys are the verifier's to know."""
    return [
        {
            "officer": each.officer,
            "key_id": each.key_id,
            "signature": each.signature.hex(),
            "signed_at": rfc3339(each.signed_at),
        }
        for each in signed.signatures
    ]


async def _cut(session: Session, month: int) -> tuple[OpenedMonth, OpenedMonth | None]:
    opened = await opened_months(session)
    cut = next((row for row in opened if row.month == month), None)
    if cut is None:
        raise PackagingFault(
            f"month {month_name(month)} is not opened; run medaid reconcile open first"
        )
    return cut, next((row for row in reversed(opened) if row.month < month), None)


async def _previous(session: Session, cut: OpenedMonth | None) -> Previous | None:
    if cut is None:
        return None
    kept = await packaging.kept_package(session, cut.month)
    if kept is None:
        raise PackagingFault(
            f"the package of {month_name(cut.month)} comes first: this month's names it"
        )
    return Previous(cut, kept)


async def _statements(
    session: Session, cut: OpenedMonth, *, is_first: bool
) -> list[SignedStatement]:
    closed = {row.facility_id: row for row in await closed_months(session, cut.month)}
    lowest, beyond = ids_of_days(*days_of_month(cut.month))
    involved = await MonthSpan(cut, lowest, beyond).facilities(session)
    open_ids = [each for each in involved if each not in closed]
    # Who had nothing in the month may still send a list: the package stays as it is.
    if open_ids and is_first:
        codes = [row.code for row in await facilities_of(session, open_ids)]
        raise PackagingFault(
            f"month {month_name(cut.month)} is not closed by {', '.join(codes)};"
            " medaid reconcile status tells what is open"
        )
    places = await packaging.places_of(session, list(closed))
    return [
        await _statement(session, cut.month, row, places[row.facility_id])
        for row in sorted(closed.values(), key=lambda row: row.facility)
    ]


async def _statement(
    session: Session, month: int, row: ClosedRow, place: packaging.PlaceRow
) -> SignedStatement:
    signed = await signatures_of(session, month, row.facility_id, row.sha256)
    # Whoever signs after the close changes nothing of the package.
    counted = sorted(
        (each for each in signed if each.signed_at <= row.closed_at),
        key=lambda each: each.officer,
    )
    return SignedStatement(
        Hospital(row.facility, row.name, place.level, place.subdistrict, row.sha256),
        row.statement,
        tuple(counted),
    )


def _as_kept(
    statements: list[SignedStatement], kept: KeptPackage
) -> list[SignedStatement]:
    """Hospitals as the first package named them: a name may have changed since."""
    named = {
        each["facility"]: each for each in orjson.loads(kept.statement)["hospitals"]
    }
    return [
        replace(
            each,
            hospital=replace(
                each.hospital,
                name=named[each.hospital.facility]["name"],
                level=named[each.hospital.facility]["level"],
                subdistrict=named[each.hospital.facility]["subdistrict"],
            ),
        )
        for each in statements
        if each.hospital.facility in named
    ]


def _bill(row: EntryRow) -> BillFigures:
    values = orjson.loads(row.request)
    sent: dict[str, Any] = dict(zip(BILL_FIELDS, values, strict=False))
    return BillFigures(
        policy=f"{row.policy_id}@{row.policy_version}",
        category=row.category,
        subdistrict=row.subdistrict,
        care_type=row.care_type,
        service_start=row.service_start.isoformat(),
        service_end=row.service_end.isoformat(),
        total_fen=row.total_fen,
        funds_fen=row.funds_fen,
        in_policy_fen=sent["in_policy_fen"],
        basic_insurance_fen=sent["basic_insurance_fen"],
        serious_illness_fen=sent["serious_illness_fen"],
        other_funds_fen=sent["other_funds_fen"],
        base_fen=row.base_fen,
        aid_fen=row.aid_fen,
        tilt_fen=row.tilt_fen,
        patient_pays_fen=row.patient_pays_fen,
        commercial_fen=sent["commercial_fen"] or 0,
        charity_fen=sent["charity_fen"] or 0,
        personal_account_fen=sent["personal_account_fen"],
    )

"""Closing a hospital's month: two officers sign the same bytes, and it is final."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from crypto.approval import Purpose, verify_approval
from crypto.errors import CryptoError
from crypto.keys import Role, VerifyingKey
from settlement.domain.calendar import month_name
from settlement.domain.statement import (
    Figures,
    HospitalStatement,
    Ledger,
    StatedDifference,
)
from settlement.service.reconcile.faults import MonthFault
from settlement.service.reconcile.months import (
    require_facility,
    require_opened,
    span_of,
)
from settlement.store import closing as store
from settlement.store.access import AccessStore, Signer
from settlement.store.closing import FacilityRow, SignatureRow
from settlement.store.differences import (
    DifferenceRow,
    carried_into,
    differences,
    state_counts,
)
from settlement.store.hospital_lists import list_that_counts
from settlement.store.periods import FiguresRow, opened_months

if TYPE_CHECKING:
    from settlement.store.database import Database, Session

#: A second person looks before money is paid.
SIGNATURES_NEEDED = 2
_STATED = ("resolved", "carried_over")


@dataclass(frozen=True, slots=True)
class Signing:
    """A hospital's statement and who has signed it."""

    facility: FacilityRow
    statement: bytes
    sha256: str
    officers: tuple[str, ...]
    """Codes of the officers whose signatures hold, in the order of signing."""
    closed_at: datetime | None
    """`None` while a signature is wanting."""


async def prepare(
    database: Database, month: int, code: str, *, origin: str, without_list: bool
) -> Signing:
    """The statement as it would be signed now, or was; changes nothing.

    Raises `MonthFault` where the month is not ready.
    """
    async with (
        database.pool.acquire() as session,
        session.transaction(isolation="repeatable_read"),
    ):
        facility = await require_facility(session, code)
        return await _signing(session, month, facility, origin, without_list)


async def sign(
    database: Database,
    month: int,
    code: str,
    *,
    origin: str,
    key_id: str,
    signature: bytes,
    without_list: bool,
) -> Signing:
    """Keep an officer's signature; close the month with that of a second officer.

    All in one transaction, one hospital's at a time: two officers who sign at once
    close it once. Signing what is closed changes nothing. Raises `MonthFault`:
    MA-4208 for a signature that does not hold for the statement as it is now.
    """
    signer = await AccessStore(database).signer(key_id)
    async with database.pool.acquire() as session, session.transaction():
        facility = await require_facility(session, code)
        now = await store.lock_closing(session, facility.id)
        signing = await _signing(session, month, facility, origin, without_list)
        officer = _officer(signer, signing.statement, signature)
        if signing.closed_at is not None:
            return signing
        await store.add_signature(
            session,
            month,
            facility.id,
            sha256=signing.sha256,
            party_id=officer.party_id,
            key_id=key_id,
            signature=signature,
            at=now,
        )
        signed = await store.signatures_of(session, month, facility.id, signing.sha256)
        officers = tuple(valid_officers(signing.statement, signed))
        is_closed = len(officers) >= SIGNATURES_NEEDED
        if is_closed:
            await store.close_month(
                session,
                month,
                facility.id,
                statement=signing.statement,
                sha256=signing.sha256,
                at=now,
            )
        return Signing(
            facility,
            signing.statement,
            signing.sha256,
            officers,
            now if is_closed else None,
        )


def valid_officers(
    statement: bytes, signatures: Iterable[SignatureRow]
) -> Iterator[str]:
    """Officers whose signatures over the statement hold, each once."""
    persons = set()
    for each in signatures:
        if each.party_id in persons or not _holds(statement, each):
            continue
        persons.add(each.party_id)
        yield each.officer


def _holds(statement: bytes, signed: SignatureRow) -> bool:
    if signed.role != "officer" or signed.public_key is None:
        return False
    if signed.revoked_at is not None and signed.revoked_at <= signed.signed_at:
        return False
    try:
        _verify(statement, signed.signature, signed.public_key)
    except CryptoError:
        return False
    return True


def _officer(signer: Signer | None, statement: bytes, signature: bytes) -> Signer:
    if signer is None or signer.role != "officer" or signer.public_key is None:
        raise MonthFault("MA-4208", "the key is no officer's ed25519 key")
    if signer.revoked_at is not None:
        raise MonthFault("MA-4208", f"the key of {signer.code} is revoked")
    try:
        _verify(statement, signature, signer.public_key)
    except CryptoError:
        raise MonthFault(
            "MA-4208", f"{signer.code} has signed another statement"
        ) from None
    return signer


def _verify(statement: bytes, signature: bytes, public_key: bytes) -> None:
    key = VerifyingKey(public_key, Role.PARTY)
    verify_approval(statement, signature, key, Purpose.MONTH_STATEMENT)


async def _signing(
    session: Session,
    month: int,
    facility: FacilityRow,
    origin: str,
    without_list: bool,  # noqa: FBT001  # one of the plan's words, passed on
) -> Signing:
    for row in await store.closed_months(session, month):
        if row.facility_id == facility.id:
            return await _signed(session, month, facility, row.statement, row.closed_at)
    await _require_turn(session, month, facility)
    await _require_worked_off(session, month, facility, without_list)
    statement = (await _statement(session, month, facility, origin)).to_bytes()
    return await _signed(session, month, facility, statement, None)


async def _signed(
    session: Session,
    month: int,
    facility: FacilityRow,
    statement: bytes,
    closed_at: datetime | None,
) -> Signing:
    sha256 = hashlib.sha256(statement).hexdigest()
    signed = await store.signatures_of(session, month, facility.id, sha256)
    officers = tuple(valid_officers(statement, signed))
    return Signing(facility, statement, sha256, officers, closed_at)


async def _require_turn(session: Session, month: int, facility: FacilityRow) -> None:
    """A hospital's months close in their order."""
    for cut in await opened_months(session):
        if cut.month >= month:
            return
        if await store.is_closed(session, cut.month, facility.id):
            continue
        if facility.id in await span_of(cut).facilities(session):
            raise MonthFault(
                "MA-4203", f"{facility.code} {month_name(cut.month)} comes first"
            )


async def _require_worked_off(
    session: Session,
    month: int,
    facility: FacilityRow,
    without_list: bool,  # noqa: FBT001
) -> None:
    """Matched against the list that counts, and no difference open."""
    await require_opened(session, month)
    matched = await store.match_of(session, month, facility.id)
    if matched is None:
        raise MonthFault("MA-4207", f"{facility.code} {month_name(month)}")
    counts = await list_that_counts(session, month, facility.id)
    if counts is None and not without_list:
        raise MonthFault(
            "MA-4207",
            f"{facility.code} has sent no list of {month_name(month)};"
            " --without-list closes without one",
        )
    if counts is not None and counts.no != matched.list_no:
        raise MonthFault("MA-4207", f"a newer list of {facility.code} has come")
    still_open = (await state_counts(session, month)).get((facility.id, "open"), 0)
    if still_open:
        raise MonthFault("MA-4206", f"{facility.code}: {still_open} open")


async def _statement(
    session: Session, month: int, facility: FacilityRow, origin: str
) -> HospitalStatement:
    cut = await require_opened(session, month)
    matched = await store.match_of(session, month, facility.id)
    stated = await differences(session, month, facility.id, states=_STATED)
    carried_in = await carried_into(session, month, facility.id)
    return HospitalStatement(
        origin=origin,
        month=month_name(month),
        facility=facility.code,
        tree_size=cut.tree_size,
        ledger=ledger_of(await span_of(cut).figures(session, facility.id)),
        list_sha256=matched.list_sha256 if matched else None,
        with_bureau=matched.with_bureau if matched else False,
        differences=tuple(map(_stated, stated)),
        carried_in=tuple(map(_stated, carried_in)),
    )


def ledger_of(rows: Iterable[FiguresRow]) -> Ledger:
    """Sums of a hospital's month, or of several together."""
    ledger = Ledger()
    for row in rows:
        ledger.enter(
            Figures(
                row.count,
                row.total_fen,
                row.funds_fen,
                row.aid_fen,
                row.tilt_fen,
                row.patient_pays_fen,
            ),
            {
                "category": row.category,
                "subdistrict": row.subdistrict,
                "care_type": row.care_type,
            },
            is_reversal=row.is_reversal,
            is_late=row.is_late,
        )
    return ledger


def _stated(row: DifferenceRow) -> StatedDifference:
    return StatedDifference(
        id=row.id.hex(),
        month=month_name(row.month),
        kind=row.kind,
        owner=row.owner,
        state=row.state,
        settlement_id=row.settlement_id.hex() if row.settlement_id else None,
        aid_fen={
            side: amounts["aid_fen"] if amounts else None
            for side, amounts in row.amounts.items()
        },
    )

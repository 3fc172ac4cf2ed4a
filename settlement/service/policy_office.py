"""How a pack comes into use: two officers approve its bytes, then it is activated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from crypto.approval import verify_approval
from crypto.errors import CryptoError
from crypto.keys import Role, VerifyingKey
from settlement.domain.decision import PolicyRef
from settlement.domain.policy import CompiledPack, PolicyBook, compile_pack
from settlement.domain.policy.succession import refuse_gaps
from settlement.service.policy_approvals import lacks_approval, valid_approvals
from settlement.store.access import AccessStore, Signer
from settlement.store.policies import (
    PackRow,
    activate,
    add_approval,
    lock_activation,
    packs_on,
    read_packs,
    stage,
)

if TYPE_CHECKING:
    from settlement.store.database import Database

#: From its activation until a pack may decide a bill. Longer than a worker settles
#: without having looked (`policy_shelf.STALE_AFTER_S`), with the clocks' difference
#: that the operator is told of, so that all apply it from one instant on.
LEAD = timedelta(seconds=10)
_NEXT_INSTANT = timedelta(milliseconds=1)


class OfficeFault(Exception):
    """A pack cannot be approved or activated; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Approved:
    """What an approval has led to."""

    ref: PolicyRef
    officers: tuple[str, ...]
    """Codes of all whose signatures hold, in the order of signing."""
    is_new: bool
    """False where this officer had approved before."""


@dataclass(frozen=True, slots=True)
class Activated:
    """From when a pack is applied, to which days, and on whose word."""

    pack: CompiledPack
    known_since: datetime
    officers: tuple[str, ...]
    is_retroactive: bool
    """Whether days that it covers had passed when it came into use."""


async def approve(
    database: Database, document: bytes, key_id: str, signature: bytes, *, now: datetime
) -> Approved:
    """Stage the pack where it is new, and keep the officer's signature over it.

    Raises `OfficeFault` for a key that is no officer's and for a signature that does
    not hold, `PolicyError` for a faulty pack, `FatalError` where id and version are
    taken by another document.
    """
    officer = _officer(await AccessStore(database).signer(key_id), key_id)
    _require_signed(document, signature, officer)
    pack = compile_pack(document)
    async with database.pool.acquire() as connection, connection.transaction():
        no, _ = await stage(connection, document, pack)
        is_new = await add_approval(
            connection,
            no,
            party_id=officer.party_id,
            key_id=key_id,
            signature=signature,
            signed_at=now,
        )
    row = _row_of(await read_packs(database, staged=True), pack.ref.sha256)
    return Approved(pack.ref, _names(row), is_new)


def _officer(signer: Signer | None, key_id: str) -> Signer:
    if signer is None:
        raise OfficeFault(
            f"key {key_id} is nobody's here; register its officer with medaid party"
            " add CODE --role officer"
        )
    if signer.role != "officer":
        raise OfficeFault(
            f"key {key_id} belongs to {signer.code}, who is no officer; only officers"
            " approve packs"
        )
    if signer.revoked_at is not None:
        raise OfficeFault(f"key {key_id} of {signer.code} has been revoked")
    return signer


def _require_signed(document: bytes, signature: bytes, officer: Signer) -> None:
    if officer.public_key is None:
        raise OfficeFault(
            f"key {officer.key_id} of {officer.code} is a shared secret; an officer"
            " approves with an ed25519 key of their own"
        )
    try:
        key = VerifyingKey(officer.public_key, Role.PARTY)
        verify_approval(document, signature, key)
    except CryptoError as error:
        raise OfficeFault(
            f"the signature of {officer.code} does not hold for this pack: it is for"
            " other bytes, or by another key"
        ) from error


def _row_of(rows: Sequence[PackRow], sha256: str) -> PackRow:
    return next(row for row in rows if row.sha256 == sha256)


def _names(row: PackRow) -> tuple[str, ...]:
    return tuple(approval.officer for approval in valid_approvals(row))


async def bring_into_use(
    database: Database,
    reference: str,
    *,
    not_before: datetime | None,
    sandbox: bool,
    accept_unconfirmed: bool,
) -> Activated:
    """Activate the staged pack `ID@VERSION`, from `not_before` or from now on.

    The clock is the database's. Of packs that are to be applied from the same
    instant the one activated last is a millisecond later, so that a correction
    decides over what it corrects.

    Raises `OfficeFault` for a pack that is unknown, active already, not approved by
    two officers, or rests on unconfirmed readings that nobody has accepted;
    `PolicyError` where it cannot stand beside the packs in use.
    """
    async with database.pool.acquire() as connection, connection.transaction():
        now = await lock_activation(connection)
        rows = await packs_on(connection, staged=True)
        compiled = [(row, compile_pack(row.document)) for row in rows]
        row, pack = _staged(compiled, reference)
        _require_usable(
            row, pack, sandbox=sandbox, accept_unconfirmed=accept_unconfirmed
        )
        in_use = [(each, row.known_since) for row, each in compiled if row.active]
        known_since = _free_instant(
            max(now + LEAD, pack.known_since, not_before or now),
            {instant for _, instant in in_use},
        )
        PolicyBook([*in_use, (pack, known_since)])
        refuse_gaps([*(each for each, _ in in_use), pack])
        await activate(connection, row.no, known_since)
    return Activated(pack, known_since, _names(row), _is_retroactive(pack, known_since))


def _free_instant(wanted: datetime, taken: set[datetime]) -> datetime:
    while wanted in taken:
        wanted += _NEXT_INSTANT
    return wanted


async def waiting_pack(database: Database, reference: str) -> CompiledPack | None:
    """The pack `ID@VERSION` that waits to be activated; `None` where none does."""
    for row in await read_packs(database, staged=True):
        if not row.active and f"{row.id}@{row.version}" == reference:
            return compile_pack(row.document)
    return None


def _staged(
    compiled: Sequence[tuple[PackRow, CompiledPack]], reference: str
) -> tuple[PackRow, CompiledPack]:
    waiting = []
    for row, pack in compiled:
        name = f"{pack.ref.id}@{pack.ref.version}"
        if not row.active:
            waiting.append(name)
        if name != reference:
            continue
        if row.active:
            raise OfficeFault(f"{name} is active since {row.known_since.isoformat()}")
        return row, pack
    known = ", ".join(waiting) or "none"
    raise OfficeFault(
        f"no pack {reference} is waiting; waiting are: {known}. An officer's approval"
        " brings a pack here"
    )


def _require_usable(
    row: PackRow, pack: CompiledPack, *, sandbox: bool, accept_unconfirmed: bool
) -> None:
    why = lacks_approval(row, pack, sandbox=sandbox)
    if why is not None:
        raise OfficeFault(why)
    open_questions = [s.key for s in pack.document.sources if not s.confirmed]
    if open_questions and not accept_unconfirmed:
        raise OfficeFault(
            f"{pack.ref.id}@{pack.ref.version} rests on readings that no decree"
            f" confirms ({', '.join(open_questions)}); read their notes with medaid"
            " policy show, and accept them with --accept-unconfirmed"
        )


def _is_retroactive(pack: CompiledPack, known_since: datetime) -> bool:
    begins = datetime.combine(
        pack.document.in_force_from, known_since.min.time(), pack.known_since.tzinfo
    )
    return begins < known_since

"""Policy packs: exact bytes, never changed, with who approved them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from settlement.domain.errors import FatalError
from settlement.domain.policy import CompiledPack, compile_pack

if TYPE_CHECKING:
    from settlement.store.database import Database, Session


#: Name of the lock that activations wait for.
_ACTIVATION = int.from_bytes(b"activate")


@dataclass(frozen=True, slots=True)
class Approval:
    """One officer's signature, with the key that it claims to be of."""

    party_id: int
    officer: str
    """The party's code."""
    role: str
    key_id: str
    public_key: bytes | None
    revoked_at: datetime | None
    signature: bytes
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class PackRow:
    """One stored document."""

    no: int
    id: str
    version: str
    document: bytes
    sha256: str
    known_since: datetime
    active: bool
    approvals: tuple[Approval, ...] = ()


async def install(
    connection: Session, document: bytes, known_since: datetime | None = None
) -> bool:
    """Stage a pack and activate it at once; whether it was new. Safe to run again.

    Whether it is applied is for the approvals to say, which a sandbox demands of
    real packs only. `known_since`: from when it may be applied; the document's own
    date where not given. Raises as `stage` does.
    """
    pack = compile_pack(document)
    no, is_new = await stage(connection, document, pack)
    if is_new:
        await activate(connection, no, known_since or pack.known_since)
    return is_new


async def stage(
    connection: Session, document: bytes, pack: CompiledPack
) -> tuple[int, bool]:
    """Store a pack that is not applied yet; its number, and whether it was new.

    Raises `FatalError` for another document under an id and version that are taken.
    """
    no: int | None = await connection.fetchval(
        "INSERT INTO policy_pack (id, version, sha256, document, known_since, active)"
        " VALUES ($1, $2, $3, $4, $5, false) ON CONFLICT (id, version) DO NOTHING"
        " RETURNING no",
        pack.ref.id,
        pack.ref.version,
        pack.ref.sha256,
        document,
        pack.known_since,
    )
    if no is not None:
        return no, True
    stored = await connection.fetchrow(
        "SELECT no, sha256 FROM policy_pack WHERE id = $1 AND version = $2",
        pack.ref.id,
        pack.ref.version,
    )
    if stored is None or stored["sha256"] != pack.ref.sha256:
        raise FatalError(
            f"policy {pack.ref.id}@{pack.ref.version} is installed with other content;"
            " a correction needs a new version"
        )
    return stored["no"], False


async def activate(connection: Session, no: int, known_since: datetime) -> bool:
    """Let a staged pack be applied from an instant on; `False` where it was active."""
    status: str = await connection.execute(
        "UPDATE policy_pack SET active = true, known_since = $2"
        " WHERE no = $1 AND NOT active",
        no,
        known_since,
    )
    return status == "UPDATE 1"


async def add_approval(
    connection: Session,
    no: int,
    *,
    party_id: int,
    key_id: str,
    signature: bytes,
    signed_at: datetime,
) -> bool:
    """Keep one officer's signature; `False` where this officer had signed before."""
    status: str = await connection.execute(
        "INSERT INTO policy_approval VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (pack_no, party_id) DO NOTHING",
        no,
        party_id,
        key_id,
        signature,
        signed_at,
    )
    return status == "INSERT 0 1"


async def lock_activation(connection: Session) -> datetime:
    """Let one activation at a time go on; the database's clock, which counts.

    Held to the end of the transaction.
    """
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _ACTIVATION)
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    return now


async def read_packs(database: Database, *, staged: bool = False) -> list[PackRow]:
    """Every active pack, oldest first; with `staged` those waiting, too."""
    async with database.pool.acquire() as connection:
        return await packs_on(connection, staged=staged)


async def packs_on(connection: Session, *, staged: bool = False) -> list[PackRow]:
    """The same as a transaction of the caller sees them."""
    packs = await connection.fetch(
        "SELECT no, id, version, document, sha256, known_since, active"
        " FROM policy_pack WHERE active OR $1 ORDER BY no",
        staged,
    )
    signed = await connection.fetch(
        "SELECT a.pack_no, a.party_id, p.code, p.role, a.key_id, k.public_key,"
        " k.revoked_at, a.signature, a.signed_at FROM policy_approval a"
        " JOIN party p ON p.id = a.party_id JOIN party_key k USING (key_id)"
        " WHERE k.party_id = a.party_id ORDER BY a.signed_at, a.party_id"
    )
    approvals: dict[int, list[Approval]] = {}
    for no, *values in signed:
        approvals.setdefault(no, []).append(Approval(*values))
    return [
        PackRow(**row, approvals=tuple(approvals.get(row["no"], ()))) for row in packs
    ]


async def packs_state(database: Database) -> tuple[int, int]:
    """What changes with every activation and approval; cheap, to be asked often."""
    async with database.pool.acquire() as connection:
        row = await connection.fetchrow(
            "SELECT (SELECT count(*) FROM policy_pack WHERE active) AS packs,"
            " (SELECT count(*) FROM policy_approval) AS approvals"
        )
    return (0, 0) if row is None else (row["packs"], row["approvals"])

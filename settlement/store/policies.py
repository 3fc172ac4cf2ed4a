"""Installed policy packs: exact bytes, never changed, found again by their hash."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from settlement.domain.errors import FatalError
from settlement.domain.policy import compile_pack

if TYPE_CHECKING:
    from settlement.store.database import Database, Session


@dataclass(frozen=True, slots=True)
class PackRow:
    """One installed document."""

    no: int
    document: bytes
    sha256: str
    known_since: datetime


async def install(
    connection: Session, document: bytes, known_since: datetime | None = None
) -> bool:
    """Install a pack; whether it was new. Safe to run again.

    `known_since`: from when the gateway may apply it; the document's own date where
    not given. Raises `PolicyError` for a faulty document, `FatalError` for another
    document under an id and version that are taken.
    """
    pack = compile_pack(document)
    no = await connection.fetchval(
        "INSERT INTO policy_pack (id, version, sha256, document, known_since)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id, version) DO NOTHING"
        " RETURNING no",
        pack.ref.id,
        pack.ref.version,
        sha256(document).hexdigest(),
        document,
        known_since or pack.known_since,
    )
    if no is not None:
        return True
    stored = await connection.fetchval(
        "SELECT sha256 FROM policy_pack WHERE id = $1 AND version = $2",
        pack.ref.id,
        pack.ref.version,
    )
    if stored != pack.ref.sha256:
        raise FatalError(
            f"policy {pack.ref.id}@{pack.ref.version} is installed with other content;"
            " a correction needs a new version"
        )
    return False


async def read_packs(database: Database) -> list[PackRow]:
    """Every active pack, oldest first."""
    async with database.pool.acquire() as connection:
        found = await connection.fetch(
            "SELECT no, document, sha256, known_since FROM policy_pack"
            " WHERE active ORDER BY no"
        )
    return [PackRow(*row.values()) for row in found]

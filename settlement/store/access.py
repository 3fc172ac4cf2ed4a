"""Parties, keys, sessions and nonces in PostgreSQL."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import asyncpg

from settlement.store.errors import StoreBusyError, StoreUnavailableError
from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Database

CHANNEL = "medaid_access"
_CLOSE_WITHIN_S = 2

_UNREACHABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    # A connection that is torn down while a statement begins.
    asyncpg.InternalClientError,
    OSError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One row of `party`."""

    id: int
    code: str
    role: str
    name: str
    level: int | None
    subdistrict: str
    must_sign: bool
    """Settlements and reversals of this facility carry a message signature."""
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyKey:
    """One row of `party_key`, without the secret."""

    key_id: str
    party_id: int
    alg: str
    public_key: bytes | None
    not_before: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A key that claims to have signed, with its party."""

    key_id: str
    alg: str
    sealed_secret: bytes | None
    public_key: bytes | None
    not_before: datetime
    revoked_at: datetime | None
    party_id: int
    code: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSession:
    """What a token stands for while it lives."""

    party_id: int
    code: str
    role: str
    level: int | None
    subdistrict: str
    must_sign: bool
    operator: str
    key_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session to be opened by a signed request."""

    key_id: str
    nonce: str
    token_hash: bytes
    operator: str
    opened_at: datetime
    expires_at: datetime


@contextlib.contextmanager
def reaching() -> Iterator[None]:
    """Raise `StoreUnavailableError` where the database cannot be reached."""
    try:
        yield
    except StoreBusyError:
        raise
    except _UNREACHABLE as error:
        raise StoreUnavailableError(type(error).__name__) from error


class AccessStore:
    """Raises `StoreUnavailableError` wherever the database does not answer."""

    def __init__(self, database: Database) -> None:
        """Use an open database."""
        self._database = database

    async def _row(self, name: str, *values: Any) -> asyncpg.Record | None:
        with reaching():
            return await self._database.pool.fetchrow(statement(name), *values)

    async def _rows(self, name: str, *values: Any) -> list[asyncpg.Record]:
        with reaching():
            return await self._database.pool.fetch(statement(name), *values)

    async def signer(self, key_id: str) -> Signer | None:
        """The key with this id, revoked ones too; `None` where there is none."""
        row = await self._row("access_signer", key_id)
        return None if row is None else Signer(**row)

    async def open_session(self, session: NewSession) -> bool:
        """Take the nonce and open the session, both or neither.

        False when the nonce was used before or the key has been revoked.
        """
        row = await self._row(
            "access_open_session",
            session.key_id,
            session.nonce,
            session.opened_at,
            session.token_hash,
            session.operator,
            session.expires_at,
        )
        return row is not None

    async def take_nonce(self, key_id: str, nonce: str, seen_at: datetime) -> bool:
        """Whether this is the nonce's first use; it is used from now on."""
        return await self._row("access_take_nonce", key_id, nonce, seen_at) is not None

    async def session(self, token_hash: bytes, now: datetime) -> LiveSession | None:
        """The session of a token; `None` when unknown, expired or revoked."""
        row = await self._row("access_session", token_hash, now)
        return None if row is None else LiveSession(**row)

    async def add_party(self, party: Party) -> int | None:
        """Add a party, ignoring its `id`; the new id, `None` for a code in use."""
        row = await self._row(
            "access_add_party",
            party.code,
            party.role,
            party.name,
            party.level,
            party.subdistrict,
            json.dumps({"signed_requests": party.must_sign}),
            party.created_at,
        )
        return None if row is None else int(row["id"])

    async def add_key(self, key: PartyKey, sealed_secret: bytes | None) -> bool:
        """Add a key; false when the key id stands already."""
        row = await self._row(
            "access_add_key",
            key.key_id,
            key.party_id,
            key.alg,
            sealed_secret,
            key.public_key,
            key.not_before,
        )
        return row is not None

    async def party(self, code: str) -> Party | None:
        """The party with this code."""
        row = await self._row("access_party", code)
        return None if row is None else Party(**row)

    async def parties(self) -> list[Party]:
        """All parties by code."""
        return [Party(**row) for row in await self._rows("access_parties")]

    async def keys(self) -> list[PartyKey]:
        """All keys, revoked ones too, by party and age."""
        return [PartyKey(**row) for row in await self._rows("access_keys")]

    async def revoke_key(self, key_id: str, at: datetime) -> str | None:
        """End the key and its sessions; the party's code, `None` for no such key."""
        row = await self._row("access_revoke_key", key_id, at)
        return None if row is None else str(row["code"])

    async def prune(
        self, *, nonces_before: datetime, sessions_before: datetime
    ) -> None:
        """Forget nonces and sessions that can never be accepted again."""
        await self._row("access_prune", nonces_before, sessions_before)

    async def version(self) -> int:
        """A number that rises with every change of parties and keys."""
        row = await self._row("access_version")
        return 0 if row is None else int(row["version"])

    @contextlib.asynccontextmanager
    async def listening(self, on_change: Callable[[], None]) -> AsyncIterator[None]:
        """Call `on_change` at every announced change while the block runs."""
        with reaching():
            connection = await self._database.connect()
        try:
            with reaching():
                await connection.add_listener(CHANNEL, lambda *_: on_change())
            yield
        finally:
            try:
                await connection.close(timeout=_CLOSE_WITHIN_S)
            except (*_UNREACHABLE, TimeoutError):
                connection.terminate()

"""Who calls: the session that a token stands for, remembered while nothing changes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import Request
from sqlalchemy import Boolean, bindparam, cast, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from loadtests.peers.tables import access_version, party, party_key, session
from settlement.domain.errors import RequestRefused

#: A session that was ended is let in hardly longer than this.
_LOOK_EVERY_S = 0.5
_MOST_REMEMBERED = 50_000
_SCHEME = "Bearer "

_SESSION = (
    select(
        session.c.expires_at,
        party.c.id,
        party.c.code,
        party.c.role,
        party.c.level,
        party.c.subdistrict,
        session.c.operator,
        func.coalesce(
            cast(party.c.settings["signed_requests"].astext, Boolean),
            False,
        ).label("must_sign"),
    )
    .select_from(session)
    .join(party_key, party_key.c.key_id == session.c.key_id)
    .join(party, party.c.id == session.c.party_id)
    .where(
        session.c.token_hash == bindparam("hashed"),
        session.c.expires_at > bindparam("now"),
        party_key.c.revoked_at.is_(None),
    )
)

_VERSION = select(access_version.c.version)


@dataclass(frozen=True, slots=True)
class Caller:
    """A facility, and who sits at its terminal."""

    party_id: int
    code: str
    role: str
    level: int | None
    subdistrict: str
    operator: str
    must_sign: bool


class Sessions:
    """The sessions that this process has seen, until parties or keys change."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Nothing is known yet."""
        self._engine = engine
        self._known: dict[bytes, tuple[Caller, datetime]] = {}
        self._version: int | None = None

    async def caller(self, token: str) -> Caller:
        """The facility with this session; raises MA-3101 and MA-3104."""
        hashed = hashlib.sha256(token.encode()).digest()
        found = self._known.get(hashed)
        if found is None or found[1] <= datetime.now(UTC):
            return await self._look_up(hashed)
        return found[0]

    async def _look_up(self, hashed: bytes) -> Caller:
        async with self._engine.connect() as connection:
            found = await connection.execute(
                _SESSION, {"hashed": hashed, "now": datetime.now(UTC)}
            )
            row = found.one_or_none()
        if row is None:
            self._known.pop(hashed, None)
            raise RequestRefused("MA-3101")
        expires_at, *values = row
        caller = Caller(*values)
        # Who must sign what they settle is not served here.
        if caller.role != "facility" or caller.must_sign:
            raise RequestRefused("MA-3104")
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[hashed] = caller, expires_at
        return caller

    async def follow(self) -> None:
        """Forget all when parties or keys have changed, within a second, for ever."""
        while True:
            # While the database is away nobody can be revoked in it either.
            with contextlib.suppress(SQLAlchemyError, OSError):
                await self._look()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _look(self) -> None:
        async with self._engine.connect() as connection:
            version = (await connection.execute(_VERSION)).scalar_one()
        if version != self._version:
            self._version = version
            self._known.clear()


async def caller_of(request: Request) -> Caller:
    """The caller of a request: a dependency. Raises as `Sessions.caller`."""
    value = request.headers.get("authorization", "")
    if not value.startswith(_SCHEME):
        raise RequestRefused("MA-3101")
    sessions: Sessions = request.app.state.sessions
    return await sessions.caller(value.removeprefix(_SCHEME))

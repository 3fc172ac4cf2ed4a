"""Who calls: the session that a token stands for, remembered for a second."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import Request
from sqlalchemy import Boolean, bindparam, cast, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from loadtests.peers.tables import party, party_key, session
from settlement.domain.errors import RequestRefused

#: A session that was ended is let in no longer than this.
_REMEMBERED_S = 1.0
_MOST_REMEMBERED = 50_000
_SCHEME = "Bearer "

_SESSION = (
    select(
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
    """The sessions of this process."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Nothing is known yet."""
        self._engine = engine
        self._known: dict[bytes, tuple[Caller, float]] = {}

    async def caller(self, token: str) -> Caller:
        """The facility with this session; raises MA-3101 and MA-3104."""
        hashed = hashlib.sha256(token.encode()).digest()
        caller, until = self._known.get(hashed, (None, 0.0))
        if caller is None or until < time.monotonic():
            caller = await self._look_up(hashed)
        return caller

    async def _look_up(self, hashed: bytes) -> Caller:
        until = time.monotonic() + _REMEMBERED_S
        async with self._engine.connect() as connection:
            found = await connection.execute(
                _SESSION, {"hashed": hashed, "now": datetime.now(UTC)}
            )
            row = found.one_or_none()
        if row is None:
            self._known.pop(hashed, None)
            raise RequestRefused("MA-3101")
        caller = Caller(*row)
        # Who must sign what they settle is not served here.
        if caller.role != "facility" or caller.must_sign:
            raise RequestRefused("MA-3104")
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[hashed] = caller, until
        return caller


async def caller_of(request: Request) -> Caller:
    """The caller of a request: a dependency. Raises as `Sessions.caller`."""
    value = request.headers.get("authorization", "")
    if not value.startswith(_SCHEME):
        raise RequestRefused("MA-3101")
    sessions: Sessions = request.app.state.sessions
    return await sessions.caller(value.removeprefix(_SCHEME))

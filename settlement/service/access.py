"""Who calls: sessions opened by a signed request, and what a token stands for.

A session is bound to party, key and operator. Each worker remembers the sessions
that it has seen; every change of parties or keys empties that memory within a
second, by notification and by polling (API.md, "Access").
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from settlement.domain.errors import RequestRefused
from settlement.service.ports import Caller
from settlement.store.access import AccessStore, LiveSession, NewSession
from settlement.store.errors import StoreBusyError, StoreUnavailableError

TOKEN_BYTES = 32
MAX_SESSION = timedelta(hours=12)
#: Twice the window of signatures and more: a nonce outlives every acceptance.
NONCE_KEPT = timedelta(minutes=10)
POLL_S = 0.4
_PRUNE_EVERY_POLLS = 150
_SESSIONS_REMEMBERED = 50_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Admission:
    """A caller with what the edge must still check."""

    caller: Caller
    expires_at: datetime
    must_sign: bool
    """Settlements and reversals need a message signature as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSession:
    """What a party gets for a good signature; the token is shown this once."""

    token: str
    party: str
    expires_at: datetime


def not_now(gone: StoreUnavailableError) -> RequestRefused:
    """What a caller is told: busy is not gone."""
    return RequestRefused("MA-5101" if isinstance(gone, StoreBusyError) else "MA-5105")


def token_hash(token: str) -> bytes:
    """What is stored and remembered in place of a token."""
    return hashlib.sha256(token.encode()).digest()


class Sessions:
    """Opens sessions and recognises their tokens. One for each worker."""

    def __init__(
        self,
        store: AccessStore,
        *,
        random: Callable[[int], bytes],
        lifetime: timedelta = MAX_SESSION,
    ) -> None:
        """`lifetime` is cut at 12 hours."""
        self._store = store
        self._random = random
        self._lifetime = min(lifetime, MAX_SESSION)
        self._known: dict[bytes, Admission] = {}
        #: Signed requests that came a second time, for metrics.
        self.replays = 0
        self._generation = 0
        self._version = 0

    @property
    def count(self) -> int:
        """Sessions that this worker remembers."""
        return len(self._known)

    async def open(
        self,
        *,
        key_id: str,
        nonce: str,
        party: str,
        operator: str,
        now: datetime,
        token_bytes: int = TOKEN_BYTES,
    ) -> OpenedSession:
        """Open a session for a request whose signature has been verified.

        `token_bytes` is less only where a token has to fit a field of others.

        Raises `RequestRefused`: MA-3103 when the nonce was used before or the key
        was revoked meanwhile, MA-5105 when the database does not answer.
        """
        token = (
            base64.urlsafe_b64encode(self._random(token_bytes)).rstrip(b"=").decode()
        )
        expires_at = now + self._lifetime
        session = NewSession(
            key_id=key_id,
            nonce=nonce,
            token_hash=token_hash(token),
            operator=operator,
            opened_at=now,
            expires_at=expires_at,
        )
        try:
            is_first = await self._store.open_session(session)
        except StoreUnavailableError as gone:
            raise not_now(gone) from None
        if not is_first:
            self.replays += 1
            _log.warning("access.nonce_replayed", extra={"key": key_id})
            raise RequestRefused("MA-3103")
        return OpenedSession(token=token, party=party, expires_at=expires_at)

    def remembered(self, hashed: bytes, now: datetime) -> Admission | None:
        """The session as this worker knows it, without the database."""
        admission = self._known.get(hashed)
        if admission is None or admission.expires_at <= now:
            return None
        return admission

    async def look_up(self, hashed: bytes, now: datetime) -> Admission:
        """The session in the database, remembered from now on.

        Raises `RequestRefused`: MA-3101 for an unknown, expired or revoked one,
        MA-5105 when the database does not answer.
        """
        generation = self._generation
        try:
            session = await self._store.session(hashed, now)
        except StoreUnavailableError as gone:
            raise not_now(gone) from None
        if session is None:
            self._known.pop(hashed, None)
            raise RequestRefused("MA-3101")
        admission = _admission(session)
        # A change that arrived during the query may have ended this very session.
        if generation == self._generation:
            if len(self._known) >= _SESSIONS_REMEMBERED:
                self._known.clear()
            self._known[hashed] = admission
        return admission

    async def take_nonce(self, key_id: str, nonce: str, now: datetime) -> None:
        """Use the nonce of a signed settlement or reversal; raises as `open` does."""
        try:
            is_first = await self._store.take_nonce(key_id, nonce, now)
        except StoreUnavailableError as gone:
            raise not_now(gone) from None
        if not is_first:
            self.replays += 1
            _log.warning("access.nonce_replayed", extra={"key": key_id})
            raise RequestRefused("MA-3103")

    def forget(self) -> None:
        """Look every token up again, because parties or keys have changed."""
        self._generation += 1
        self._known.clear()

    async def begin(self) -> None:
        """Take what is remembered from now on as of this version.

        Without it the first poll has every session looked up again for nothing, which
        is a refusal where the database died in that very moment. Raises nothing: away
        is what `watch` goes on to say.
        """
        with contextlib.suppress(StoreUnavailableError):
            self._version = await self._store.version()

    async def watch(
        self,
        now: Callable[[], datetime],
        *,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """Follow changes of parties and keys until cancelled; `on_change` hears of all.

        While the database is away nothing can be revoked in it either, and what is
        remembered stays; its return is noticed at the next poll.
        """

        def changed() -> None:
            self.forget()
            on_change()

        while True:
            try:
                async with self._store.listening(changed):
                    await self._poll(now, changed)
            except StoreUnavailableError:
                _log.warning("access.not_followed")
            await asyncio.sleep(POLL_S)

    async def _poll(
        self, now: Callable[[], datetime], changed: Callable[[], None]
    ) -> None:
        polls = 0
        while True:
            version = await self._store.version()
            if version != self._version:
                self._version = version
                changed()
            if polls % _PRUNE_EVERY_POLLS == 0:
                at = now()
                await self._store.prune(
                    nonces_before=at - NONCE_KEPT, sessions_before=at
                )
            polls += 1
            await asyncio.sleep(POLL_S)


def _admission(session: LiveSession) -> Admission:
    caller = Caller(
        party_id=session.party_id,
        party_code=session.code,
        role=session.role,
        operator=session.operator,
        key_id=session.key_id,
        facility_level=session.level,
        subdistrict=session.subdistrict,
    )
    return Admission(caller, session.expires_at, session.must_sign)

"""Whose request it is, by what it shows: the strongest proof first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gateway.access import as_signed
from gateway.his.shown import certificate_shown, tif_shown
from gateway.in_time import in_time
from settlement.domain.errors import RequestRefused
from settlement.service.access import token_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp import web

    from gateway.attempts import Attempts
    from gateway.his.clients import Clients, Known
    from gateway.his.envelope import Envelope
    from gateway.his.nonces import Nonces
    from settlement.service.access import Sessions
    from settlement.service.signatures import Signatures
    from settlement.store.access import Signer

SIGN_IN = "9001"
#: `sign_no` has room for 30 characters: 22 bytes in base64url.
SIGN_NO_BYTES, SIGN_NO_CHARS = 22, 30
#: Seconds around now in which an `x-tif` signature and a wrapped body are good.
WINDOW_S = 180
#: What one request is admitted for where no session stands behind it.
_ONE_REQUEST = timedelta(seconds=WINDOW_S)
_NOT_SIGNED_IN, _NOT_WHO_THEY_SAY, _STALE = "MA-3101", "MA-3102", "MA-3103"
_NOT_ALLOWED_SO = "MA-3107"


@dataclass(frozen=True, slots=True)
class SignedBy:
    """Whose key has signed a message, and the nonce that it uses up."""

    key_id: str
    party_id: int
    nonce: str


@dataclass(frozen=True, slots=True)
class Shown:
    """The client that a request has shown itself to be."""

    known: Known
    expires_at: datetime
    signed_by: SignedBy | None = None
    """Of a 9001 that opens a session."""
    signs_bodies: bool = False
    """The proof itself covers the whole message."""


class Recognition:
    """One worker's."""

    def __init__(
        self,
        *,
        clients: Clients,
        nonces: Nonces,
        sessions: Sessions,
        signatures: Signatures,
        attempts: Attempts,
        now: Callable[[], datetime],
    ) -> None:
        """`now` is the wall clock."""
        self._clients = clients
        self._nonces = nonces
        self._sessions = sessions
        self._signatures = signatures
        self._attempts = attempts
        self._now = now

    async def shown(
        self, request: web.BaseRequest, raw: bytes, envelope: Envelope, wrapper: str
    ) -> Shown:
        """Who has sent it; `wrapper` is whose key has signed what was around it.

        Raises MA-3101 for a session that is none, MA-3102, MA-3103 for a signature
        that is not of now, MA-3109 for one that was used, MA-3105, MA-3107 where
        nothing is shown that the institution may show, MA-5101 and MA-5105.
        """
        shown = (
            await self._by_wrapper(wrapper)
            or await self._by_certificate(request)
            or await self._by_tif(request)
        )
        if shown is not None:
            return shown
        by_session = await self._clients.of_institution(
            envelope.fixmedins_code, "sign-in"
        )
        if not by_session:
            raise RequestRefused(_NOT_ALLOWED_SO)
        if envelope.infno == SIGN_IN:
            return await self._by_signature(request, raw, by_session)
        return await self._by_session(request, envelope, by_session)

    async def signed(
        self, request: web.BaseRequest, raw: bytes, party_id: int | None = None
    ) -> SignedBy:
        """Whose RFC 9421 signature covers the message; the nonce is not used yet.

        Raises MA-3102, also where it is not of the party that it should be of,
        MA-3103, MA-5101, MA-5105.
        """
        signer: Signer
        signer, signature = await in_time(
            self._signatures.verify(
                as_signed(request, raw), now=self._now(), covers_idempotency_key=False
            )
        )
        if party_id not in {None, signer.party_id}:
            raise RequestRefused(_NOT_WHO_THEY_SAY)
        return SignedBy(signer.key_id, signer.party_id, signature.nonce)

    def _once(self, known: Known, *, signs_bodies: bool = False) -> Shown:
        return Shown(known, self._now() + _ONE_REQUEST, signs_bodies=signs_bodies)

    async def _by_wrapper(self, wrapper: str) -> Shown | None:
        if not wrapper:
            return None
        known = await self._clients.by_key(wrapper)
        if known is None:
            raise RequestRefused(_NOT_WHO_THEY_SAY)
        return self._once(known, signs_bodies=True)

    async def _by_certificate(self, request: web.BaseRequest) -> Shown | None:
        fingerprint = certificate_shown(request)
        if not fingerprint:
            return None
        known = await self._clients.by_key(fingerprint)
        return None if known is None else self._once(known)

    async def _by_tif(self, request: web.BaseRequest) -> Shown | None:
        tif = tif_shown(request)
        if tif is None:
            return None
        known = await self._clients.by_key(tif.paasid)
        is_theirs = known is not None and known.client.profile == "x-tif"
        if known is None or not is_theirs or not tif.is_signed(known.secrets["secret"]):
            raise RequestRefused(_NOT_WHO_THEY_SAY)
        if not tif.is_of(self._now(), WINDOW_S):
            raise RequestRefused(_STALE)
        await self._nonces.take(tif.paasid, tif.nonce)
        return self._once(known)

    async def _by_signature(
        self, request: web.BaseRequest, raw: bytes, clients: Sequence[Known]
    ) -> Shown:
        """A 9001 that a key of the hospital has signed."""
        with self._attempts.by(request):
            signed_by = await self.signed(request, raw)
        for known in clients:
            if known.row.party_id == signed_by.party_id:
                return Shown(known, self._now() + _ONE_REQUEST, signed_by)
        raise RequestRefused(_NOT_WHO_THEY_SAY)

    async def _by_session(
        self, request: web.BaseRequest, envelope: Envelope, clients: Sequence[Known]
    ) -> Shown:
        if len(envelope.sign_no) != SIGN_NO_CHARS or not envelope.sign_no.isascii():
            raise RequestRefused(_NOT_SIGNED_IN)
        hashed, now = token_hash(envelope.sign_no), self._now()
        admission = self._sessions.remembered(hashed, now)
        if admission is None:
            with self._attempts.by(request):
                admission = await in_time(self._sessions.look_up(hashed, now))
        for known in clients:
            if known.row.party_id == admission.caller.party_id:
                return Shown(known, admission.expires_at)
        raise RequestRefused(_NOT_SIGNED_IN)

"""The door of the envelope: from what a request shows to the hospital that sent it.

A request shows one of: `x-tif-*` headers, an encrypted and signed body, a certificate
of its TLS connection, or the number of a session that a signed 9001 has opened.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from gateway.his.admission import Admitted, Opened, SignedIn
from gateway.his.envelope import refusal_of
from gateway.his.recognition import SIGN_NO_BYTES
from gateway.identity import holds_identity
from gateway.in_time import in_time
from gateway.wire_faults import Faults
from settlement.domain.calendar import shanghai_day
from settlement.domain.errors import RequestRefused
from settlement.service.access import Admission, not_now, token_hash
from settlement.store.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from aiohttp import web

    from gateway.attempts import Attempts
    from gateway.his.clients import Known
    from gateway.his.envelope import Envelope
    from gateway.his.nonces import Nonces
    from gateway.his.recognition import Recognition
    from gateway.his.wrapping import Wrapping
    from settlement.service.access import Sessions
    from settlement.store.his_clients import HisClientStore

_WRONG_ADDRESS = "MA-3108"
_ANOTHER_INSTITUTION, _PERSONAL = "MA-1209", "MA-1104"
#: What a stranger can try for nothing.
_FAILURES = frozenset({"MA-3102", "MA-3103", "MA-3107", "MA-3108", "MA-3109"})


class HisDoor:
    """Recognises hospitals. One for each worker."""

    def __init__(
        self,
        recognition: Recognition,
        wrapping: Wrapping,
        nonces: Nonces,
        *,
        store: HisClientStore,
        sessions: Sessions,
        attempts: Attempts,
        now: Callable[[], datetime],
        random: Callable[[int], bytes],
    ) -> None:
        """`now` is the wall clock; sandbox time plays no part in access."""
        self._recognition = recognition
        self._wrapping = wrapping
        self._nonces = nonces
        self._store = store
        self._sessions = sessions
        self._attempts = attempts
        self._now = now
        self._random = random

    async def open(
        self, request: web.BaseRequest, body: Mapping[str, Any], encoding: str
    ) -> Opened:
        """Verify and decrypt a wrapped body; a plain one comes back as it is.

        Raises MA-3102, MA-3103, MA-3105, MA-3109, MA-5101, MA-5105.
        """
        if "encData" not in body:
            return Opened(body, bytes)
        try:
            return await self._wrapping.open(body, encoding, now=self._now())
        except RequestRefused as refusal:
            self._count(request, refusal)
            raise

    async def admit(
        self, request: web.BaseRequest, raw: bytes, envelope: Envelope, opened: Opened
    ) -> Admitted:
        """Whose request it is.

        Raises as `Recognition.shown`, MA-3108 for an address that is not the
        hospital's, MA-1209 where the envelope names another institution, and MA-1104
        for an operator that is a person's number.
        """
        try:
            shown = await self._recognition.shown(request, raw, envelope, opened.signer)
            self._must_be_at_home(request, shown.known)
        except RequestRefused as refusal:
            self._count(request, refusal)
            raise
        known = shown.known
        if known.client.fixmedins_code != envelope.fixmedins_code:
            raise _refused("fixmedins_code", _ANOTHER_INSTITUTION)
        if holds_identity(envelope.opter, None, shanghai_day(self._now())):
            raise _refused("opter", _PERSONAL)
        must_sign = known.row.must_sign and not shown.signs_bodies
        admission = Admission(known.caller(envelope.opter), shown.expires_at, must_sign)
        return Admitted(admission, known.client, shown.signed_by)

    async def require_signature(
        self, request: web.BaseRequest, raw: bytes, admitted: Admitted
    ) -> None:
        """Check the signature over the body of what settles or undoes (RFC 9421).

        It must be by a key of the hospital. Raises MA-3102, MA-3103, MA-3109, MA-5101,
        MA-5105.
        """
        party_id = admitted.admission.caller.party_id
        try:
            signed_by = await self._recognition.signed(request, raw, party_id)
        except RequestRefused as refusal:
            self._count(request, refusal)
            raise
        await self._nonces.take(signed_by.key_id, signed_by.nonce)

    async def sign_in(self, admitted: Admitted, envelope: Envelope) -> SignedIn:
        """Open a session (9001); raises MA-3103, MA-3105, MA-5101, MA-5105.

        Where each message shows by itself who sends it, the number stands for nothing.
        """
        now = self._now()
        signed_by = admitted.signed_by
        if signed_by is None:
            return SignedIn(_number(self._random(SIGN_NO_BYTES)), now)
        self._attempts.opens_session(signed_by.key_id)
        session = await in_time(
            self._sessions.open(
                key_id=signed_by.key_id,
                nonce=signed_by.nonce,
                party=admitted.client.party_code,
                operator=envelope.opter,
                now=now,
                token_bytes=SIGN_NO_BYTES,
            )
        )
        return SignedIn(session.token, now)

    async def sign_out(self, admitted: Admitted, sign_no: str) -> datetime:
        """End a session (9002), everywhere; the instant. Raises MA-5101, MA-5105."""
        party_id = admitted.admission.caller.party_id
        try:
            await in_time(self._store.end_session(token_hash(sign_no), party_id))
        except StoreUnavailableError as gone:
            raise not_now(gone) from None
        return self._now()

    def _must_be_at_home(self, request: web.BaseRequest, known: Known) -> None:
        networks = known.row.networks
        if not networks:
            return
        try:
            address = ip_address(self._attempts.caller_address(request))
        except ValueError:
            raise RequestRefused(_WRONG_ADDRESS) from None
        address = getattr(address, "ipv4_mapped", None) or address
        if not any(address in network for network in networks):
            raise RequestRefused(_WRONG_ADDRESS)

    def _count(self, request: web.BaseRequest, refusal: RequestRefused) -> None:
        """Against guessing; raises MA-3105 after too many."""
        if refusal.reason in _FAILURES:
            self._attempts.failed_by(request)


def _number(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def _refused(field: str, code: str) -> RequestRefused:
    faults = Faults()
    faults.add(field, code)
    return refusal_of(faults)

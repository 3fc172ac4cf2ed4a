"""Signed requests: which party signed, and whether the signature holds."""

from __future__ import annotations

import logging
from datetime import datetime

from crypto.errors import CryptoError, StaleSignatureError
from crypto.http_signature import (
    HttpRequest,
    RequestSignature,
    parse_request_signature,
    verify_request_signature,
)
from crypto.keys import Role, SharedSecret, VerifyingKey
from settlement.domain.errors import FatalError, RequestRefused
from settlement.service.access import not_now
from settlement.service.party_secrets import opened_secret
from settlement.store.access import AccessStore, Signer
from settlement.store.errors import StoreUnavailableError

_log = logging.getLogger(__name__)

#: Why a signature is refused, as logs and metrics say it.
REFUSALS = ("stale", "not_authentic", "unknown_key")


class Signatures:
    """Verifies RFC 9421 signatures against the keys of parties."""

    def __init__(self, store: AccessStore, secret_key: bytes) -> None:
        """`secret_key` opens the sealed HMAC secrets."""
        self._store = store
        self._secret_key = secret_key
        #: Signatures refused so far by reason, for metrics.
        self.refused = dict.fromkeys(REFUSALS, 0)

    async def verify(
        self, request: HttpRequest, *, now: datetime, covers_idempotency_key: bool
    ) -> tuple[Signer, RequestSignature]:
        """Who signed; the nonce is not taken yet.

        Raises `RequestRefused`: MA-3102 for a signature that does not hold or a key
        that is unknown, revoked or not valid yet, MA-3103 for one that is not of
        this minute, MA-5105 when the database does not answer, MA-5101 when it is
        busy.
        """
        try:
            signature = parse_request_signature(
                request, covers_idempotency_key=covers_idempotency_key
            )
            signer = await self._signer(signature.key_id, now)
            key = self._key(signer)
            verify_request_signature(signature, key, now=int(now.timestamp()))
        except StaleSignatureError:
            raise self._refusal("MA-3103", "stale") from None
        except CryptoError:
            raise self._refusal("MA-3102", "not_authentic") from None
        return signer, signature

    async def _signer(self, key_id: str, now: datetime) -> Signer:
        try:
            signer = await self._store.signer(key_id)
        except StoreUnavailableError as gone:
            raise not_now(gone) from None
        if signer is None or signer.revoked_at is not None or now < signer.not_before:
            raise self._refusal("MA-3102", "unknown_key")
        return signer

    def _refusal(self, code: str, reason: str) -> RequestRefused:
        """Counted and logged; never with the key's name, which anybody can make up."""
        self.refused[reason] += 1
        _log.warning("access.signature_refused", extra={"reason": reason})
        return RequestRefused(code)

    def _key(self, signer: Signer) -> SharedSecret | VerifyingKey:
        if signer.public_key is not None:
            return VerifyingKey(signer.public_key, Role.PARTY)
        if signer.sealed_secret is None:
            raise FatalError(f"key {signer.key_id} has neither secret nor public key")
        secret = opened_secret(
            self._secret_key, key_id=signer.key_id, sealed=signer.sealed_secret
        )
        return SharedSecret(signer.key_id, secret)

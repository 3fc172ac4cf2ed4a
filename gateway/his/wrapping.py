"""Bodies that are encrypted and signed as a whole (`encData`, `signData`)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import orjson

from crypto.encdata import Agreed, Variant, seal, unseal
from crypto.errors import CryptoError
from gateway.his.admission import Opened
from gateway.his.json_body import read_json
from settlement.domain.errors import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from gateway.his.clients import Clients, Known
    from gateway.his.nonces import Nonces

_PROFILE = "encdata"
_UTF8 = "utf-8"
_MOST_MS_DIGITS = 16
_NOT_WHO_THEY_SAY, _STALE = "MA-3102", "MA-3103"


class Wrapping:
    """Opens what hospitals wrap, and wraps their answers. One for each worker."""

    def __init__(
        self,
        clients: Clients,
        nonces: Nonces,
        *,
        now: Callable[[], datetime],
        window_s: int,
    ) -> None:
        """`window_s`: seconds around now in which a wrapped body is good."""
        self._clients = clients
        self._nonces = nonces
        self._now = now
        self._window_ms = window_s * 1_000

    async def open(
        self, body: Mapping[str, Any], encoding: str, *, now: datetime
    ) -> Opened:
        """What is inside; raises MA-3102, MA-3103, MA-1101, MA-5101, MA-5105."""
        known = await self._clients.by_key(f"{body.get('appId')}"[:80])
        if known is None or known.client.profile != _PROFILE:
            raise RequestRefused(_NOT_WHO_THEY_SAY)
        agreed = _agreed(known)
        try:
            unsealed = unseal(agreed, body)
        except CryptoError:
            raise RequestRefused(_NOT_WHO_THEY_SAY) from None
        if abs(now.timestamp() * 1_000 - _milliseconds(body)) > self._window_ms:
            raise RequestRefused(_STALE)
        await self._nonces.take(
            known.row.key_id, hashlib.sha256(unsealed.signature).hexdigest()
        )
        # Wrapped texts are UTF-8 whatever surrounds them: they are signed as such.
        inside = read_json(unsealed.data, _UTF8)
        version = f"{body.get('version') or '1.0.0'}"
        return Opened(
            inside, self._closing(agreed, encoding, version), known.row.key_id
        )

    def _closing(
        self, agreed: Agreed, encoding: str, version: str
    ) -> Callable[[bytes], bytes]:
        def close(answer: bytes) -> bytes:
            fields = {
                "appId": agreed.app_id,
                "encType": "SM4",
                "signType": "SM2",
                "version": version,
                "timestamp": f"{int(self._now().timestamp() * 1_000)}",
            }
            plain = answer if encoding == _UTF8 else answer.decode(encoding).encode()
            return orjson.dumps(seal(agreed, fields, plain))

        return close


def _agreed(known: Known) -> Agreed:
    row, secrets = known.row, known.secrets
    return Agreed(
        app_id=row.key_id,
        secret=secrets["secret"],
        private=bytes.fromhex(secrets["private"]),
        public=bytes.fromhex(secrets["public"]),
        others=row.public_key or b"",
        variant=Variant(**row.variant),
    )


def _milliseconds(body: Mapping[str, Any]) -> int:
    text = f"{body.get('timestamp')}"
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_MS_DIGITS):
        raise RequestRefused(_STALE)
    return int(text)

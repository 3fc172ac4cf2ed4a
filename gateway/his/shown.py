"""What a request shows of who sends it, before anybody has believed it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from crypto.tif import is_tif_signature
from settlement.domain.errors import RequestRefused

if TYPE_CHECKING:
    from aiohttp import web

_TIF = ("x-tif-paasid", "x-tif-timestamp", "x-tif-nonce", "x-tif-signature")
_SECONDS = re.compile(r"[0-9]{10}")
_NONCE = re.compile(r"[!-~]{1,64}")
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
#: How the fingerprint of a certificate stands among the clients' key ids.
CERTIFICATE = "sha256:"


@dataclass(frozen=True, slots=True)
class Tif:
    """The four headers, of their form; nothing of them is authentic yet."""

    paasid: str
    timestamp: str
    nonce: str
    signature: str

    def is_signed(self, secret: str) -> bool:
        """Whether the holder of the secret has made it."""
        return is_tif_signature(
            self.signature, secret, timestamp=self.timestamp, nonce=self.nonce
        )

    def is_of(self, now: datetime, window_s: int) -> bool:
        """Whether it was made around now."""
        return abs(now.timestamp() - int(self.timestamp)) <= window_s


def tif_shown(request: web.BaseRequest) -> Tif | None:
    """The headers; `None` without any, MA-3102 where they lack or have no form."""
    headers = request.headers
    values = [headers.getall(name, ()) for name in _TIF]
    if not any(values):
        return None
    if any(len(each) != 1 for each in values):
        raise RequestRefused("MA-3102")
    paasid, timestamp, nonce, signature = (headers[name].strip() for name in _TIF)
    has_form = (
        _SECONDS.fullmatch(timestamp)
        and _NONCE.fullmatch(nonce)
        and _SHA256.fullmatch(signature)
    )
    if not has_form:
        raise RequestRefused("MA-3102")
    return Tif(paasid, timestamp, nonce, signature)


def fingerprint_of(certificate: bytes) -> str:
    """A certificate's name among the clients, of its DER bytes."""
    return CERTIFICATE + hashlib.sha256(certificate).hexdigest()


def certificate_shown(request: web.BaseRequest) -> str:
    """The fingerprint of the connection's client certificate; empty without one.

    TLS has checked already that the caller holds its key.
    """
    transport = request.transport
    tls = None if transport is None else transport.get_extra_info("ssl_object")
    certificate = None if tls is None else tls.getpeercert(binary_form=True)
    return "" if certificate is None else fingerprint_of(certificate)

"""The `x-tif-*` signature of hospital systems: a hash over time, secret and nonce.

It covers no byte of the body (his-interface.md, 2.1), so whoever reads one request can
send another body with it once; that is why the profile is weak.
"""

from __future__ import annotations

import hashlib
import hmac


def tif_signature(secret: str, *, timestamp: str, nonce: str) -> str:
    """Lower-case hex SHA-256 over timestamp, secret, nonce and timestamp again."""
    text = f"{timestamp}{secret}{nonce}{timestamp}"
    return hashlib.sha256(text.encode()).hexdigest()


def is_tif_signature(given: str, secret: str, *, timestamp: str, nonce: str) -> bool:
    """Whether it is the signature, in either case; in constant time."""
    expected = tif_signature(secret, timestamp=timestamp, nonce=nonce)
    return hmac.compare_digest(given.lower().encode(), expected.encode())

"""Parties' HMAC secrets at rest: sealed under a key that the database never sees."""

from __future__ import annotations

import logging
from collections.abc import Callable

from crypto.errors import NotAuthenticError
from crypto.suites import DEFAULT_SUITE, suite
from settlement.domain.errors import RequestRefused

_log = logging.getLogger(__name__)

_IV_BYTES = 12


def seal_secret(
    sealing_key: bytes, *, key_id: str, secret: bytes, random: Callable[[int], bytes]
) -> bytes:
    """A random IV followed by the ciphertext, bound to the key id (AES-256-GCM)."""
    iv = random(_IV_BYTES)
    return iv + suite(DEFAULT_SUITE).sealing.encrypt(
        sealing_key, iv, secret, key_id.encode()
    )


def open_secret(sealing_key: bytes, *, key_id: str, sealed: bytes) -> bytes:
    """The secret; raises `crypto.errors.NotAuthenticError` for any other bytes."""
    return suite(DEFAULT_SUITE).sealing.decrypt(
        sealing_key, sealed[:_IV_BYTES], sealed[_IV_BYTES:], key_id.encode()
    )


def opened_secret(sealing_key: bytes, *, key_id: str, sealed: bytes) -> bytes:
    """As `open_secret`, for a request: raises MA-5104, and the log names the key."""
    try:
        return open_secret(sealing_key, key_id=key_id, sealed=sealed)
    except NotAuthenticError:
        # Keys and database are not of one installation.
        _log.error("access.secret_not_opened", extra={"key": key_id})
        raise RequestRefused("MA-5104") from None

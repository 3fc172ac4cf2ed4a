"""Webhooks signed by Standard Webhooks 1.0: how a receiver knows that it was us.

<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from hashlib import sha256

_PREFIX = "whsec_"
#: Within the 24 to 64 bytes that the specification asks for.
_SECRET_BYTES = 32


def new_secret(random: Callable[[int], bytes]) -> bytes:
    """A secret that was never used."""
    return random(_SECRET_BYTES)


def secret_text(secret: bytes) -> str:
    """A secret as receivers' libraries take it."""
    return _PREFIX + base64.b64encode(secret).decode()


def secret_of(text: str) -> bytes:
    """The bytes of such a text; raises `ValueError` for any other."""
    if not text.startswith(_PREFIX):
        raise ValueError("a secret begins with " + _PREFIX)
    try:
        return base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a secret is base64") from error


def event_id(seq: int) -> str:
    """The same for an event whenever it is sent: receivers drop what they know."""
    return f"evt_{seq}"


def signed_headers(
    secret: bytes, message_id: str, timestamp: int, body: bytes
) -> Mapping[str, str]:
    """The three headers of a message; `timestamp` in seconds since 1970."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    mac = base64.b64encode(hmac.digest(secret, signed, sha256)).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{mac}",
    }

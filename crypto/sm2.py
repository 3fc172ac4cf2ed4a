"""SM2 signatures with SM3 (GB/T 32918.2), through one kept library.

The library precomputes nonces in a context for each call only; nothing of it is shared
between processes. Where no wheel of it exists, nothing here can be used.
"""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from crypto.errors import BadSignatureError

_library: Any = None
# A machine for which there is no wheel does without.
with contextlib.suppress(ImportError):
    _library = importlib.import_module("gmssl_pyx")

#: The user id that GM/T 0009 names where nobody has agreed on another.
DEFAULT_ID = b"1234567812345678"
PRIVATE_BYTES, PUBLIC_BYTES = 32, 64
_HALF = 32


def is_available() -> bool:
    """Whether the library is here."""
    return _library is not None


def public_key(octets: bytes) -> bytes:
    """A public key as x and y; a leading 04 is taken off.

    Raises `ValueError` for what is no point of the curve.
    """
    if len(octets) == PUBLIC_BYTES + 1 and octets[0] == 4:  # noqa: PLR2004  # uncompressed
        octets = octets[1:]
    if len(octets) != PUBLIC_BYTES:
        raise ValueError("an SM2 public key has 64 bytes, or 65 with a leading 04")
    try:
        # Whether it lies on the curve is found out by using it.
        _library.sm2_verify(octets, b"", _der(bytes([1] * PUBLIC_BYTES)))
    except _library.GmsslInnerError as fault:
        raise ValueError("this is no point of the curve of SM2") from fault
    return octets


def new_keys() -> tuple[bytes, bytes]:
    """A private key and its public key, of the library's own randomness."""
    public, private = _library.sm2_key_generate()
    return private, public


def sign(private: bytes, public: bytes, message: bytes, user_id: bytes) -> bytes:
    """r and s, 32 bytes each."""
    r, s = decode_dss_signature(_library.sm2_sign(private, public, message, user_id))
    return r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")


def verify(public: bytes, message: bytes, signature: bytes, user_id: bytes) -> None:
    """Raise `BadSignatureError` unless r and s are the key's signature."""
    try:
        holds = _library.sm2_verify(public, message, _der(signature), user_id)
    except (_library.GmsslInnerError, ValueError) as fault:
        raise BadSignatureError("the SM2 signature does not have its form") from fault
    if not holds:
        raise BadSignatureError("the SM2 signature is not of this key and message")


def raw_of_der(signature: bytes) -> bytes:
    """r and s of an ASN.1 signature; raises `BadSignatureError`."""
    try:
        r, s = decode_dss_signature(signature)
        return r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")
    except (ValueError, OverflowError) as fault:
        raise BadSignatureError("the SM2 signature is no ASN.1 of r and s") from fault


def der_of_raw(signature: bytes) -> bytes:
    """ASN.1 of r and s."""
    return _der(signature)


def _der(signature: bytes) -> bytes:
    if len(signature) != 2 * _HALF:
        raise BadSignatureError("an SM2 signature is r and s, 32 bytes each")
    return encode_dss_signature(
        int.from_bytes(signature[:_HALF], "big"),
        int.from_bytes(signature[_HALF:], "big"),
    )

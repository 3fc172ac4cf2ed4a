"""Suite MA1: Ed25519, X25519 with ECDH-ES, AES-256-GCM, SHA-256.

RFC 8032 and 9864 (signatures), RFC 7748, 8037 and 7518 section 4.6 (key agreement),
RFC 7518 section 5.3 (content encryption).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.encoding import JsonValue, b64u, b64u_decode
from crypto.errors import (
    BadSignatureError,
    MalformedKeyError,
    MalformedRecordError,
    NotAuthenticError,
    WeakKeyError,
)
from crypto.schemes import RandomBytes, Suite, Wrapped

_KEY_BYTES = 32
_ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
_X25519_SPKI = bytes.fromhex("302a300506032b656e032100")
_FIELD = 2**255 - 19
_CURVE_D = -121665 * pow(121666, -1, _FIELD) % _FIELD
_Point = tuple[int, int]


def _require_key_bytes(octets: bytes) -> None:
    if len(octets) != _KEY_BYTES:
        raise MalformedKeyError("the key does not have 32 bytes")


def _decompress(public: bytes) -> _Point:
    """The point of an Ed25519 public key (RFC 8032 section 5.1.3), or raise.

    The sign of x = 0 is not looked at: both such points are of small order.
    """
    sign, y = public[31] >> 7, int.from_bytes(public, "little") % 2**255
    if y >= _FIELD:
        raise WeakKeyError("the public key is not canonical")
    x_squared = (y * y - 1) * pow(_CURVE_D * y * y + 1, -1, _FIELD) % _FIELD
    x = pow(x_squared, (_FIELD + 3) // 8, _FIELD)
    if x * x % _FIELD != x_squared:
        x = x * pow(2, (_FIELD - 1) // 4, _FIELD) % _FIELD
    if x * x % _FIELD != x_squared:
        raise WeakKeyError("the public key is no point of the curve")
    return (_FIELD - x if x & 1 != sign else x), y


def _doubled(point: _Point) -> _Point:
    x, y = point
    product = _CURVE_D * x * x * y * y
    return (
        2 * x * y * pow(1 + product, -1, _FIELD) % _FIELD,
        (y * y + x * x) * pow(1 - product, -1, _FIELD) % _FIELD,
    )


class _Ed25519:
    """Signatures of 64 bytes, deterministic."""

    alg = "ed25519"
    jose = "Ed25519"
    note_type = b"\x01"

    def public_key(self, private: bytes) -> bytes:
        _require_key_bytes(private)
        key = Ed25519PrivateKey.from_private_bytes(private)
        return key.public_key().public_bytes_raw()

    def spki(self, public: bytes) -> bytes:
        _require_key_bytes(public)
        point = _decompress(public)
        # Eight times a point of small order is the identity; under such a key one
        # signature verifies for every message, so nobody could be held to theirs.
        if _doubled(_doubled(_doubled(point))) == (0, 1):
            raise WeakKeyError("the public key has small order")
        return _ED25519_SPKI + public

    def signer(self, private: bytes) -> Callable[[bytes], bytes]:
        return Ed25519PrivateKey.from_private_bytes(private).sign

    def verifier(self, public: bytes) -> Callable[[bytes, bytes], None]:
        verify = Ed25519PublicKey.from_public_bytes(public).verify

        def check(signature: bytes, message: bytes) -> None:
            try:
                verify(signature, message)
            except InvalidSignature:
                raise BadSignatureError("the signature does not verify") from None

        return check


def concat_kdf(secret: bytes, enc: str, *, apu: bytes, apv: bytes) -> bytes:
    """A 256-bit key by one round of Concat KDF (RFC 7518 section 4.6.2)."""
    return hashlib.sha256(b"\0\0\0\1" + secret + _other_info(enc, apu, apv)).digest()


def _other_info(enc: str, apu: bytes, apv: bytes) -> bytes:
    fields = (enc.encode("ascii"), apu, apv)
    prefixed = b"".join(len(part).to_bytes(4, "big") + part for part in fields)
    return prefixed + (256).to_bytes(4, "big")


class _EcdhEsAesGcm:
    """A fresh X25519 key agrees a secret with the recipient.

    Each record's content key is derived from it, under the record's own `apu`.
    """

    alg = "x25519"
    jose_alg = "ECDH-ES"
    jose_enc = "A256GCM"
    header_members = frozenset({"epk"})

    def public_key(self, private: bytes) -> bytes:
        _require_key_bytes(private)
        key = X25519PrivateKey.from_private_bytes(private)
        return key.public_key().public_bytes_raw()

    def spki(self, public: bytes) -> bytes:
        _require_key_bytes(public)
        if int.from_bytes(public, "little") >= _FIELD:
            raise WeakKeyError("the public key is not canonical")
        _agree(b"\x08" * _KEY_BYTES, public, WeakKeyError)
        return _X25519_SPKI + public

    def agreement(
        self, public: bytes, random: RandomBytes, *, apv: bytes
    ) -> Callable[[bytes], Wrapped]:
        ephemeral = X25519PrivateKey.from_private_bytes(random(_KEY_BYTES))
        secret = ephemeral.exchange(X25519PublicKey.from_public_bytes(public))
        x = b64u(ephemeral.public_key().public_bytes_raw())
        members = b'"epk":{"kty":"OKP","crv":"X25519","x":"' + x + b'"},'

        def wrap(apu: bytes) -> Wrapped:
            key = concat_kdf(secret, self.jose_enc, apu=apu, apv=apv)
            return Wrapped(key, b"", members)

        return wrap

    def check_header(
        self, header: Mapping[str, JsonValue], encrypted_key: bytes
    ) -> None:
        if encrypted_key:
            raise MalformedRecordError("the record carries a key that is agreed")
        _ephemeral_public(header)

    def unwrap(
        self,
        private: bytes,
        header: Mapping[str, JsonValue],
        encrypted_key: bytes,
        *,
        apu: bytes,
        apv: bytes,
    ) -> bytes:
        self.check_header(header, encrypted_key)
        secret = _agree(private, _ephemeral_public(header), NotAuthenticError)
        return concat_kdf(secret, self.jose_enc, apu=apu, apv=apv)

    def encrypt(
        self, content_key: bytes, iv: bytes, content: bytes, header: bytes
    ) -> bytes:
        return AESGCM(content_key).encrypt(iv, content, header)

    def decrypt(
        self, content_key: bytes, iv: bytes, sealed: bytes, header: bytes
    ) -> bytes:
        try:
            return AESGCM(content_key).decrypt(iv, sealed, header)
        except (InvalidTag, ValueError):
            # A vector of an impossible length is a change like any other.
            raise NotAuthenticError("the sealed content was changed") from None


def _agree(
    private: bytes, public: bytes, error: type[WeakKeyError | NotAuthenticError]
) -> bytes:
    """The shared secret; raises where the point is of small order (RFC 7748)."""
    try:
        return X25519PrivateKey.from_private_bytes(private).exchange(
            X25519PublicKey.from_public_bytes(public)
        )
    except ValueError:
        raise error("the public key has small order") from None


def _ephemeral_public(header: Mapping[str, JsonValue]) -> bytes:
    epk = header.get("epk")
    if not isinstance(epk, dict) or epk.keys() != {"kty", "crv", "x"}:
        raise MalformedRecordError("the ephemeral key is missing or has other members")
    coordinate = epk["x"]
    if (epk["kty"], epk["crv"]) != ("OKP", "X25519") or not isinstance(coordinate, str):
        raise MalformedRecordError("the ephemeral key is not an X25519 key")
    octets = b64u_decode(
        coordinate.encode(), what="the ephemeral key", error=MalformedRecordError
    )
    if len(octets) != _KEY_BYTES:
        raise MalformedRecordError("the ephemeral key does not have 32 bytes")
    return octets


def _sha256(octets: bytes) -> bytes:
    return hashlib.sha256(octets).digest()


MA1 = Suite("MA1", _Ed25519(), _EcdhEsAesGcm(), _sha256)
"""The default suite."""

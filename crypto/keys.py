"""Keys, each bound to one role and one suite, named by what they are.

A key id is the role's prefix and the first 16 hex digits of the SHA-256 of the DER
SubjectPublicKeyInfo, so nobody can give a key the name of another. Private parts
never show in `repr` and never leave but by `private_bytes`.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import StrEnum

from crypto.errors import (
    BadSignatureError,
    MalformedKeyError,
    PossessionError,
    WrongRoleError,
)
from crypto.schemes import RandomBytes
from crypto.suites import DEFAULT_SUITE, suite

KEY_BYTES = 32
"""Length of a private key, and of a fresh shared secret."""

_POSSESSION = b"medaid-possession-v1\n"


class Role(StrEnum):
    """What a key may be used for; a key has exactly one role."""

    RECORD_SIGN = "record-sign"
    CHECKPOINT_SIGN = "checkpoint-sign"
    BUREAU_SEAL = "bureau-seal"
    BUREAU_ROSTER = "bureau-roster"
    PARTY = "party"
    WITNESS_COSIGN = "witness-cosign"

    @property
    def prefix(self) -> str:
        """Start of the key ids of this role."""
        return _PREFIXES[self]

    @property
    def is_signing(self) -> bool:
        """Whether the key signs; otherwise it seals."""
        return self is not Role.BUREAU_SEAL


_PREFIXES = {
    Role.RECORD_SIGN: "rs-",
    Role.CHECKPOINT_SIGN: "cs-",
    Role.BUREAU_SEAL: "bs-",
    Role.BUREAU_ROSTER: "br-",
    Role.PARTY: "pt-",
    Role.WITNESS_COSIGN: "wc-",
}


def role_of_kid(kid: str) -> Role:
    """The role that a key id claims; raises `MalformedKeyError` for no role."""
    for role, prefix in _PREFIXES.items():
        if kid.startswith(prefix):
            return role
    raise MalformedKeyError("the key id does not begin with the prefix of a role")


def _kid(role: Role, spki: bytes) -> str:
    return role.prefix + hashlib.sha256(spki).hexdigest()[:16]


def _require_signing(role: Role) -> None:
    if not role.is_signing:
        raise WrongRoleError(f"a key of role {role} does not sign")


class VerifyingKey:
    """The public half of a signing key: sound, on the curve, not of small order."""

    __slots__ = ("_verify", "alg", "kid", "public_bytes", "role", "suite")

    def __init__(
        self, public: bytes, role: Role, suite_name: str = DEFAULT_SUITE
    ) -> None:
        """Raises `MalformedKeyError`, `WeakKeyError` or `WrongRoleError`."""
        _require_signing(role)
        scheme = suite(suite_name).signing
        self.kid = _kid(role, scheme.spki(public))
        self.alg = scheme.alg
        self.public_bytes = public
        self.role = role
        self.suite = suite_name
        self._verify = scheme.verifier(public)

    def verify(self, signature: bytes, message: bytes) -> None:
        """Return only for a signature of this key; raises `BadSignatureError`."""
        self._verify(signature, message)


class SigningKey:
    """A private signing key with its public half."""

    __slots__ = ("_private", "kid", "public", "sign")

    def __init__(
        self, private: bytes, role: Role, suite_name: str = DEFAULT_SUITE
    ) -> None:
        """Raises `MalformedKeyError` or `WrongRoleError`."""
        _require_signing(role)
        scheme = suite(suite_name).signing
        self.public = VerifyingKey(scheme.public_key(private), role, suite_name)
        self.kid = self.public.kid
        self.sign = scheme.signer(private)
        """From message to signature."""
        self._private = private

    @classmethod
    def generate(
        cls, role: Role, random: RandomBytes, suite_name: str = DEFAULT_SUITE
    ) -> SigningKey:
        """A new key from 32 random bytes."""
        return cls(random(KEY_BYTES), role, suite_name)

    def private_bytes(self) -> bytes:
        """The secret; only for writing the key file."""
        return self._private


class SealingKey:
    """The public half that content is sealed to: the bureau's."""

    __slots__ = ("alg", "kid", "public_bytes", "role", "suite")

    def __init__(self, public: bytes, suite_name: str = DEFAULT_SUITE) -> None:
        """Raises `MalformedKeyError` or `WeakKeyError`."""
        scheme = suite(suite_name).sealing
        self.role = Role.BUREAU_SEAL
        self.kid = _kid(self.role, scheme.spki(public))
        self.alg = scheme.alg
        self.public_bytes = public
        self.suite = suite_name


class OpeningKey:
    """The private half that opens sealed content; held by the bureau alone."""

    __slots__ = ("_private", "kid", "public")

    def __init__(self, private: bytes, suite_name: str = DEFAULT_SUITE) -> None:
        """Raises `MalformedKeyError`."""
        scheme = suite(suite_name).sealing
        self.public = SealingKey(scheme.public_key(private), suite_name)
        self.kid = self.public.kid
        self._private = private

    @classmethod
    def generate(
        cls, random: RandomBytes, suite_name: str = DEFAULT_SUITE
    ) -> OpeningKey:
        """A new key from 32 random bytes."""
        return cls(random(KEY_BYTES), suite_name)

    def private_bytes(self) -> bytes:
        """The secret; for unwrapping content keys and for the key file."""
        return self._private


class SharedSecret:
    """An HMAC-SHA256 key that a party shares with the gateway."""

    __slots__ = ("_secret", "kid")

    alg = "hmac-sha256"

    def __init__(self, kid: str, secret: bytes) -> None:
        """Raises `MalformedKeyError` below 32 bytes of secret."""
        if len(secret) < KEY_BYTES:
            raise MalformedKeyError("the shared secret has less than 32 bytes")
        self.kid = kid
        self._secret = secret

    @classmethod
    def generate(cls, random: RandomBytes) -> SharedSecret:
        """A new secret with a key id of its own."""
        return cls(Role.PARTY.prefix + random(8).hex(), random(KEY_BYTES))

    def sign(self, message: bytes) -> bytes:
        """The 32-byte authentication code of the message."""
        return hmac.digest(self._secret, message, "sha256")

    def verify(self, signature: bytes, message: bytes) -> None:
        """Compare in constant time; raises `BadSignatureError`."""
        if not hmac.compare_digest(self.sign(message), signature):
            raise BadSignatureError("the authentication code does not verify")

    def secret_bytes(self) -> bytes:
        """The secret; only for writing the key file and the sealed column."""
        return self._secret


def make_possession(key: SigningKey, purpose: str) -> bytes:
    """Show that one holds the private half, for one purpose (a party's code)."""
    return key.sign(_possession_message(key.kid, purpose))


def check_possession(key: VerifyingKey, purpose: str, proof: bytes) -> None:
    """Raise `PossessionError` unless the proof was made for key and purpose."""
    try:
        key.verify(proof, _possession_message(key.kid, purpose))
    except BadSignatureError:
        raise PossessionError(
            "the proof of possession was not made with this key for this purpose"
        ) from None


def _possession_message(kid: str, purpose: str) -> bytes:
    return _POSSESSION + kid.encode() + b"\n" + purpose.encode()

"""What a suite of algorithms must be able to do, and nothing about which.

A suite bundles one signature scheme, one sealing scheme and one hash. Records,
keys, checkpoints and the trust file work with these shapes only, so that another
suite joins the registry without touching them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from crypto.encoding import JsonValue

RandomBytes = Callable[[int], bytes]
"""Gives that many bytes from the kernel's generator; tests give fixed ones."""


class SignatureScheme(Protocol):
    """Signs and verifies; raw fixed-length signatures."""

    @property
    def alg(self) -> str:
        """Name in key files and the trust file, e.g. `ed25519`."""

    @property
    def jose(self) -> str:
        """Name in a JWS header, e.g. `Ed25519`."""

    @property
    def note_type(self) -> bytes:
        """Signature type of a C2SP signed note."""

    def public_key(self, private: bytes) -> bytes:
        """The public half; `MalformedKeyError` where it is no private key."""

    def spki(self, public: bytes) -> bytes:
        """DER SubjectPublicKeyInfo; raises `WeakKeyError` for unusable keys."""

    def signer(self, private: bytes) -> Callable[[bytes], bytes]:
        """A function from message to signature."""

    def verifier(self, public: bytes) -> Callable[[bytes, bytes], None]:
        """A function of signature and message; raises `BadSignatureError`."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A fresh content key on its way to one recipient."""

    content_key: bytes
    encrypted_key: bytes
    """Second segment of the JWE; empty where the key is agreed, not carried."""
    members: bytes
    """Members for the JWE header, as JSON text with a trailing comma or empty."""


class SealingScheme(Protocol):
    """Encrypts content to one recipient, authenticated together with a header."""

    @property
    def alg(self) -> str:
        """Name in key files and the trust file, e.g. `x25519`."""

    @property
    def jose_alg(self) -> str:
        """Key management name in a JWE header, e.g. `ECDH-ES`."""

    @property
    def jose_enc(self) -> str:
        """Content encryption name in a JWE header, e.g. `A256GCM`."""

    @property
    def header_members(self) -> frozenset[str]:
        """Names of the JWE header members that this scheme adds."""

    def public_key(self, private: bytes) -> bytes:
        """The public half; `MalformedKeyError` where it is no private key."""

    def spki(self, public: bytes) -> bytes:
        """DER SubjectPublicKeyInfo; raises `WeakKeyError` for unusable keys."""

    def agreement(
        self, public: bytes, random: RandomBytes, *, apv: bytes
    ) -> Callable[[bytes], Wrapped]:
        """One fresh agreement with this recipient.

        Returns a function from `apu` to a content key: a key of its own for each.
        """

    def check_header(
        self, header: Mapping[str, JsonValue], encrypted_key: bytes
    ) -> None:
        """Raise `MalformedRecordError` unless the scheme's own parts are sound."""

    def unwrap(
        self,
        private: bytes,
        header: Mapping[str, JsonValue],
        encrypted_key: bytes,
        *,
        apu: bytes,
        apv: bytes,
    ) -> bytes:
        """The content key; raises `NotAuthenticError` where there is none."""

    def encrypt(
        self, content_key: bytes, iv: bytes, content: bytes, header: bytes
    ) -> bytes:
        """Ciphertext followed by a 16-byte tag over it and the header."""

    def decrypt(
        self, content_key: bytes, iv: bytes, sealed: bytes, header: bytes
    ) -> bytes:
        """The content; raises `NotAuthenticError` when anything was changed."""


@dataclass(frozen=True, slots=True)
class Suite:
    """One named, complete choice of algorithms."""

    name: str
    signing: SignatureScheme
    sealing: SealingScheme
    digest: Callable[[bytes], bytes]
    """Hash of the key commitment, 32 bytes."""

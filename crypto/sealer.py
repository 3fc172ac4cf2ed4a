"""Making records: MASR/1, a JWS over a JWE; `crypto.record` reads and checks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from crypto.claims import Claim, check_claims
from crypto.encoding import b64u
from crypto.errors import SuiteMismatchError, WrongRoleError
from crypto.keys import Role, SealingKey, SigningKey
from crypto.record import (
    COMMITMENT,
    CONTENT_TYPE,
    IV_BYTES,
    SEALED_TYPE,
    SIGNED_TYPE,
    TAG_BYTES,
    party_text,
    producer,
)
from crypto.schemes import RandomBytes, Suite
from crypto.suites import suite


@dataclass(frozen=True, slots=True)
class _Parties:
    """Who seals to whom, and what is the same in all their records."""

    suite: Suite
    signer: SigningKey
    recipient: SealingKey
    jws_start: bytes
    """The JWS header, and the dot behind it."""
    header_start: bytes
    """The first members of the JWE header, as JSON text with a trailing comma."""


class Sealer:
    """Makes records for one recipient, signed with one key; safe to keep."""

    __slots__ = ("_parties",)

    def __init__(self, signer: SigningKey, recipient: SealingKey) -> None:
        """Raises `WrongRoleError` or `SuiteMismatchError` for unfit keys."""
        if signer.public.role is not Role.RECORD_SIGN:
            raise WrongRoleError(f"key {signer.kid} does not sign records")
        if signer.public.suite != recipient.suite:
            raise SuiteMismatchError("signer and recipient are of different suites")
        chosen = suite(recipient.suite)
        signed_header = {
            "alg": chosen.signing.jose,
            "kid": signer.kid,
            "typ": SIGNED_TYPE,
            "cty": CONTENT_TYPE,
        }
        sealed_header = {
            "alg": chosen.sealing.jose_alg,
            "enc": chosen.sealing.jose_enc,
            "kid": recipient.kid,
            "apv": party_text(recipient.kid),
            "typ": SEALED_TYPE,
        }
        self._parties = _Parties(
            chosen,
            signer,
            recipient,
            b64u(orjson.dumps(signed_header)) + b".",
            orjson.dumps(sealed_header)[:-1] + b",",
        )

    def batch(self, random: RandomBytes) -> BatchSealer:
        """Agree anew with the recipient, for records that are made together."""
        return BatchSealer(self._parties, random)

    def seal(
        self, claims: Mapping[str, Claim], content: bytes, random: RandomBytes
    ) -> bytes:
        """One record with an agreement of its own; as `BatchSealer.seal`."""
        return self.batch(random).seal(claims, content)


class BatchSealer:
    """Records of one batch: one key agreement, and a key of its own for each.

    RFC 7518 section 4.6 asks for a new ephemeral key for each agreement, and derives
    keys from its secret under `apu` and `apv`. A record's `apu` names its `sid`.
    """

    __slots__ = ("_parties", "_random", "_sealed", "_wrap")

    def __init__(self, parties: _Parties, random: RandomBytes) -> None:
        recipient = parties.recipient
        self._parties = parties
        self._random = random
        self._wrap = parties.suite.sealing.agreement(
            recipient.public_bytes, random, apv=recipient.kid.encode()
        )
        self._sealed: set[Claim] = set()

    def seal(self, claims: Mapping[str, Claim], content: bytes) -> bytes:
        """The record of these claims and this content, as ASCII bytes.

        Every record has a content key of its own, so no initialisation vector can
        meet its key twice: raises `ValueError` where a `sid` is sealed again.
        Raises `BadClaimsError` for claims that would not verify.
        """
        check_claims(claims)
        sid = claims["sid"]
        if sid in self._sealed:
            raise ValueError("the record was sealed under this agreement before")
        self._sealed.add(sid)
        parties = self._parties
        apu = producer(parties.signer.kid, sid)
        wrapped = self._wrap(apu)
        iv = self._random(IV_BYTES)
        header = b64u(
            b'%b%b"apu":"%b","ck":"%b",%b'
            % (
                parties.header_start,
                wrapped.members,
                b64u(apu),
                b64u(parties.suite.digest(COMMITMENT + wrapped.content_key)),
                orjson.dumps(dict(claims))[1:],
            )
        )
        sealed = parties.suite.sealing.encrypt(wrapped.content_key, iv, content, header)
        jwe = b"%b.%b.%b.%b.%b" % (
            header,
            b64u(wrapped.encrypted_key),
            b64u(iv),
            b64u(sealed[:-TAG_BYTES]),
            b64u(sealed[-TAG_BYTES:]),
        )
        signing_input = parties.jws_start + b64u(jwe)
        return signing_input + b"." + b64u(parties.signer.sign(signing_input))

"""MASR/1: one settlement as bytes that are sealed to the bureau and signed.

JWS compact over JWE compact. The clear claims stand in the JWE's protected header,
which the content's encryption authenticates and the signature covers. Nothing is
ever written anew to be checked: verification is over the bytes as received.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import cast

from crypto.claims import Claim, check_claims, day_of
from crypto.encoding import (
    JsonValue,
    b64u,
    b64u_decode,
    parse_object,
    require_b64u,
)
from crypto.errors import (
    MalformedRecordError,
    NotAuthenticError,
    SealedMismatchError,
    SuiteMismatchError,
    UnknownKeyError,
)
from crypto.keys import OpeningKey, Role
from crypto.suites import suite
from crypto.trust import Trust

RECORD_BYTES_MAX = 256 * 1024
"""A longer text is no record: nobody's bill is that long."""

SIGNED_TYPE, SEALED_TYPE, CONTENT_TYPE = "masr+jws", "masr-pii+json", "JWE"
COMMITMENT = b"masr-kc1"
IV_BYTES, TAG_BYTES = 12, 16
_DIGEST_BYTES = hashlib.sha256().digest_size
_IV_CHARACTERS, _TAG_CHARACTERS = 16, 22
_JWS_SEGMENTS, _JWE_SEGMENTS = 3, 5
_JWS_MEMBERS = frozenset({"alg", "kid", "typ", "cty"})
_JWE_MEMBERS = frozenset({"alg", "enc", "kid", "apu", "apv", "typ", "ck"})

SEALED_COPIES = ("sid", "facility", "total_fen", "aid_fen", "patient_pays_fen")
"""Claims that the sealed content repeats under `claims`."""


@dataclass(frozen=True, slots=True)
class _SealedPart:
    """The JWE inside a record, taken apart."""

    header: Mapping[str, JsonValue]
    header_segment: bytes
    encrypted_key: bytes
    sealed_segments: tuple[bytes, bytes, bytes]
    """Initialisation vector, ciphertext and tag, in canonical base64url."""

    def opened(self) -> tuple[bytes, bytes]:
        """The initialisation vector, and the ciphertext with its tag."""
        iv, ciphertext, tag = (
            _segment(each, "a segment of the sealed part")
            for each in self.sealed_segments
        )
        return iv, ciphertext + tag


@dataclass(frozen=True, slots=True)
class VerifiedRecord:
    """A record whose signature, keys, form and claims all held."""

    record: bytes
    record_hash: bytes
    """SHA-256 of the exact bytes: the record's entry in the log."""
    claims: Mapping[str, Claim]
    signer_kid: str
    recipient_kid: str
    suite: str
    _part: _SealedPart = field(repr=False)


def verify_record(record: bytes, trust: Trust) -> VerifiedRecord:
    """Check a record against trusted keys, without any key that opens it.

    The order is fixed: (1) strict compact form, (2) signature header, (3) trusted
    key of role record-sign, whose suite names the algorithm, (4) signature,
    (5) sealing header and recipient, (6) claims, (7) the key's window. Inclusion in
    the log is the caller's next step. Days of sandbox records are made up, so the
    window is not asked of them. Raises the `CryptoError` of the first step that
    fails.
    """
    # (1) strict compact form
    signed_segment, payload_segment, signature_segment = _jws_segments(record)
    signature = _segment(signature_segment, "the signature")
    payload = _segment(payload_segment, "the payload")
    # (2) what the signature header names
    alg, kid = _signed_header(signed_segment)
    # (3) the trusted key decides the algorithm
    signer = trust.key(kid, Role.RECORD_SIGN)
    chosen = suite(signer.suite)
    if alg != chosen.signing.jose:
        raise SuiteMismatchError(f"key {kid} does not sign with the named algorithm")
    # (4) signature over the bytes as received
    signer.verify(signature, record[: -len(signature_segment) - 1])
    # (5) sealing header and recipient
    part = _sealed_part(payload)
    recipient_kid = _check_sealed_header(part, signer.suite, kid, trust)
    # (6) clear claims
    not_claims = _JWE_MEMBERS | chosen.sealing.header_members
    claims = _claims(part.header, not_claims)
    # (7) window of the signing key
    if "sandbox" not in claims:
        signer.require_valid_on(day_of(claims))
    return VerifiedRecord(
        record=record,
        record_hash=record_hash(record),
        claims=MappingProxyType(claims),
        signer_kid=kid,
        recipient_kid=recipient_kid,
        suite=signer.suite,
        _part=part,
    )


def open_record(verified: VerifiedRecord, key: OpeningKey) -> bytes:
    """The sealed content of a verified record.

    Raises `UnknownKeyError` where it is sealed to another key, and
    `NotAuthenticError` unless the content key is the committed one and ciphertext,
    tag and header belong together.
    """
    part = verified._part  # noqa: SLF001
    if key.kid != verified.recipient_kid:
        raise UnknownKeyError("the record is sealed to another key than the one given")
    chosen = suite(verified.suite)
    content_key = chosen.sealing.unwrap(
        key.private_bytes(),
        part.header,
        part.encrypted_key,
        apu=_segment(str(part.header["apu"]).encode(), "apu"),
        apv=verified.recipient_kid.encode(),
    )
    commitment = b64u(chosen.digest(COMMITMENT + content_key))
    if not hmac.compare_digest(commitment, str(part.header["ck"]).encode()):
        raise NotAuthenticError("the content key is not the one committed to")
    iv, sealed = part.opened()
    return chosen.sealing.decrypt(content_key, iv, sealed, part.header_segment)


def check_sealed_copies(verified: VerifiedRecord, content: bytes) -> None:
    """Raise `SealedMismatchError` unless the content repeats the clear claims."""
    document = parse_object(
        content, what="the sealed content", error=SealedMismatchError
    )
    copies = document.get("claims")
    if not isinstance(copies, dict):
        raise SealedMismatchError("the sealed content has no claims")
    for name in SEALED_COPIES:
        claim = verified.claims[name]
        if type(copies.get(name)) is not type(claim) or copies[name] != claim:
            raise SealedMismatchError(f"sealed {name} differs from the clear claim")


def record_hash(record: bytes) -> bytes:
    """The record's entry in the log: SHA-256 of its exact bytes."""
    return hashlib.sha256(record).digest()


def _jws_segments(record: bytes) -> tuple[bytes, bytes, bytes]:
    if len(record) > RECORD_BYTES_MAX:
        raise MalformedRecordError(f"longer than {RECORD_BYTES_MAX} bytes")
    segments = record.split(b".")
    if len(segments) != _JWS_SEGMENTS:
        raise MalformedRecordError("a record has three segments")
    return segments[0], segments[1], segments[2]


def _segment(segment: bytes, what: str) -> bytes:
    return b64u_decode(segment, what=what, error=MalformedRecordError)


@lru_cache(maxsize=64)
def _signed_header(segment: bytes) -> tuple[str, str]:
    """Algorithm and key id that the record names; the same text for every record."""
    what = "the signature header"
    header = parse_object(
        _segment(segment, what), what=what, error=MalformedRecordError
    )
    alg, kid = header.get("alg"), header.get("kid")
    if header.keys() != _JWS_MEMBERS or (header["typ"], header["cty"]) != (
        SIGNED_TYPE,
        CONTENT_TYPE,
    ):
        raise MalformedRecordError("the signature header is not that of a record")
    if not isinstance(alg, str) or not isinstance(kid, str):
        raise MalformedRecordError("the signature header names no key")
    return alg, kid


def _sealed_part(payload: bytes) -> _SealedPart:
    segments = payload.split(b".")
    if len(segments) != _JWE_SEGMENTS:
        raise MalformedRecordError("the sealed part has five segments")
    what = "a segment of the sealed part"
    header, encrypted_key = _segment(segments[0], what), _segment(segments[1], what)
    iv, ciphertext, tag = segments[2:]
    for segment in (iv, ciphertext, tag):
        require_b64u(segment, what=what, error=MalformedRecordError)
    if len(iv) != _IV_CHARACTERS or len(tag) != _TAG_CHARACTERS:
        raise MalformedRecordError("initialisation vector or tag has another length")
    what = "the sealing header"
    return _SealedPart(
        header=parse_object(header, what=what, error=MalformedRecordError),
        header_segment=segments[0],
        encrypted_key=encrypted_key,
        sealed_segments=(iv, ciphertext, tag),
    )


def _check_sealed_header(
    part: _SealedPart, suite_name: str, signer_kid: str, trust: Trust
) -> str:
    """Return the recipient's key id once the whole header agrees with the keys."""
    header, sealing = part.header, suite(suite_name).sealing
    if not header.keys() >= _JWE_MEMBERS or header["typ"] != SEALED_TYPE:
        raise MalformedRecordError("the sealing header is not that of a record")
    kid, commitment = header["kid"], header["ck"]
    if not isinstance(kid, str) or not isinstance(commitment, str):
        raise MalformedRecordError("recipient or key commitment is no text")
    trust.key(kid, Role.BUREAU_SEAL, suite_name)
    if (header["alg"], header["enc"]) != (sealing.jose_alg, sealing.jose_enc):
        raise SuiteMismatchError("sealed by other algorithms than the recipient's")
    if header["apu"] != b64u(producer(signer_kid, header.get("sid"))).decode():
        raise MalformedRecordError("apu does not name signer and record")
    if header["apv"] != party_text(kid):
        raise MalformedRecordError("apv does not name the recipient")
    if len(_segment(commitment.encode(), "the commitment")) != _DIGEST_BYTES:
        raise MalformedRecordError("the key commitment does not have 32 bytes")
    sealing.check_header(header, part.encrypted_key)
    return kid


def producer(signer_kid: str, sid: object) -> bytes:
    """Who made which record, as `apu` has it: no two records have the same."""
    return f"{signer_kid}.{sid}".encode()


@lru_cache(maxsize=64)
def party_text(kid: str) -> str:
    """A key id as `apv` has it."""
    return b64u(kid.encode()).decode()


def _claims(
    header: Mapping[str, JsonValue], not_claims: frozenset[str]
) -> dict[str, Claim]:
    claims = {n: value for n, value in header.items() if n not in not_claims}
    check_claims(claims)
    # The check has settled the type of every one.
    return cast("dict[str, Claim]", claims)

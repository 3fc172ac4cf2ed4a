"""HTTP Message Signatures (RFC 9421), in the one profile that the gateway speaks.

Label `sig1`; components `@method`, `@authority`, `@path`, `content-type`,
`content-digest`, and `idempotency-key` where it is asked for; parameters `created`,
`nonce`, `keyid`, `tag="medaid"`, and `alg` where a library adds it. Components and
parameters may come in any order, each once. The body is bound by its digest
(RFC 9530, sha-256). Keeping nonces so that each counts once is the caller's duty.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from crypto.encoding import b64, b64_decode
from crypto.errors import (
    DigestMismatchError,
    MalformedHttpSignatureError,
    StaleSignatureError,
    SuiteMismatchError,
    UnknownKeyError,
)
from crypto.keys import SharedSecret, SigningKey, VerifyingKey

WINDOW_S = 60
"""How far `created` may lie from now, either way."""

TAG = "medaid"

_COMPONENTS = ("@method", "@authority", "@path", "content-type", "content-digest")
_IDEMPOTENCY_KEY = "idempotency-key"
_NONCE = re.compile(r"[A-Za-z0-9+/=._~-]{8,128}")
_KEY_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_INPUT = re.compile(r'sig1=(\(("[a-z@-]+"(?: "[a-z@-]+")*)\)((?:;[^;]+)+))')
_PARAMETER = re.compile(r'([a-z]+)=(?:"([!#-\[\]-~ ]*)"|([0-9]{1,12}))')
_SIGNATURE = re.compile(r"sig1=:([A-Za-z0-9+/=]+):")
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/=]+):")
_REQUIRED = frozenset({"created", "nonce", "keyid", "tag"})


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What a signature can cover, as it stood on the wire."""

    method: str
    authority: str
    """Host header as sent: with the port unless it is the scheme's own."""
    path: str
    """Absolute path, percent-encoded as sent, without the query."""
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes


@dataclass(frozen=True, slots=True)
class RequestSignature:
    """A signature as presented: the caller looks up the key, then verifies."""

    key_id: str
    nonce: str
    created: int
    """Seconds since 1970 in UTC."""
    alg: str | None
    _base: bytes
    _signature: bytes


def sign_request(
    request: HttpRequest,
    key: SharedSecret | SigningKey,
    *,
    created: int,
    nonce: str,
) -> dict[str, str]:
    """The headers to add: Content-Digest, Signature-Input, Signature.

    Covers `idempotency-key` where the request has one. The request must have its
    `content-type` in `headers`; raises `MalformedHttpSignatureError` otherwise.
    """
    digest = content_digest(request.body)
    covered = list(_COMPONENTS)
    if _IDEMPOTENCY_KEY in request.headers:
        covered.append(_IDEMPOTENCY_KEY)
    components = " ".join(f'"{name}"' for name in covered)
    parameters = (
        f'({components});created={created};nonce="{nonce}"'
        f';keyid="{key.kid}";tag="{TAG}"'
    )
    signed = HttpRequest(
        request.method,
        request.authority,
        request.path,
        {**request.headers, "content-digest": digest},
        request.body,
    )
    signature = key.sign(_signature_base(signed, covered, parameters))
    return {
        "Content-Digest": digest,
        "Signature-Input": f"sig1={parameters}",
        "Signature": f"sig1=:{b64(signature)}:",
    }


def content_digest(body: bytes) -> str:
    """The Content-Digest of a body (RFC 9530)."""
    return f"sha-256=:{b64(hashlib.sha256(body).digest())}:"


def parse_request_signature(
    request: HttpRequest, *, covers_idempotency_key: bool = False
) -> RequestSignature:
    """Read a request's signature and check the digest of its body.

    With `covers_idempotency_key` the signature must cover that header too; without,
    it may. Nothing is authentic before `verify_request_signature`. Raises
    `MalformedHttpSignatureError` or `DigestMismatchError`.
    """
    match = _INPUT.fullmatch(_header(request, "signature-input"))
    if match is None:
        raise MalformedHttpSignatureError("Signature-Input does not have its form")
    covered = match[2].replace('"', "").split(" ")
    required = {*_COMPONENTS, *((_IDEMPOTENCY_KEY,) if covers_idempotency_key else ())}
    if len(set(covered)) != len(covered) or not (
        required <= set(covered) <= {*_COMPONENTS, _IDEMPOTENCY_KEY}
    ):
        raise MalformedHttpSignatureError(
            "the signature does not cover exactly the agreed components"
        )
    parameters = _parameters(match[3])
    _check_digest(request)
    signature = _SIGNATURE.fullmatch(_header(request, "signature"))
    if signature is None:
        raise MalformedHttpSignatureError("Signature does not have its form")
    return RequestSignature(
        key_id=parameters["keyid"],
        nonce=parameters["nonce"],
        created=int(parameters["created"]),
        alg=parameters.get("alg"),
        _base=_signature_base(request, covered, match[1]),
        _signature=_octets(signature[1], "Signature"),
    )


def verify_request_signature(
    signature: RequestSignature, key: SharedSecret | VerifyingKey, *, now: int
) -> None:
    """Check the signature with the key of its key id, and that it is of this minute.

    `now` in seconds since 1970. Raises `UnknownKeyError` for another key's
    signature, `SuiteMismatchError`, `BadSignatureError` or `StaleSignatureError`.
    """
    if signature.key_id != key.kid:
        raise UnknownKeyError("the request was signed with another key")
    if signature.alg not in {None, key.alg}:
        raise SuiteMismatchError("alg in the signature is not the key's algorithm")
    key.verify(signature._signature, signature._base)  # noqa: SLF001
    if abs(now - signature.created) > WINDOW_S:
        raise StaleSignatureError(f"signed more than {WINDOW_S} seconds from now")


def _signature_base(request: HttpRequest, covered: list[str], parameters: str) -> bytes:
    """The text that is signed (RFC 9421 section 2.5)."""
    derived = {
        "@method": request.method,
        "@authority": request.authority.lower(),
        "@path": request.path or "/",
    }
    lines: list[str] = []
    for name in covered:
        value = derived[name] if name in derived else _header(request, name)
        if not (value.isascii() and value.isprintable()):
            raise MalformedHttpSignatureError(f"{name} is not one line of ASCII")
        lines.append(f'"{name}": {value}')
    lines.append(f'"@signature-params": {parameters}')
    return "\n".join(lines).encode("ascii")


def _parameters(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text[1:].split(";"):
        match = _PARAMETER.fullmatch(part)
        if match is None or match[1] in found:
            raise MalformedHttpSignatureError("a signature parameter is malformed")
        name, quoted, number = match.groups()
        if (number is not None) != (name == "created"):
            raise MalformedHttpSignatureError("a parameter is of the wrong type")
        found[name] = quoted if number is None else number
    if not _REQUIRED <= found.keys() <= _REQUIRED | {"alg"}:
        raise MalformedHttpSignatureError(
            "created, nonce, keyid and tag are the parameters"
        )
    if found["tag"] != TAG:
        raise MalformedHttpSignatureError(f"tag is not {TAG}")
    if not (_NONCE.fullmatch(found["nonce"]) and _KEY_ID.fullmatch(found["keyid"])):
        raise MalformedHttpSignatureError("nonce or keyid does not have its form")
    return found


def _check_digest(request: HttpRequest) -> None:
    match = _DIGEST.fullmatch(_header(request, "content-digest"))
    if match is None:
        raise MalformedHttpSignatureError("Content-Digest is not one sha-256")
    digest = hashlib.sha256(request.body).digest()
    if not hmac.compare_digest(digest, _octets(match[1], "Content-Digest")):
        raise DigestMismatchError("the body does not have the digest that was signed")


def _header(request: HttpRequest, name: str) -> str:
    value = request.headers.get(name)
    if value is None:
        raise MalformedHttpSignatureError(f"the request has no {name}")
    return value.strip(" \t")


def _octets(text: str, what: str) -> bytes:
    return b64_decode(text, what=what, error=MalformedHttpSignatureError)

"""Keys, claims and randomness that never change, for vectors and negative cases.

They are published in docs/formats and protect nothing.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from crypto.checkpoint import CheckpointSigner
from crypto.claims import Claim
from crypto.encoding import b64u
from crypto.keys import OpeningKey, Role, SharedSecret, SigningKey
from crypto.merkle import RightEdge
from crypto.record import record_hash
from crypto.sealer import Sealer
from crypto.trust import Trust, TrustedKey

ORIGIN = "gateway.example/demo"
CONTENT = b'{"claims":{"sid":"0123456789abcdef0123456789abcdef","facility":"H001",\
"total_fen":25000,"aid_fen":5040,"patient_pays_fen":3960},"bill":{"visit_no":"V1"}}'


def secret(name: str) -> bytes:
    """A private key for this name: the SHA-256 of it."""
    return hashlib.sha256(f"medaid test key: {name}".encode()).digest()


def stream(name: str) -> Callable[[int], bytes]:
    """Bytes that look random and are the same in every run."""
    counter = iter(range(2**32))

    def read(size: int) -> bytes:
        blocks = b""
        while len(blocks) < size:
            blocks += hashlib.sha256(f"{name} {next(counter)}".encode()).digest()
        return blocks[:size]

    return read


RECORD_KEY = SigningKey(secret("record-sign"), Role.RECORD_SIGN)
CHECKPOINT_KEY = SigningKey(secret("checkpoint-sign"), Role.CHECKPOINT_SIGN)
ROSTER_KEY = SigningKey(secret("bureau-roster"), Role.BUREAU_ROSTER)
PARTY_KEY = SigningKey(secret("party"), Role.PARTY)
PARTY_SECRET = SharedSecret("pt-hospital-1", secret("shared"))
BUREAU_KEY = OpeningKey(secret("bureau-seal"))
OTHER_BUREAU_KEY = OpeningKey(secret("another bureau"))
STRANGER = SigningKey(secret("stranger"), Role.RECORD_SIGN)

TRUST = Trust(
    ORIGIN,
    [
        TrustedKey(RECORD_KEY.public),
        TrustedKey(CHECKPOINT_KEY.public),
        TrustedKey(BUREAU_KEY.public),
        TrustedKey(OTHER_BUREAU_KEY.public),
        TrustedKey(ROSTER_KEY.public),
    ],
)
SEALER = Sealer(RECORD_KEY, BUREAU_KEY.public)
CHECKPOINTS = CheckpointSigner(ORIGIN, CHECKPOINT_KEY)


def claims(**changes: Claim) -> dict[str, Claim]:
    """The claims of a sound settlement, with changes."""
    return {
        "v": 1,
        "sid": "0123456789abcdef0123456789abcdef",
        "op": "settle",
        "ref": "",
        "facility": "H001",
        "day": "2026-01-05",
        "total_fen": 25000,
        "funds_fen": 16000,
        "aid_fen": 5040,
        "patient_pays_fen": 3960,
        "currency": "CNY",
        "roster_version": 7,
        "policy": "demo@1",
        "policy_sha256": hashlib.sha256(b"demo policy").hexdigest(),
        **changes,
    }


TOMBSTONE: Mapping[str, Claim] = {
    "op": "tombstone",
    "policy": "",
    "policy_sha256": "",
    "total_fen": 0,
    "funds_fen": 0,
    "aid_fen": 0,
    "patient_pays_fen": 0,
}
"""Changes that make `claims()` those of a tombstone."""


def seal(**changes: Claim) -> bytes:
    """A sound record with these changes to its claims."""
    return SEALER.seal(claims(**changes), CONTENT, stream("record"))


def receipt(record: bytes, *, index: int = 3, size: int = 7) -> dict[str, Any]:
    """A receipt for the record among made-up neighbours."""
    entries = [hashlib.sha256(bytes([n])).digest() for n in range(size)]
    entries[index] = record_hash(record)
    tree = RightEdge().extend(entries)
    return {
        "record": record.decode(),
        "origin": ORIGIN,
        "index": index,
        "tree_size": size,
        "path": [base64.b64encode(each).decode() for each in tree.paths[index]],
        "checkpoint": CHECKPOINTS.sign(size, tree.root),
    }


def jws(
    payload: bytes,
    key: SigningKey = RECORD_KEY,
    header: Mapping[str, object] | bytes | None = None,
) -> bytes:
    """A record with any payload and signature header, properly signed."""
    if header is None:
        header = jws_header(key)
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    signing_input = b64u(text) + b"." + b64u(payload)
    return signing_input + b"." + b64u(key.sign(signing_input))


def jws_header(key: SigningKey = RECORD_KEY, **changes: object) -> dict[str, object]:
    """The signature header of a sound record, with changes."""
    return {
        "alg": "Ed25519",
        "kid": key.kid,
        "typ": "masr+jws",
        "cty": "JWE",
        **changes,
    }


def unb64u(segment: bytes) -> bytes:
    """Base64url as the standard library reads it."""
    return base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))


def jwe_of(record: bytes) -> list[bytes]:
    """The five segments of the sealed part."""
    return unb64u(record.split(b".")[1]).split(b".")


def with_jwe(segments: list[bytes]) -> bytes:
    """A properly signed record around these segments."""
    return jws(b".".join(segments))


def with_jwe_header(record: bytes, **changes: object) -> bytes:
    """The record with its sealing header changed, and properly signed again."""
    segments = jwe_of(record)
    header = {**json.loads(unb64u(segments[0])), **changes}
    kept = {name: value for name, value in header.items() if value is not ...}
    return with_jwe([b64u(json.dumps(kept).encode()), *segments[1:]])

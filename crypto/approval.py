"""Approval by an officer: a signature over a document's exact bytes.

The bytes are signed whole, not a hash that somebody else computed, after a prefix
that no other signature of ours begins with: who has approved a policy pack has
approved no statement.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum

from crypto.encoding import b64, b64_decode, canonical_json, parse_object
from crypto.errors import MalformedApprovalError, WrongRoleError
from crypto.keys import Role, SigningKey, VerifyingKey

_MEMBERS = {"key_id", "sha256", "signature"}


class Purpose(Enum):
    """What an officer approves; the value is what the signature begins with."""

    POLICY_PACK = b"medaid-policy-approval-v1\n"
    MONTH_STATEMENT = b"medaid-statement-approval-v1\n"


@dataclass(frozen=True, slots=True)
class ApprovalFile:
    """An officer's signature on its way to the gateway; not verified yet."""

    key_id: str
    sha256: str
    """Of the document's bytes, in lower-case hex: which one was signed."""
    signature: bytes


def approve(
    document: bytes, key: SigningKey, purpose: Purpose = Purpose.POLICY_PACK
) -> bytes:
    """The officer's signature; raises `WrongRoleError` for a key that is no party's."""
    _require_party(key.public)
    return key.sign(purpose.value + document)


def verify_approval(
    document: bytes,
    signature: bytes,
    key: VerifyingKey,
    purpose: Purpose = Purpose.POLICY_PACK,
) -> None:
    """Return only where the key has approved just these bytes, for this purpose.

    Raises `BadSignatureError` or `WrongRoleError`.
    """
    _require_party(key)
    key.verify(signature, purpose.value + document)


def approval_file(
    document: bytes, key: SigningKey, purpose: Purpose = Purpose.POLICY_PACK
) -> bytes:
    """The signature as a file, so that the private key stays where it is.

    Raises `WrongRoleError` for a key that is no party's.
    """
    return (
        canonical_json(
            {
                "key_id": key.public.kid,
                "sha256": hashlib.sha256(document).hexdigest(),
                "signature": b64(approve(document, key, purpose)),
            }
        )
        + b"\n"
    )


def parse_approval_file(text: bytes) -> ApprovalFile:
    """The signature in the file; raises `MalformedApprovalError`."""
    what = "the approval file"
    file = parse_object(text, what=what, error=MalformedApprovalError)
    values = [value for value in file.values() if isinstance(value, str)]
    if file.keys() != _MEMBERS or len(values) != len(_MEMBERS):
        raise MalformedApprovalError(
            "an approval file has key_id, sha256 and signature, all texts"
        )
    signature = b64_decode(
        str(file["signature"]),
        what=f"signature in {what}",
        error=MalformedApprovalError,
    )
    return ApprovalFile(str(file["key_id"]), str(file["sha256"]), signature)


def _require_party(key: VerifyingKey) -> None:
    if key.role is not Role.PARTY:
        raise WrongRoleError(f"key {key.kid} is not a party's and approves nothing")

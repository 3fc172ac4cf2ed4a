"""Approval of a policy pack: an officer's signature over its exact bytes.

The bytes are signed whole, not a hash that somebody else computed, after a prefix
that no other signature of ours begins with.
"""

from __future__ import annotations

from crypto.errors import WrongRoleError
from crypto.keys import Role, SigningKey, VerifyingKey

_PREFIX = b"medaid-policy-approval-v1\n"


def approve(document: bytes, key: SigningKey) -> bytes:
    """The officer's signature; raises `WrongRoleError` for a key that is no party's."""
    _require_party(key.public)
    return key.sign(_PREFIX + document)


def verify_approval(document: bytes, signature: bytes, key: VerifyingKey) -> None:
    """Return only where the key has approved just these bytes.

    Raises `BadSignatureError` or `WrongRoleError`.
    """
    _require_party(key)
    key.verify(signature, _PREFIX + document)


def _require_party(key: VerifyingKey) -> None:
    if key.role is not Role.PARTY:
        raise WrongRoleError(f"key {key.kid} is not a party's and approves nothing")

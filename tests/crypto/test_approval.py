"""Approvals hold for the exact bytes, by a party's key."""

from __future__ import annotations

import hashlib
import os

import pytest

from crypto.approval import (
    Purpose,
    approval_file,
    approve,
    parse_approval_file,
    verify_approval,
)
from crypto.errors import (
    BadSignatureError,
    MalformedApprovalError,
    WrongRoleError,
)
from crypto.keys import Role, SigningKey

_PACK = b"schema: medaid-pack/1\nid: example\n"


def _key(role: Role = Role.PARTY) -> SigningKey:
    return SigningKey.generate(role, os.urandom)


def test_an_approval_holds_for_its_bytes() -> None:
    """The officer's signature over the pack verifies."""
    key = _key()
    verify_approval(_PACK, approve(_PACK, key), key.public)


@pytest.mark.parametrize("other", [_PACK + b" ", _PACK[:-1], b""])
def test_other_bytes_are_not_approved(other: bytes) -> None:
    """One space more or less is another document."""
    key = _key()
    signature = approve(_PACK, key)
    with pytest.raises(BadSignatureError):
        verify_approval(other, signature, key.public)


def test_another_officer_has_not_approved() -> None:
    """A signature is one person's."""
    signature = approve(_PACK, _key())
    with pytest.raises(BadSignatureError):
        verify_approval(_PACK, signature, _key().public)


def test_a_plain_signature_over_the_pack_is_no_approval() -> None:
    """What the key signs elsewhere can never be passed off as an approval."""
    key = _key()
    with pytest.raises(BadSignatureError):
        verify_approval(_PACK, key.sign(_PACK), key.public)


def test_who_approves_a_pack_has_approved_no_statement() -> None:
    """The same bytes signed for one purpose hold for no other."""
    key = _key()
    signed = approve(_PACK, key, Purpose.MONTH_STATEMENT)
    verify_approval(_PACK, signed, key.public, Purpose.MONTH_STATEMENT)
    with pytest.raises(BadSignatureError):
        verify_approval(_PACK, signed, key.public)


def test_only_parties_approve() -> None:
    """A key of the gateway or of the roster approves nothing."""
    key = _key(Role.BUREAU_ROSTER)
    with pytest.raises(WrongRoleError):
        approve(_PACK, key)
    with pytest.raises(WrongRoleError):
        verify_approval(_PACK, bytes(64), key.public)


def test_an_approval_travels_as_a_file() -> None:
    """What is read back is the signature, its key and which pack it is for."""
    key = _key()

    file = parse_approval_file(approval_file(_PACK, key))

    assert file.key_id == key.kid
    assert file.sha256 == hashlib.sha256(_PACK).hexdigest()
    verify_approval(_PACK, file.signature, key.public)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"key_id":"pt-1","sha256":"00"}',
        b'{"key_id":"pt-1","sha256":"00","signature":1}',
        b'{"key_id":"pt-1","sha256":"00","signature":"AA==","more":"x"}',
        b'{"key_id":"pt-1","sha256":"00","signature":"A"}',
    ],
)
def test_what_is_no_approval_file_is_refused(text: bytes) -> None:
    """Not JSON, not all of it, too much, no text, no base64."""
    with pytest.raises(MalformedApprovalError):
        parse_approval_file(text)

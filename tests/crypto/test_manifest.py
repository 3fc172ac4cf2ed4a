import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.encoding import b64, canonical_json
from crypto.errors import (
    BadSignatureError,
    CryptoError,
    KeyNotValidError,
    MalformedManifestError,
    SuiteMismatchError,
    UnknownKeyError,
    WrongRoleError,
)
from crypto.keys import Role, SigningKey
from crypto.manifest import Manifest, sign_manifest, verify_manifest
from crypto.trust import Trust, TrustedKey
from tests.crypto.fixed import ORIGIN, RECORD_KEY, ROSTER_KEY, TRUST, secret

FULL = Manifest(
    kind="full",
    version=7,
    previous_version=None,
    as_of="2026-01-01T00:00:00Z",
    rows=3000,
    sha256="ab" * 32,
    file="roster-7.csv.gz",
)
SIGNED = sign_manifest(FULL, ROSTER_KEY)


def resigned(**changes: Any) -> bytes:
    """The manifest with changes, properly signed; `...` takes a member away."""
    document = {**json.loads(SIGNED), **changes}
    document.pop("signature")
    signed = {name: value for name, value in document.items() if value is not ...}
    signature = b64(ROSTER_KEY.sign(canonical_json(signed)))
    return json.dumps({**signed, "signature": signature}).encode()


def test_a_signed_manifest_verifies() -> None:
    """Full and delta, in whatever order and spacing the members stand."""
    delta = Manifest(
        kind="delta",
        version=8,
        previous_version=7,
        as_of="2026-02-01",
        rows=0,
        sha256="0" * 64,
        file="d.csv",
    )
    shuffled = json.dumps(dict(reversed(json.loads(SIGNED).items())), indent=3)

    assert verify_manifest(SIGNED, TRUST).manifest == FULL
    assert verify_manifest(SIGNED, TRUST).key_id == ROSTER_KEY.kid
    assert verify_manifest(shuffled.encode(), TRUST).manifest == FULL
    assert verify_manifest(sign_manifest(delta, ROSTER_KEY), TRUST).manifest == delta


@given(st.data())
def test_any_changed_byte_is_rejected(data: st.DataObject) -> None:
    """Unless the JSON still says the very same, as with a changed newline."""
    position = data.draw(st.integers(0, len(SIGNED) - 1))
    changed = bytearray(SIGNED)
    changed[position] = data.draw(st.integers(0, 255))
    try:
        same = json.loads(bytes(changed)) == json.loads(SIGNED)
    except ValueError:
        same = False
    if same:
        return

    with pytest.raises(CryptoError):
        verify_manifest(bytes(changed), TRUST)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "part"},
        {"kind": 1},
        {"version": 0},
        {"version": True},
        {"version": "7"},
        {"previous_version": 6},
        {"kind": "delta"},
        {"kind": "delta", "previous_version": 7},
        {"kind": "delta", "previous_version": 0},
        {"kind": "delta", "previous_version": "6"},
        {"as_of": "yesterday"},
        {"as_of": "2026-02-30"},
        {"as_of": "2026-01-01T00:00:00+08:00"},
        {"rows": -1},
        {"rows": None},
        {"sha256": "AB" * 32},
        {"file": "../roster.csv"},
        {"file": ".hidden"},
        {"file": ""},
        {"comment": "x"},
        {"rows": ...},
        {"key_id": ...},
        {"suite": 1},
    ],
)
def test_a_manifest_of_another_form_is_rejected_although_signed(
    changes: dict[str, Any],
) -> None:
    """Every member is there, of its type and form; a file name is never a path."""
    with pytest.raises(MalformedManifestError):
        verify_manifest(resigned(**changes), TRUST)


def test_a_manifest_without_signature_is_rejected() -> None:
    """Missing, of another type, or not base64."""
    for signature in (..., None, "?"):
        document = {**json.loads(SIGNED), "signature": signature}
        kept = {name: value for name, value in document.items() if value is not ...}
        with pytest.raises(MalformedManifestError):
            verify_manifest(json.dumps(kept).encode(), TRUST)


def test_only_the_bureaus_roster_key_signs_rosters() -> None:
    """Strangers, other roles, other suites and other keys' signatures are refused."""
    stranger = SigningKey(secret("stranger"), Role.BUREAU_ROSTER)
    with pytest.raises(UnknownKeyError):
        verify_manifest(sign_manifest(FULL, stranger), TRUST)
    with pytest.raises(WrongRoleError):
        sign_manifest(FULL, RECORD_KEY)
    with pytest.raises(WrongRoleError):
        verify_manifest(resigned(key_id=RECORD_KEY.kid), TRUST)
    with pytest.raises(SuiteMismatchError):
        verify_manifest(resigned(suite="GM1"), TRUST)
    forged = {**json.loads(sign_manifest(FULL, stranger)), "key_id": ROSTER_KEY.kid}
    with pytest.raises(BadSignatureError):
        verify_manifest(json.dumps(forged).encode(), TRUST)


def test_the_key_must_be_valid_on_the_day_of_taking_in() -> None:
    """Where the caller gives the day."""
    trusted = TrustedKey(ROSTER_KEY.public, not_after=date(2026, 6, 30))
    trust = Trust(ORIGIN, [trusted])
    verify_manifest(SIGNED, trust)
    verify_manifest(SIGNED, trust, on=date(2026, 6, 30))
    with pytest.raises(KeyNotValidError):
        verify_manifest(SIGNED, trust, on=date(2026, 7, 1))

"""Vectors of other projects for every primitive that suite MA1 stands on."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from crypto.encoding import b64u, canonical_json
from crypto.errors import (
    BadSignatureError,
    CryptoError,
    MalformedKeyError,
    NotAuthenticError,
    WeakKeyError,
)
from crypto.keys import Role, SharedSecret, VerifyingKey
from crypto.ma1 import MA1, concat_kdf


def wycheproof(folder: Path, name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Group and test of every case in a Wycheproof file."""
    file = json.loads((folder / "vectors" / "wycheproof" / name).read_text())
    return [(group, case) for group in file["testGroups"] for case in group["tests"]]


def octets(case: dict[str, Any], name: str) -> bytes:
    """A hexadecimal member."""
    return bytes.fromhex(case[name])


def cctv(folder: Path) -> list[dict[str, Any]]:
    """Edge cases of Ed25519, each with a list of flags, perhaps empty."""
    file = folder / "vectors" / "cctv" / "ed25519vectors.json"
    return [
        {**case, "flags": case["flags"] or []} for case in json.loads(file.read_text())
    ]


def test_ed25519_signatures_of_wycheproof(shared_data: Path) -> None:
    """151 signatures: valid ones hold, forged and malleable ones do not."""
    wrong, cases = [], wycheproof(shared_data, "ed25519_test.json")
    for group, case in cases:
        key = VerifyingKey(bytes.fromhex(group["publicKey"]["pk"]), Role.PARTY)
        try:
            key.verify(octets(case, "sig"), octets(case, "msg"))
        except BadSignatureError:
            held = False
        else:
            held = True
        if held != (case["result"] == "valid"):
            wrong.append(case["tcId"])

    assert (len(cases), wrong) == (151, [])


def test_ed25519_keys_of_low_order_are_refused(shared_data: Path) -> None:
    """CCTV: no key flagged as low order is ever registered."""
    vectors = cctv(shared_data)
    low = [case for case in vectors if "low_order_A" in case["flags"]]
    for case in low:
        with pytest.raises(WeakKeyError):
            VerifyingKey(octets(case, "key"), Role.PARTY)
    accepted = 0
    for case in vectors:
        try:
            key = VerifyingKey(octets(case, "key"), Role.PARTY)
            key.verify(octets(case, "sig"), case["msg"].encode())
        except CryptoError:
            continue
        accepted += 1
        assert "low_order_A" not in case["flags"]
        assert "non_canonical_A" not in case["flags"]

    assert len(low) > 100
    assert accepted > 0


def test_low_order_keys_would_verify_without_the_check(shared_data: Path) -> None:
    """The library alone accepts such keys' signatures: the check is needed."""
    verified = 0
    for case in cctv(shared_data):
        if "low_order_A" in case["flags"]:
            key = Ed25519PublicKey.from_public_bytes(octets(case, "key"))
            with contextlib.suppress(InvalidSignature):
                key.verify(octets(case, "sig"), case["msg"].encode())
                verified += 1

    assert verified > 0


def test_x25519_agreements_of_wycheproof(shared_data: Path) -> None:
    """518 agreements: secrets agree, points of small order are refused."""
    cases = wycheproof(shared_data, "x25519_test.json")
    wrong, refused = [], 0
    for _group, case in cases:
        header = _header(octets(case, "public"))
        zero = octets(case, "shared") == bytes(32)
        try:
            content_key = MA1.sealing.unwrap(
                octets(case, "private"), header, b"", apu=b"u", apv=b"v"
            )
        except NotAuthenticError:
            refused += 1
            if not zero:
                wrong.append(case["tcId"])
            continue
        if zero or content_key != _kdf(octets(case, "shared")):
            wrong.append(case["tcId"])

    assert (len(cases), wrong) == (518, [])
    assert refused > 0


def test_x25519_keys_of_small_order_are_never_sealed_to(shared_data: Path) -> None:
    """No public key that leads to the zero secret passes registration."""
    for _group, case in wycheproof(shared_data, "x25519_test.json"):
        if octets(case, "shared") == bytes(32):
            with pytest.raises(WeakKeyError):
                MA1.sealing.spki(octets(case, "public"))


def _header(public: bytes) -> dict[str, Any]:
    return {"epk": {"kty": "OKP", "crv": "X25519", "x": b64u(public).decode()}}


def _kdf(shared: bytes) -> bytes:
    return concat_kdf(shared, "A256GCM", apu=b"u", apv=b"v")


def test_aes_gcm_of_wycheproof(shared_data: Path) -> None:
    """All cases of our sizes: 256-bit key, 96-bit vector, 128-bit tag."""
    wrong, seen = [], 0
    for group, case in wycheproof(shared_data, "aes_gcm_test.json"):
        if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
            continue
        seen += 1
        key, iv, aad = (octets(case, name) for name in ("key", "iv", "aad"))
        sealed = octets(case, "ct") + octets(case, "tag")
        try:
            opened = MA1.sealing.decrypt(key, iv, sealed, aad)
        except NotAuthenticError:
            if case["result"] == "valid":
                wrong.append(case["tcId"])
            continue
        if case["result"] != "valid" or opened != octets(case, "msg"):
            wrong.append(case["tcId"])
        if MA1.sealing.encrypt(key, iv, opened, aad) != sealed:
            wrong.append(case["tcId"])

    assert seen > 50
    assert wrong == []


def test_hmac_sha256_of_wycheproof(shared_data: Path) -> None:
    """All cases with a key of 32 bytes or more and the whole tag; others refused."""
    wrong, seen = [], 0
    for group, case in wycheproof(shared_data, "hmac_sha256_test.json"):
        if group["keySize"] < 256:
            with pytest.raises(MalformedKeyError):
                SharedSecret("pt-1", octets(case, "key"))
            continue
        key = SharedSecret("pt-1", octets(case, "key"))
        seen += 1
        try:
            key.verify(octets(case, "tag"), octets(case, "msg"))
        except BadSignatureError:
            held = False
        else:
            held = True
        if held != (case["result"] == "valid" and group["tagSize"] == 256):
            wrong.append(case["tcId"])

    assert seen > 50
    assert wrong == []


@pytest.mark.parametrize("name", ["arrays", "french", "structures", "unicode", "weird"])
def test_canonical_json_of_rfc_8785(shared_data: Path, name: str) -> None:
    """The official cases, except the one of floating-point numbers."""
    folder = shared_data / "vectors" / "jcs"
    value = json.loads((folder / "input" / f"{name}.json").read_text())
    expected = (folder / "output" / f"{name}.json").read_text().strip()

    assert canonical_json(value).decode() == expected

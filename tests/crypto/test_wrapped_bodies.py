"""Bodies that are encrypted and signed as a whole, and signed headers."""

from __future__ import annotations

from typing import Any

import pytest

from crypto import sm2
from crypto.encdata import Agreed, Variant, message_key, seal, unseal
from crypto.errors import BadSignatureError, NotAuthenticError
from crypto.tif import is_tif_signature, tif_signature

pytestmark = pytest.mark.skipif(
    not sm2.is_available(), reason="no wheel of gmssl-pyx for this machine"
)
APP_ID, SECRET = "DEMO0000000000000001", "DEMOSECRET000001"
#: GB/T 32918.5: the key pair, message and signature of the recommended curve.
GB_PUBLIC = bytes.fromhex(
    "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
    "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
)
GB_SIGNATURE = bytes.fromhex(
    "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3"
    "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
)


def test_standards_signature_holds() -> None:
    """And no other; its message is the standard's."""
    sm2.verify(GB_PUBLIC, b"message digest", GB_SIGNATURE, sm2.DEFAULT_ID)
    with pytest.raises(BadSignatureError):
        sm2.verify(GB_PUBLIC, b"message digesu", GB_SIGNATURE, sm2.DEFAULT_ID)
    with pytest.raises(BadSignatureError):
        sm2.verify(GB_PUBLIC, b"message digest", GB_SIGNATURE, b"another user")


@pytest.mark.parametrize(
    "signature", [b"", bytes(64), b"\xff" * 64, GB_SIGNATURE[:63], GB_SIGNATURE + b"\0"]
)
def test_hostile_signature_is_refused(signature: bytes) -> None:
    """By the same exception, whatever the library says of it."""
    with pytest.raises(BadSignatureError):
        sm2.verify(GB_PUBLIC, b"message digest", signature, sm2.DEFAULT_ID)


def test_key_off_the_curve_is_none() -> None:
    """Nor is one of another length; a leading 04 is taken off."""
    assert sm2.public_key(b"\x04" + GB_PUBLIC) == GB_PUBLIC
    for octets in (bytes([1] * 64), GB_PUBLIC[:63], b"\x02" + GB_PUBLIC):
        with pytest.raises(ValueError, match="SM2"):
            sm2.public_key(octets)


def test_vectors_of_the_message_key() -> None:
    """His-interface.md, 2.1 and 2.4."""
    assert message_key(APP_ID, SECRET) == b"BA96A30D0E6BC963"
    private, public = sm2.new_keys()
    agreed = Agreed(
        app_id=APP_ID, secret=SECRET, private=private, public=public, others=public
    )
    sealed = seal(agreed, {"appId": APP_ID}, b'{"a":"1","b":"2"}')
    assert sealed["encData"] == (
        "CD87D1FA6C1587EE4B33F6144F2D9BF8586C55643BE17A5BFBD084CF6C8E9534"
    )
    signature = tif_signature(
        "demo-secret-not-real", timestamp="1700000000", nonce="123456789012"
    )
    assert signature == (
        "9b0f71bab282c2a356fe66915312517c3ef26d16a967f294651a1ec5fd2cfe69"
    )
    assert not is_tif_signature(
        signature, "another", timestamp="1700000000", nonce="123456789012"
    )


@pytest.mark.parametrize(
    "variant",
    [
        {},
        {"user_id": "secret"},
        {"order": "caseless"},
        {"data": "text"},
        {"signature": "der"},
        {"hex": "lower"},
    ],
)
def test_each_variant_reads_its_own_alone(variant: dict[str, str]) -> None:
    """What one vendor signs is no signature to another."""
    private, public = sm2.new_keys()

    def agreed(words: dict[str, str]) -> Agreed:
        return Agreed(
            app_id=APP_ID, secret=SECRET, private=private, public=public,
            others=public, variant=Variant(**words),
        )  # fmt: skip

    plain = '{"b":{"Z":1.50,"a":"救"},"A":[1,null]}'.encode()
    fields = {"appId": APP_ID, "Timestamp": "1", "encType": "SM4", "empty": ""}
    sealed = seal(agreed(variant), fields, plain)
    assert unseal(agreed(variant), sealed).data == plain
    if variant and "hex" not in variant:
        with pytest.raises(BadSignatureError):
            unseal(agreed({}), sealed)
    sealed["Timestamp"] = "2"
    with pytest.raises(BadSignatureError):
        unseal(agreed(variant), sealed)


@pytest.mark.parametrize(
    "change",
    [
        {"encData": "zz"},
        {"encData": "00" * 16},
        {"encData": None},
        {"signData": "!"},
        {"extra2": {"nested": 1}},
    ],
)
def test_what_has_no_form_is_not_authentic(change: dict[str, Any]) -> None:
    """One exception for all of it: nobody learns where it broke."""
    private, public = sm2.new_keys()
    agreed = Agreed(
        app_id=APP_ID, secret=SECRET, private=private, public=public, others=public
    )
    sealed = seal(agreed, {"appId": APP_ID}, b"{}")
    with pytest.raises((NotAuthenticError, BadSignatureError)):
        unseal(agreed, sealed | change)


def test_variant_is_one_of_its_words() -> None:
    """Whatever else an operator types is told."""
    with pytest.raises(ValueError, match="upper, lower"):
        Variant(hex="odd")


@pytest.mark.parametrize("signature", [b"", b"0", b"\x30\x00"])
def test_what_is_no_asn1_is_no_signature(signature: bytes) -> None:
    """Of the variant that writes one."""
    with pytest.raises(BadSignatureError):
        sm2.raw_of_der(signature)


def test_key_that_is_none_verifies_nothing() -> None:
    """The library raises; whoever asks hears one thing."""
    with pytest.raises(BadSignatureError):
        sm2.verify(bytes([1] * 64), b"message digest", GB_SIGNATURE, sm2.DEFAULT_ID)

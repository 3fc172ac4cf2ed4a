import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from crypto.errors import (
    BadSignatureError,
    MalformedKeyError,
    PossessionError,
    WeakKeyError,
    WrongRoleError,
)
from crypto.key_files import (
    parse_private_key_file,
    parse_public_key_file,
    private_key_file,
    public_key_file,
)
from crypto.keys import (
    OpeningKey,
    Role,
    SealingKey,
    SharedSecret,
    SigningKey,
    VerifyingKey,
    check_possession,
    make_possession,
    role_of_kid,
)
from crypto.suites import suite
from tests.crypto.fixed import (
    BUREAU_KEY,
    CHECKPOINT_KEY,
    PARTY_KEY,
    PARTY_SECRET,
    RECORD_KEY,
    ROSTER_KEY,
    stream,
)

FIELD = 2**255 - 19
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
]
NOT_CANONICAL = [
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def test_a_key_id_is_made_from_the_key_itself() -> None:
    """Role prefix and 16 hex digits of SHA-256 over the DER public key."""
    der = Ed25519PublicKey.from_public_bytes(RECORD_KEY.public.public_bytes)
    sealing = X25519PublicKey.from_public_bytes(BUREAU_KEY.public.public_bytes)
    spki = der.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    sealing_spki = sealing.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    assert RECORD_KEY.kid == "rs-" + hashlib.sha256(spki).hexdigest()[:16]
    assert BUREAU_KEY.kid == "bs-" + hashlib.sha256(sealing_spki).hexdigest()[:16]


def test_the_role_is_part_of_the_key_id() -> None:
    """One key under two roles has two ids, and each id tells its role."""
    kids = {role: SigningKey(bytes(32), role).kid for role in Role if role.is_signing}

    assert len(set(kids.values())) == len(kids)
    assert all(role_of_kid(kid) is role for role, kid in kids.items())
    assert role_of_kid(BUREAU_KEY.kid) is Role.BUREAU_SEAL
    with pytest.raises(MalformedKeyError):
        role_of_kid("xx-0123456789abcdef")


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_a_key_under_which_everything_verifies_is_refused(point: str) -> None:
    """All eight points of small order are refused at registration."""
    with pytest.raises(WeakKeyError):
        VerifyingKey(bytes.fromhex(point), Role.PARTY)


def test_the_library_alone_would_accept_any_message_under_the_identity() -> None:
    """The danger that the small-order check is there for exists."""
    identity = bytes.fromhex(SMALL_ORDER[0])
    Ed25519PublicKey.from_public_bytes(identity).verify(identity + bytes(32), b"any")


@pytest.mark.parametrize("point", NOT_CANONICAL)
def test_a_second_spelling_of_a_point_is_refused(point: str) -> None:
    """Coordinates from the field's size up, and a signed zero, are refused."""
    with pytest.raises(WeakKeyError):
        VerifyingKey(bytes.fromhex(point), Role.PARTY)


def test_no_coordinate_beyond_the_field_is_accepted() -> None:
    """Each of the 19 has a twin within the field; some twins are sound keys."""
    twins = 0
    for number in range(19):
        for sign in (0, 2**255):
            with pytest.raises(WeakKeyError):
                VerifyingKey((FIELD + number + sign).to_bytes(32, "little"), Role.PARTY)
            try:
                VerifyingKey((number + sign).to_bytes(32, "little"), Role.PARTY)
            except WeakKeyError:
                continue
            twins += 1

    assert twins > 0


def test_octets_that_are_no_point_are_refused() -> None:
    """About half of all octet strings are no point of the curve."""
    refused = 0
    for number in range(2, 40):
        try:
            VerifyingKey(number.to_bytes(32, "little"), Role.PARTY)
        except WeakKeyError:
            refused += 1

    assert 10 < refused < 30


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_length_is_refused(size: int) -> None:
    """Keys have exactly 32 bytes."""
    for make in (
        lambda: VerifyingKey(bytes(size), Role.PARTY),
        lambda: SigningKey(bytes(size), Role.PARTY),
        lambda: SealingKey(bytes(size)),
        lambda: OpeningKey(bytes(size)),
    ):
        with pytest.raises(MalformedKeyError):
            make()


@pytest.mark.parametrize("number", [0, 1, FIELD - 1, FIELD, FIELD + 1, 2**255 + 9])
def test_a_sealing_key_of_small_order_or_second_spelling_is_refused(
    number: int,
) -> None:
    """Content sealed to such a point could be read by anybody."""
    with pytest.raises(WeakKeyError):
        SealingKey(number.to_bytes(32, "little"))


def test_a_sealing_key_does_not_sign() -> None:
    """The role decides what a key can be."""
    with pytest.raises(WrongRoleError):
        SigningKey(bytes(32), Role.BUREAU_SEAL)
    with pytest.raises(WrongRoleError):
        VerifyingKey(PARTY_KEY.public.public_bytes, Role.BUREAU_SEAL)


def test_signatures_and_codes_verify_and_altered_ones_do_not() -> None:
    """Ed25519 and HMAC keys accept their own and nothing else."""
    for signer, verifier in (
        (PARTY_KEY.sign, PARTY_KEY.public.verify),
        (PARTY_SECRET.sign, PARTY_SECRET.verify),
    ):
        signature = signer(b"message")
        verifier(signature, b"message")
        for wrong in (b"", signature[:-1], signature + b"\0", bytes(len(signature))):
            with pytest.raises(BadSignatureError):
                verifier(wrong, b"message")
        with pytest.raises(BadSignatureError):
            verifier(signature, b"massage")


def test_generated_keys_take_their_octets_from_the_argument() -> None:
    """The same random bytes make the same key; no other randomness exists."""
    assert (
        SigningKey.generate(Role.PARTY, stream("a")).kid
        == SigningKey(stream("a")(32), Role.PARTY).kid
    )
    assert OpeningKey.generate(stream("a")).kid == OpeningKey(stream("a")(32)).kid
    shared = SharedSecret.generate(stream("a"))
    again = SharedSecret.generate(stream("a"))

    assert (shared.kid, shared.secret_bytes()) == (again.kid, again.secret_bytes())
    assert shared.kid.startswith("pt-")
    assert len(shared.secret_bytes()) == 32


def test_a_short_shared_secret_is_refused() -> None:
    """Below 32 bytes a secret could be guessed."""
    with pytest.raises(MalformedKeyError):
        SharedSecret("pt-1", bytes(31))


def test_no_private_octets_stand_in_a_repr() -> None:
    """A key in a traceback or a log tells nothing."""
    for key in (RECORD_KEY, BUREAU_KEY, PARTY_SECRET):
        assert "object at" in repr(key)


def test_possession_is_proved_for_one_key_and_one_purpose() -> None:
    """A proof for another party's code, or by another key, is refused."""
    proof = make_possession(PARTY_KEY, "H001")
    check_possession(PARTY_KEY.public, "H001", proof)

    for key, purpose, shown in (
        (PARTY_KEY.public, "H002", proof),
        (ROSTER_KEY.public, "H001", proof),
        (PARTY_KEY.public, "H001", proof[:-1]),
        (PARTY_KEY.public, "H001", PARTY_KEY.sign(b"H001")),
    ):
        with pytest.raises(PossessionError):
            check_possession(key, purpose, shown)


@pytest.mark.parametrize("key", [RECORD_KEY, CHECKPOINT_KEY, BUREAU_KEY, PARTY_SECRET])
def test_private_key_files_come_back(
    key: SigningKey | OpeningKey | SharedSecret,
) -> None:
    """What is written is read as the same key."""
    again = parse_private_key_file(private_key_file(key))

    assert type(again) is type(key)
    assert again.kid == key.kid
    assert private_key_file(again) == private_key_file(key)


def test_public_key_files_come_back_with_their_proof() -> None:
    """A handed-in key carries its proof of possession; others need none."""
    proof = make_possession(PARTY_KEY, "H001")
    handed_in = parse_public_key_file(public_key_file(PARTY_KEY.public, proof))
    sealing = parse_public_key_file(public_key_file(BUREAU_KEY.public))

    assert (handed_in.key.kid, handed_in.possession) == (PARTY_KEY.kid, proof)
    assert (sealing.key.kid, sealing.possession) == (BUREAU_KEY.kid, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"key_id": CHECKPOINT_KEY.kid},
        {"key_id": "xx-1"},
        {"key_id": 5},
        {"alg": "x25519"},
        {"private": "AAAA"},
        {"private": "?"},
        {"private": 1},
        {"suite": "none"},
        {"suite": 1},
        {"comment": "hello"},
        {"private": ...},
        {"alg": ...},
    ],
)
def test_a_private_key_file_that_contradicts_itself_is_refused(
    changes: dict[str, object],
) -> None:
    """Id, algorithm and key must belong together, and nothing else may stand there."""
    file = {**json.loads(private_key_file(RECORD_KEY)), **changes}
    text = json.dumps({k: v for k, v in file.items() if v is not ...}).encode()

    with pytest.raises(MalformedKeyError):
        parse_private_key_file(text)


def test_a_shared_secret_file_with_other_members_is_refused() -> None:
    """A secret's file has its three members."""
    with pytest.raises(MalformedKeyError):
        parse_private_key_file(b'{"alg":"hmac-sha256","key_id":"a","private":"AAAA"}')


@pytest.mark.parametrize(
    "changes",
    [{"key_id": RECORD_KEY.kid}, {"alg": "x25519"}, {"possession": "?"}, {"x": 1}],
)
def test_a_public_key_file_that_contradicts_itself_is_refused(
    changes: dict[str, object],
) -> None:
    """As for private files; the error names the file's fault."""
    text = json.dumps({**json.loads(public_key_file(PARTY_KEY.public)), **changes})

    with pytest.raises(MalformedKeyError):
        parse_public_key_file(text.encode())


def test_a_public_key_file_with_a_weak_key_is_refused() -> None:
    """The check for small order stands before the check of the id."""
    file = json.loads(public_key_file(PARTY_KEY.public))
    file["public_key"] = base64.b64encode(bytes.fromhex(SMALL_ORDER[0])).decode()

    with pytest.raises(WeakKeyError):
        parse_public_key_file(json.dumps(file).encode())


def test_an_unknown_suite_is_refused() -> None:
    """No suite is guessed."""
    with pytest.raises(MalformedKeyError):
        suite("MA9")

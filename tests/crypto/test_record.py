import hashlib
import itertools
import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe, jws
from joserfc.jwk import OKPKey

from crypto.encoding import b64u
from crypto.errors import (
    BadClaimsError,
    BadSignatureError,
    CryptoError,
    KeyNotValidError,
    MalformedRecordError,
    NotAuthenticError,
    SealedMismatchError,
    SuiteMismatchError,
    UnknownKeyError,
    WrongRoleError,
)
from crypto.key_files import parse_private_key_file, private_key_file
from crypto.keys import OpeningKey, Role, SigningKey
from crypto.record import (
    RECORD_BYTES_MAX,
    check_sealed_copies,
    open_record,
    record_hash,
    verify_record,
)
from crypto.sealer import Sealer
from crypto.trust import Trust, TrustedKey, parse_trust_file, trust_file
from tests.crypto import second_suite
from tests.crypto.fixed import (
    BUREAU_KEY,
    CHECKPOINT_KEY,
    CONTENT,
    ORIGIN,
    OTHER_BUREAU_KEY,
    RECORD_KEY,
    SEALER,
    STRANGER,
    TOMBSTONE,
    TRUST,
    claims,
    jwe_of,
    jws_header,
    seal,
    secret,
    stream,
    unb64u,
    with_jwe,
    with_jwe_header,
)
from tests.crypto.fixed import jws as signed

RECORD = seal()
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."


def test_a_sealed_record_verifies_and_opens() -> None:
    """Claims are readable by all, content by the bureau, bytes are hashed exactly."""
    verified = verify_record(RECORD, TRUST)

    assert dict(verified.claims) == claims()
    assert verified.record_hash == hashlib.sha256(RECORD).digest()
    assert verified.record_hash == record_hash(RECORD)
    assert (verified.signer_kid, verified.recipient_kid, verified.suite) == (
        RECORD_KEY.kid,
        BUREAU_KEY.kid,
        "MA1",
    )
    assert open_record(verified, BUREAU_KEY) == CONTENT
    check_sealed_copies(verified, CONTENT)


@pytest.mark.parametrize(
    "changes",
    [{"op": "reverse", "ref": "e" * 32}, {"sandbox": True}, dict(TOMBSTONE)],
)
def test_every_operation_makes_a_record(changes: dict[str, str | int | bool]) -> None:
    """Reversals, tombstones and sandbox records verify as settlements do."""
    assert dict(verify_record(seal(**changes), TRUST).claims) == claims(**changes)


@given(st.binary(max_size=4096))
def test_any_content_comes_back(content: bytes) -> None:
    """Sealing loses nothing, the empty content included."""
    record = SEALER.seal(claims(), content, stream("any"))

    assert open_record(verify_record(record, TRUST), BUREAU_KEY) == content


def test_another_implementation_verifies_and_opens_the_record() -> None:
    """Joserfc reads our records unmodified: the format is JWS over JWE."""
    public: dict[str, str | list[str]] = {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": b64u(RECORD_KEY.public.public_bytes).decode(),
    }
    private: dict[str, str | list[str]] = {
        "kty": "OKP",
        "crv": "X25519",
        "x": b64u(BUREAU_KEY.public.public_bytes).decode(),
        "d": b64u(BUREAU_KEY.private_bytes()).decode(),
    }
    outer = jws.deserialize_compact(
        RECORD.decode(), OKPKey.import_key(public), algorithms=["Ed25519"]
    )
    registry = jwe.JWERegistry(
        algorithms=["ECDH-ES", "A256GCM"], strict_check_header=False
    )
    inner = jwe.decrypt_compact(
        outer.payload, OKPKey.import_key(private), registry=registry
    )

    assert outer.headers() == jws_header()
    assert inner.plaintext == CONTENT
    assert claims().items() <= inner.headers().items()


def test_two_records_of_the_same_share_no_key_and_no_vector() -> None:
    """Ephemeral key, vector and commitment are new each time."""
    random = stream("two")
    one, two = (jwe_of(SEALER.seal(claims(), CONTENT, random)) for _ in range(2))
    headers = [json.loads(unb64u(segments[0])) for segments in (one, two)]

    assert headers[0]["epk"] != headers[1]["epk"]
    assert headers[0]["ck"] != headers[1]["ck"]
    assert one[2] != two[2]


def test_records_of_a_batch_share_the_agreement_and_no_key() -> None:
    """One ephemeral key; content key, vector and ciphertext are each record's own."""
    batch = SEALER.batch(stream("batch"))
    sids = [digit * 32 for digit in "abc"]
    records = [batch.seal(claims(sid=sid), CONTENT) for sid in sids]
    headers = [json.loads(unb64u(jwe_of(record)[0])) for record in records]

    assert len({header["epk"]["x"] for header in headers}) == 1
    for name in ("apu", "ck"):
        assert len({header[name] for header in headers}) == len(records)
    for segment in (2, 3, 4):
        assert len({jwe_of(record)[segment] for record in records}) == len(records)
    for record in records:
        assert open_record(verify_record(record, TRUST), BUREAU_KEY) == CONTENT


def test_two_batches_share_nothing() -> None:
    """Each agreement is new."""
    random = stream("batches")
    one, two = (SEALER.batch(random).seal(claims(), CONTENT) for _ in range(2))
    headers = [json.loads(unb64u(jwe_of(record)[0])) for record in (one, two)]

    assert headers[0]["epk"] != headers[1]["epk"]
    assert headers[0]["ck"] != headers[1]["ck"]


def test_a_batch_seals_no_record_twice() -> None:
    """Otherwise two contents would be sealed under one key."""
    batch = SEALER.batch(stream("twice"))
    batch.seal(claims(), CONTENT)
    with pytest.raises(ValueError, match="before"):
        batch.seal(claims(), b"another content")


def test_a_sealer_refuses_claims_that_would_not_verify() -> None:
    """A record that nobody could verify is never made."""
    with pytest.raises(BadClaimsError):
        seal(aid_fen=1)


def test_a_sealer_refuses_unfit_keys() -> None:
    """Only a record key signs records."""
    with pytest.raises(WrongRoleError):
        Sealer(CHECKPOINT_KEY, BUREAU_KEY.public)


@given(st.data())
def test_any_changed_byte_is_rejected(data: st.DataObject) -> None:
    """No byte of a record can be exchanged for another."""
    position = data.draw(st.integers(0, len(RECORD) - 1))
    byte = data.draw(st.sampled_from(ALPHABET) | st.integers(0, 255))
    changed = bytearray(RECORD)
    changed[position] = byte
    if bytes(changed) == RECORD:
        return

    with pytest.raises(CryptoError):
        verify_record(bytes(changed), TRUST)


@given(st.integers(0, len(RECORD) - 1), st.binary(min_size=1, max_size=3))
def test_any_truncated_or_longer_record_is_rejected(cut: int, more: bytes) -> None:
    """Neither a shorter nor a longer text passes for the record."""
    for changed in (RECORD[:cut], RECORD[cut + 1 :], RECORD + more, more + RECORD):
        with pytest.raises(CryptoError):
            verify_record(changed, TRUST)


def test_any_reordering_of_segments_is_rejected() -> None:
    """Segments have their places, inside and out."""
    segments = RECORD.split(b".")
    for order in itertools.permutations(segments):
        if list(order) != segments:
            with pytest.raises(CryptoError):
                verify_record(b".".join(order), TRUST)
    inner = jwe_of(RECORD)
    for inner_order in itertools.permutations(inner):
        if list(inner_order) != inner:
            changed = with_jwe(list(inner_order))
            with pytest.raises(CryptoError):
                open_record(verify_record(changed, TRUST), BUREAU_KEY)


def test_a_record_signed_again_by_a_stranger_is_rejected() -> None:
    """A foreign key is unknown under its own id and fails under ours."""
    payload = unb64u(RECORD.split(b".")[1])
    with pytest.raises(UnknownKeyError):
        verify_record(signed(payload, STRANGER), TRUST)
    with pytest.raises(BadSignatureError):
        verify_record(signed(payload, STRANGER, jws_header(RECORD_KEY)), TRUST)


def test_a_record_signed_by_a_trusted_key_of_another_role_is_rejected() -> None:
    """A checkpoint key cannot make records."""
    payload = unb64u(RECORD.split(b".")[1])
    with pytest.raises(WrongRoleError):
        verify_record(signed(payload, CHECKPOINT_KEY), TRUST)


def test_a_record_resigned_by_another_gateway_does_not_become_its_own() -> None:
    """The signer's key id is bound into the sealed part (apu)."""
    other = SigningKey(secret("another gateway"), Role.RECORD_SIGN)
    trust = Trust(ORIGIN, [*TRUST.keys, TrustedKey(other.public)])
    with pytest.raises(MalformedRecordError, match="apu"):
        verify_record(signed(unb64u(RECORD.split(b".")[1]), other), trust)


def test_a_record_that_is_too_long_is_not_read() -> None:
    """The cap stands before any decoding."""
    with pytest.raises(MalformedRecordError, match="longer"):
        verify_record(b"A" * (RECORD_BYTES_MAX + 1), TRUST)


@pytest.mark.parametrize(
    "header",
    [
        jws_header(typ="JWT"),
        jws_header(cty="JWT"),
        jws_header(crit=["exp"]),
        jws_header(jwk={"kty": "OKP"}),
        jws_header(kid=5),
        jws_header(alg=None),
        {"alg": "Ed25519", "kid": RECORD_KEY.kid, "typ": "masr+jws"},
        b'{"alg":"none","alg":"Ed25519","kid":"x","typ":"masr+jws","cty":"JWE"}',
        b"[]",
        b"\xff",
    ],
)
def test_a_signature_header_of_another_form_is_rejected(
    header: dict[str, object] | bytes,
) -> None:
    """Only the four members, each once, with the exact types."""
    payload = unb64u(RECORD.split(b".")[1])
    with pytest.raises(MalformedRecordError):
        verify_record(signed(payload, header=header), TRUST)


@pytest.mark.parametrize("alg", ["none", "HS256", "EdDSA", "ES256", "RS256", ""])
def test_the_algorithm_is_the_keys_and_not_the_messages(alg: str) -> None:
    """Naming another algorithm changes nothing but the refusal."""
    payload = unb64u(RECORD.split(b".")[1])
    with pytest.raises(SuiteMismatchError):
        verify_record(signed(payload, header=jws_header(alg=alg)), TRUST)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"alg": "dir"}, SuiteMismatchError),
        ({"enc": "A128GCM"}, SuiteMismatchError),
        ({"kid": "bs-0000000000000000"}, UnknownKeyError),
        ({"kid": CHECKPOINT_KEY.kid}, WrongRoleError),
        ({"kid": OTHER_BUREAU_KEY.kid}, MalformedRecordError),
        ({"kid": 5}, MalformedRecordError),
        ({"ck": 5}, MalformedRecordError),
        ({"ck": "AAAA"}, MalformedRecordError),
        ({"ck": "é"}, MalformedRecordError),
        ({"ck": ...}, MalformedRecordError),
        ({"typ": "JWT"}, MalformedRecordError),
        ({"apu": "AAAA"}, MalformedRecordError),
        # The signer alone: two records could have one key.
        ({"apu": b64u(RECORD_KEY.kid.encode()).decode()}, MalformedRecordError),
        ({"apu": 5}, MalformedRecordError),
        # `apu` names the record: a key of one settlement is none of another.
        ({"sid": "f" * 32}, MalformedRecordError),
        ({"sid": ...}, MalformedRecordError),
        ({"sid": "\ud800"}, MalformedRecordError),
        ({"apv": ...}, MalformedRecordError),
        ({"epk": ...}, MalformedRecordError),
        ({"epk": "x"}, MalformedRecordError),
        ({"epk": {"kty": "OKP", "crv": "X25519", "x": 5}}, MalformedRecordError),
        ({"epk": {"kty": "OKP", "crv": "X25519", "x": "AAAA"}}, MalformedRecordError),
        ({"epk": {"kty": "OKP", "crv": "X25519", "x": "?"}}, MalformedRecordError),
        ({"epk": {"kty": "EC", "crv": "P-256", "x": "A" * 43}}, MalformedRecordError),
        (
            {"epk": {"kty": "OKP", "crv": "X25519", "x": "A" * 43, "d": ""}},
            MalformedRecordError,
        ),
        ({"zip": "DEF"}, BadClaimsError),
        ({"crit": ["x"]}, BadClaimsError),
        ({"v": 2}, BadClaimsError),
        ({"v": ...}, BadClaimsError),
        ({"sandbox": None}, BadClaimsError),
        ({"aid_fen": 5041}, BadClaimsError),
    ],
)
def test_a_sealing_header_that_does_not_hold_is_rejected(
    changes: dict[str, object], error: type[CryptoError]
) -> None:
    """Even under a good signature the header must agree with keys and schema."""
    with pytest.raises(error):
        verify_record(with_jwe_header(RECORD, **changes), TRUST)


def test_a_sealing_header_with_a_member_twice_is_rejected() -> None:
    """Readers differ in which of two they take."""
    segments = jwe_of(RECORD)
    header = unb64u(segments[0])[:-1] + b',"aid_fen":5040}'
    with pytest.raises(MalformedRecordError, match="twice"):
        verify_record(with_jwe([b64u(header), *segments[1:]]), TRUST)


@pytest.mark.parametrize(
    ("place", "segment"),
    [
        (1, b64u(b"carried key")),
        (2, b64u(bytes(16))),
        (2, b""),
        (4, b64u(bytes(15))),
        (3, b"AB"),
    ],
)
def test_a_sealed_part_of_another_form_is_rejected(place: int, segment: bytes) -> None:
    """Vector and tag have their length; a key that is agreed is not carried."""
    segments = jwe_of(RECORD)
    segments[place] = segment
    with pytest.raises(MalformedRecordError):
        verify_record(with_jwe(segments), TRUST)


def test_a_sealed_part_with_other_than_five_segments_is_rejected() -> None:
    """Four or six segments are no JWE."""
    segments = jwe_of(RECORD)
    for wrong in (segments[:4], [*segments, b""]):
        with pytest.raises(MalformedRecordError):
            verify_record(with_jwe(wrong), TRUST)


def test_the_day_must_lie_in_the_keys_window() -> None:
    """A key that had not begun or had ended on the day signs nothing that counts."""
    for before, after in ((date(2026, 1, 6), None), (None, date(2026, 1, 4))):
        windowed = TrustedKey(RECORD_KEY.public, before, after)
        trust = Trust(ORIGIN, [windowed, TrustedKey(BUREAU_KEY.public)])
        with pytest.raises(KeyNotValidError):
            verify_record(RECORD, trust)
        # A sandbox's day is made up, so it says nothing about the signing.
        verify_record(seal(sandbox=True), trust)


def test_only_the_recipient_opens() -> None:
    """Another key of the bureau is told so; a stranger's content key is not ours."""
    with pytest.raises(UnknownKeyError):
        open_record(verify_record(RECORD, TRUST), OTHER_BUREAU_KEY)


@pytest.mark.parametrize("place", [2, 3, 4])
def test_changed_ciphertext_does_not_open(place: int) -> None:
    """Vector, ciphertext and tag are authenticated for the one who opens."""
    segments = jwe_of(RECORD)
    octets = bytearray(unb64u(segments[place]))
    octets[0] ^= 1
    segments[place] = b64u(bytes(octets))
    with pytest.raises(NotAuthenticError):
        open_record(verify_record(with_jwe(segments), TRUST), BUREAU_KEY)


def test_a_changed_claim_under_a_good_signature_does_not_open() -> None:
    """The claims are authenticated by the content's encryption as well."""
    record = with_jwe_header(RECORD, aid_fen=5041, patient_pays_fen=3959)
    with pytest.raises(NotAuthenticError):
        open_record(verify_record(record, TRUST), BUREAU_KEY)


def test_a_content_key_that_was_not_committed_to_does_not_open() -> None:
    """Key commitment: one ciphertext cannot open to two contents."""
    record = with_jwe_header(RECORD, ck=b64u(bytes(32)).decode())
    with pytest.raises(NotAuthenticError, match="committed"):
        open_record(verify_record(record, TRUST), BUREAU_KEY)


def test_an_ephemeral_key_of_small_order_does_not_open() -> None:
    """Everybody knows the secret that such a point agrees."""
    epk = {"kty": "OKP", "crv": "X25519", "x": b64u(bytes(32)).decode()}
    record = with_jwe_header(RECORD, epk=epk)
    with pytest.raises(NotAuthenticError, match="small order"):
        open_record(verify_record(record, TRUST), BUREAU_KEY)


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"{}",
        b'{"claims":[]}',
        CONTENT.replace(b"5040", b"5041"),
        CONTENT.replace(b"H001", b"H002"),
        CONTENT.replace(b"25000", b'"25000"'),
        CONTENT.replace(b'"sid"', b'"SID"'),
        b"not JSON",
    ],
)
def test_content_that_says_something_else_than_the_claims_is_told(
    content: bytes,
) -> None:
    """What the bureau reads must be what everybody could read."""
    with pytest.raises(SealedMismatchError):
        check_sealed_copies(verify_record(RECORD, TRUST), content)


def test_sealed_true_is_not_one_fen() -> None:
    """Types are compared, not only values."""
    verified = verify_record(seal(aid_fen=1, patient_pays_fen=8999), TRUST)
    content = CONTENT.replace(b"5040", b"1").replace(b"3960", b"8999")
    check_sealed_copies(verified, content)
    with pytest.raises(SealedMismatchError):
        check_sealed_copies(
            verified, content.replace(b'"aid_fen":1', b'"aid_fen":true')
        )


def test_a_second_suite_joins_without_touching_the_callers() -> None:
    """Keys, files, trust and records of a later suite work as those of MA1."""
    second_suite.register_once()
    signer = SigningKey(secret("t2 sign"), Role.RECORD_SIGN, second_suite.NAME)
    opener = OpeningKey(secret("t2 seal"), second_suite.NAME)
    keys = [*TRUST.keys, TrustedKey(signer.public), TrustedKey(opener.public)]
    trust = parse_trust_file(trust_file(Trust(ORIGIN, keys)))
    record = Sealer(signer, opener.public).seal(claims(), CONTENT, stream("t2"))
    verified = verify_record(record, trust)
    again = parse_private_key_file(private_key_file(opener))

    assert isinstance(again, OpeningKey)
    assert verified.suite == second_suite.NAME
    assert open_record(verified, again) == CONTENT
    assert verify_record(RECORD, trust).suite == "MA1"


def test_suites_do_not_mix() -> None:
    """A signer of one suite never seals to a recipient of another."""
    second_suite.register_once()
    signer = SigningKey(secret("t2 sign"), Role.RECORD_SIGN, second_suite.NAME)
    with pytest.raises(SuiteMismatchError):
        Sealer(signer, BUREAU_KEY.public)
    trust = Trust(ORIGIN, [*TRUST.keys, TrustedKey(signer.public)])
    header = jws_header(signer, alg="ES256")
    with pytest.raises(SuiteMismatchError):
        verify_record(signed(unb64u(RECORD.split(b".")[1]), signer, header), trust)

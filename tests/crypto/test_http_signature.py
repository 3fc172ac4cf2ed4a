import base64
from typing import Any

import http_message_signatures as reference
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import (
    BadSignatureError,
    CryptoError,
    DigestMismatchError,
    MalformedHttpSignatureError,
    StaleSignatureError,
    SuiteMismatchError,
    UnknownKeyError,
)
from crypto.http_signature import (
    HttpRequest,
    RequestSignature,
    content_digest,
    parse_request_signature,
    sign_request,
    verify_request_signature,
)
from crypto.keys import Role, SharedSecret, SigningKey, VerifyingKey
from tests.crypto.fixed import PARTY_KEY, PARTY_SECRET, secret

NOW = 1_767_578_400
NONCE = "bm9uY2UgMDAwMQ"
BODY = b'{"operator":"op-7"}'
PLAIN = {"content-type": "application/json"}


def request(**changes: Any) -> HttpRequest:
    """An unsigned request with changes."""
    parts: dict[str, Any] = {
        "method": "POST",
        "authority": "gateway.example:8443",
        "path": "/v1/sessions",
        "headers": PLAIN,
        "body": BODY,
        **changes,
    }
    return HttpRequest(**parts)


def signed(
    key: SharedSecret | SigningKey = PARTY_SECRET, **changes: Any
) -> HttpRequest:
    """A properly signed request."""
    plain = request(**changes)
    added = sign_request(plain, key, created=NOW, nonce=NONCE)
    lowered = {name.lower(): value for name, value in added.items()}
    return request(**{**changes, "headers": {**plain.headers, **lowered}})


def altered(base: HttpRequest, **changes: Any) -> HttpRequest:
    """The request with parts exchanged; headers are merged, `...` takes one away."""
    headers = {**base.headers, **changes.pop("headers", {})}
    parts: dict[str, Any] = {
        "method": base.method,
        "authority": base.authority,
        "path": base.path,
        "headers": {k: v for k, v in headers.items() if v is not ...},
        "body": base.body,
        **changes,
    }
    return HttpRequest(**parts)


def verify(
    presented: HttpRequest,
    key: SharedSecret | VerifyingKey = PARTY_SECRET,
    *,
    now: int = NOW,
    covers_idempotency_key: bool = False,
) -> RequestSignature:
    """Both steps of the server."""
    signature = parse_request_signature(
        presented, covers_idempotency_key=covers_idempotency_key
    )
    verify_request_signature(signature, key, now=now)
    return signature


def test_a_signed_request_verifies() -> None:
    """By shared secret and by Ed25519; key id, nonce and time come back."""
    signature = verify(signed())
    verify(signed(PARTY_KEY), PARTY_KEY.public)

    assert (signature.key_id, signature.nonce, signature.created) == (
        PARTY_SECRET.kid,
        NONCE,
        NOW,
    )


def test_the_idempotency_key_is_covered_where_there_is_one() -> None:
    """A server may insist on it; a signature without it is then refused."""
    headers = {**PLAIN, "idempotency-key": "k-1"}
    verify(signed(headers=headers), covers_idempotency_key=True)
    verify(signed(headers=headers))
    with pytest.raises(MalformedHttpSignatureError):
        verify(signed(), covers_idempotency_key=True)
    changed = altered(signed(headers=headers), headers={"idempotency-key": "k-2"})
    with pytest.raises(BadSignatureError):
        verify(changed)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "PUT"},
        {"authority": "other.example"},
        {"path": "/v1/settlements"},
        {"headers": {"content-type": "text/plain"}},
    ],
)
def test_a_changed_component_is_rejected(changes: dict[str, Any]) -> None:
    """Every covered part is bound."""
    with pytest.raises(BadSignatureError):
        verify(altered(signed(), **changes))


def test_the_authority_is_compared_in_lower_case() -> None:
    """Hosts have no case (RFC 9421 section 2.2.3)."""
    verify(altered(signed(), authority="Gateway.Example:8443"))


def test_an_empty_path_is_the_root() -> None:
    """RFC 9421 section 2.2.6."""
    verify(altered(signed(path="/"), path=""))


def test_a_changed_body_is_rejected() -> None:
    """By its digest; and a digest made anew is not the signed one."""
    with pytest.raises(DigestMismatchError):
        verify(altered(signed(), body=BODY + b" "))
    again = {"content-digest": content_digest(b"other")}
    with pytest.raises(BadSignatureError):
        verify(altered(signed(), body=b"other", headers=again))


@pytest.mark.parametrize("offset", [-60, 0, 60])
def test_the_window_is_sixty_seconds_either_way(offset: int) -> None:
    """At the edges it holds, one second beyond it does not."""
    verify(signed(), now=NOW + offset)
    beyond = offset + (1 if offset >= 0 else -1)
    if abs(beyond) > 60:
        with pytest.raises(StaleSignatureError):
            verify(signed(), now=NOW + beyond)


def test_another_key_is_rejected() -> None:
    """By its id, and by the signature where it bears the same id."""
    with pytest.raises(UnknownKeyError):
        verify(signed(), SharedSecret("pt-other", secret("shared")))
    with pytest.raises(BadSignatureError):
        verify(signed(), SharedSecret(PARTY_SECRET.kid, secret("other")))
    stranger = SigningKey(secret("stranger"), Role.PARTY)
    with pytest.raises(UnknownKeyError):
        verify(signed(stranger), PARTY_KEY.public)


SOUND_INPUT = signed().headers["signature-input"]


@pytest.mark.parametrize(
    "value",
    [
        ...,
        "",
        SOUND_INPUT.replace("sig1", "sig2"),
        SOUND_INPUT.replace(' "content-digest"', ""),
        SOUND_INPUT.replace('"@path"', '"@path" "@path"'),
        SOUND_INPUT.replace('"@path"', '"@path" "date"'),
        SOUND_INPUT.replace('"@path"', '"@path";req'),
        SOUND_INPUT.replace('tag="medaid"', 'tag="other"'),
        SOUND_INPUT.replace(';tag="medaid"', ""),
        SOUND_INPUT.replace(f";created={NOW}", ""),
        SOUND_INPUT.replace(f"created={NOW}", f'created="{NOW}"'),
        SOUND_INPUT.replace(f"created={NOW}", f"created=-{NOW}"),
        SOUND_INPUT.replace(f'nonce="{NONCE}"', "nonce=1"),
        SOUND_INPUT.replace(NONCE, "short"),
        SOUND_INPUT.replace(NONCE, "a" * 129),
        SOUND_INPUT.replace(PARTY_SECRET.kid, "a b"),
        SOUND_INPUT + ";expires=1",
        SOUND_INPUT + ';nonce="bm9uY2UgMDAwMg"',
        SOUND_INPUT + ";",
        SOUND_INPUT + ", sig2=()",
    ],
)
def test_a_signature_input_of_another_profile_is_rejected(value: Any) -> None:
    """Exactly the agreed components and parameters, each once."""
    with pytest.raises(MalformedHttpSignatureError):
        verify(altered(signed(), headers={"signature-input": value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("signature", ...),
        ("signature", "sig1=:?:"),
        ("signature", "sig1=:AAA:"),
        ("signature", "sig2=:AAAA:"),
        ("content-digest", ...),
        ("content-digest", "sha-512=:AAAA:"),
        ("content-digest", "sha-256=:AAA:"),
        ("content-type", ...),
        ("content-type", "application/json\r\nx: y"),
        ("content-type", "é"),
    ],
)
def test_a_header_of_another_form_is_rejected(name: str, value: Any) -> None:
    """Missing, of another algorithm, not base64, or more than a line."""
    with pytest.raises(MalformedHttpSignatureError):
        verify(altered(signed(), headers={name: value}))


def test_a_request_without_content_type_cannot_be_signed() -> None:
    """What the server would refuse is not made."""
    with pytest.raises(MalformedHttpSignatureError):
        sign_request(request(headers={}), PARTY_SECRET, created=NOW, nonce=NONCE)


@given(st.data())
def test_any_changed_byte_of_the_headers_is_rejected(data: st.DataObject) -> None:
    """No character of the three headers can be exchanged for another."""
    name = data.draw(
        st.sampled_from(["signature", "signature-input", "content-digest"])
    )
    sound = signed()
    value = sound.headers[name]
    position = data.draw(st.integers(0, len(value) - 1))
    character = data.draw(st.characters(min_codepoint=0x21, max_codepoint=0x7E))
    changed = value[:position] + character + value[position + 1 :]
    if changed == value:
        return

    with pytest.raises(CryptoError):
        verify(altered(sound, headers={name: changed}))


class _Secrets(reference.HTTPSignatureKeyResolver):
    def resolve_private_key(self, key_id: str) -> Any:
        return self._key(key_id)

    def resolve_public_key(self, key_id: str) -> Any:
        return self._key(key_id)

    def _key(self, key_id: str) -> Any:
        if key_id == PARTY_SECRET.kid:
            return PARTY_SECRET.secret_bytes()
        return Ed25519PrivateKey.from_private_bytes(PARTY_KEY.private_bytes())


class _Message:
    """What the reference library calls a request."""

    def __init__(self, plain: HttpRequest) -> None:
        self.method = plain.method
        self.url = f"https://{plain.authority}{plain.path}"
        self.headers = {name.title(): value for name, value in plain.headers.items()}


@pytest.mark.parametrize("key", [PARTY_SECRET, PARTY_KEY])
def test_the_reference_library_signs_what_we_verify(
    key: SharedSecret | SigningKey,
) -> None:
    """A vendor may use http-message-signatures; it also adds `alg`, which must fit."""
    algorithm = (
        reference.algorithms.HMAC_SHA256
        if isinstance(key, SharedSecret)
        else reference.algorithms.ED25519
    )
    verifier = key if isinstance(key, SharedSecret) else key.public
    plain = request(headers={**PLAIN, "content-digest": content_digest(BODY)})
    message = _Message(plain)
    signer = reference.HTTPMessageSigner(
        signature_algorithm=algorithm, key_resolver=_Secrets()
    )
    signer.sign(
        message,
        key_id=key.kid,
        nonce=NONCE,
        tag="medaid",
        label="sig1",
        use_existing_digest=True,
        covered_component_ids=(
            "@path",
            "@method",
            "content-digest",
            "@authority",
            "content-type",
        ),
    )
    headers = {name.lower(): value for name, value in message.headers.items()}
    presented = altered(plain, headers=headers)
    signature = parse_request_signature(presented)
    verify_request_signature(signature, verifier, now=signature.created)

    assert signature.alg == verifier.alg
    wrong = headers["signature-input"].replace(verifier.alg, "rsa-v1_5-sha256")
    other = parse_request_signature(
        altered(plain, headers={**headers, "signature-input": wrong})
    )
    with pytest.raises(SuiteMismatchError):
        verify_request_signature(other, verifier, now=other.created)


def test_the_content_digest_is_that_of_rfc_9530() -> None:
    """The example of its appendix."""
    assert (
        content_digest(b'{"hello": "world"}\n')
        == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    )


def test_hmac_and_ed25519_are_those_of_rfc_9421() -> None:
    """Appendix B.2.5 and B.2.6: base, key and signature."""
    shared = SharedSecret(
        "test-shared-secret",
        base64.b64decode(
            "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6p"
            "cl8jsasjlTMtDQ=="
        ),
    )
    shared.verify(
        base64.b64decode("pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8="),
        b'"date": Tue, 20 Apr 2021 02:07:55 GMT\n'
        b'"@authority": example.com\n'
        b'"content-type": application/json\n'
        b'"@signature-params": ("date" "@authority" "content-type")'
        b';created=1618884473;keyid="test-shared-secret"',
    )
    spki = base64.b64decode(
        "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="
    )
    load_der_public_key(spki)
    VerifyingKey(spki[-32:], Role.PARTY).verify(
        base64.b64decode(
            "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQ"
            "v5lIp5WPpBKRCw=="
        ),
        b'"date": Tue, 20 Apr 2021 02:07:55 GMT\n'
        b'"@method": POST\n'
        b'"@path": /foo\n'
        b'"@authority": example.com\n'
        b'"content-type": application/json\n'
        b'"content-length": 18\n'
        b'"@signature-params": ("date" "@method" "@path" "@authority" "content-type"'
        b' "content-length");created=1618884473;keyid="test-key-ed25519"',
    )

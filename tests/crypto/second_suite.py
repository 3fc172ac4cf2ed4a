"""A second suite, of other algorithms throughout, as a later one will be added.

ES256 signatures, ECDH-ES+A256KW key wrapping (so the record carries a key),
SHA3-256 commitments. It shows that the registry is the only place to touch.
"""

import hashlib
import json
from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from crypto import suites
from crypto.encoding import JsonValue, b64u, b64u_decode
from crypto.errors import BadSignatureError, MalformedRecordError, NotAuthenticError
from crypto.ma1 import MA1, concat_kdf
from crypto.schemes import RandomBytes, Suite, Wrapped

NAME = "T2"


class _Es256:
    alg = "p256"
    jose = "ES256"
    note_type = b"\xff"

    def _private(self, private: bytes) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1())

    def _public(self, public: bytes) -> ec.EllipticCurvePublicKey:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)

    def public_key(self, private: bytes) -> bytes:
        key = self._private(private).public_key()
        return key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)

    def spki(self, public: bytes) -> bytes:
        key = self._public(public)
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def signer(self, private: bytes) -> Callable[[bytes], bytes]:
        key = self._private(private)

        def sign(message: bytes) -> bytes:
            r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")

        return sign

    def verifier(self, public: bytes) -> Callable[[bytes, bytes], None]:
        key = self._public(public)

        def verify(signature: bytes, message: bytes) -> None:
            r, s = (
                int.from_bytes(half, "big") for half in (signature[:32], signature[32:])
            )
            try:
                key.verify(
                    encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256())
                )
            except InvalidSignature:
                raise BadSignatureError("the signature does not verify") from None

        return verify


class _Wrapping:
    alg = "x25519-kw"
    jose_alg = "ECDH-ES+A256KW"
    jose_enc = "A256GCM"
    header_members = frozenset({"epk"})

    public_key = staticmethod(MA1.sealing.public_key)
    spki = staticmethod(MA1.sealing.spki)
    encrypt = staticmethod(MA1.sealing.encrypt)
    decrypt = staticmethod(MA1.sealing.decrypt)

    def agreement(
        self, public: bytes, random: RandomBytes, *, apv: bytes
    ) -> Callable[[bytes], Wrapped]:
        ephemeral = X25519PrivateKey.from_private_bytes(random(32))
        secret = ephemeral.exchange(X25519PublicKey.from_public_bytes(public))

        def wrap(apu: bytes) -> Wrapped:
            content_key = random(32)
            kek = concat_kdf(secret, self.jose_alg, apu=apu, apv=apv)
            x = b64u(ephemeral.public_key().public_bytes_raw()).decode()
            epk = {"kty": "OKP", "crv": "X25519", "x": x}
            members = json.dumps({"epk": epk})[1:-1].encode() + b","
            return Wrapped(content_key, aes_key_wrap(kek, content_key), members)

        return wrap

    def check_header(
        self, header: Mapping[str, JsonValue], encrypted_key: bytes
    ) -> None:
        if len(encrypted_key) != 40 or not isinstance(header.get("epk"), dict):
            raise MalformedRecordError("no wrapped key")

    def unwrap(
        self,
        private: bytes,
        header: Mapping[str, JsonValue],
        encrypted_key: bytes,
        *,
        apu: bytes,
        apv: bytes,
    ) -> bytes:
        epk = header["epk"]
        assert isinstance(epk, dict)
        x = b64u_decode(str(epk["x"]).encode(), what="epk")
        secret = X25519PrivateKey.from_private_bytes(private).exchange(
            X25519PublicKey.from_public_bytes(x)
        )
        kek = concat_kdf(secret, self.jose_alg, apu=apu, apv=apv)
        try:
            return aes_key_unwrap(kek, encrypted_key)
        except InvalidUnwrap:
            raise NotAuthenticError("the wrapped key was changed") from None


def _sha3(octets: bytes) -> bytes:
    return hashlib.sha3_256(octets).digest()


T2 = Suite(NAME, _Es256(), _Wrapping(), _sha3)


def register_once() -> None:
    """Add the suite to the registry of this process."""
    try:
        suites.register(T2)
    except ValueError:
        assert suites.suite(NAME) is T2

"""The `encData` and `signData` of e-vouchers and e-prescriptions: SM2, SM3, SM4.

Reconstructed from what vendors send (his-interface.md, 2.4). SM4 in ECB shows which
blocks of a message are equal, and its key follows from the shared secret: the
signature is sound, the secrecy is TLS's. Where vendors differ a `Variant` says how.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from crypto import sm2
from crypto.errors import NotAuthenticError

_KEY_CHARS, _BLOCK_BITS = 16, 128
#: What the signature leaves out: itself, the hidden data, and what nobody agreed on.
_UNSIGNED = frozenset({"signData", "encData", "extra"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """How one vendor makes the text that it signs."""

    user_id: str = "default"
    """Of SM2: `default`, or `secret` for the bytes of the shared secret."""
    order: str = "ordinal"
    """Of names: `ordinal`, or `caseless`."""
    data: str = "object"
    """The data take part as sorted JSON (`object`), or as they stand (`text`)."""
    signature: str = "raw"
    """r and s (`raw`), or ASN.1 (`der`)."""
    hex: str = "upper"
    """Of `encData` in answers; in requests either is read."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for a word that is none of these."""
        for name, words in _WORDS.items():
            if getattr(self, name) not in words:
                raise ValueError(f"{name} is one of {', '.join(words)}")


_WORDS = {
    "user_id": ("default", "secret"),
    "order": ("ordinal", "caseless"),
    "data": ("object", "text"),
    "signature": ("raw", "der"),
    "hex": ("upper", "lower"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """What two sides share: an account, its secret, their keys."""

    app_id: str
    secret: str
    private: bytes
    """Of the side that signs here."""
    public: bytes
    """Its public half."""
    others: bytes
    """The other side's public key."""
    variant: Variant = field(default_factory=Variant)

    @property
    def user_id(self) -> bytes:
        """Of SM2."""
        is_secret = self.variant.user_id == "secret"
        return self.secret.encode() if is_secret else sm2.DEFAULT_ID


def message_key(app_id: str, secret: str) -> bytes:
    """The SM4 key of an account: 16 ASCII characters of its encrypted secret."""
    sealed = _encrypted(app_id.encode()[:_KEY_CHARS], secret.encode())
    return sealed.hex().upper()[:_KEY_CHARS].encode()


def seal(agreed: Agreed, fields: Mapping[str, str], data: bytes) -> dict[str, str]:
    """The fields with `encData` and `signData` beside them; `data` is JSON."""
    variant = agreed.variant
    text = _signed_text(agreed, fields, data)
    signature = sm2.sign(agreed.private, agreed.public, text, agreed.user_id)
    if variant.signature == "der":
        signature = sm2.der_of_raw(signature)
    hidden = _encrypted(message_key(agreed.app_id, agreed.secret), data).hex()
    return {
        **fields,
        "encData": hidden.upper() if variant.hex == "upper" else hidden,
        "signData": base64.b64encode(signature).decode(),
    }


@dataclass(frozen=True, slots=True)
class Unsealed:
    """What was hidden, and the signature over it."""

    data: bytes
    signature: bytes
    """r and s: another spelling of it is the same."""


def unseal(agreed: Agreed, body: Mapping[str, Any]) -> Unsealed:
    """Decrypt, and check that the other side has signed.

    Raises `NotAuthenticError` for what cannot be decrypted, `BadSignatureError`.
    """
    try:
        hidden = bytes.fromhex(_text(body.get("encData")))
        signature = base64.b64decode(_text(body.get("signData")), validate=True)
        data = _decrypted(message_key(agreed.app_id, agreed.secret), hidden)
        fields = {
            name: _text(value)
            for name, value in body.items()
            if name not in _UNSIGNED and value is not None
        }
        text = _signed_text(agreed, fields, data)
    except (ValueError, TypeError, RecursionError, binascii.Error) as fault:
        raise NotAuthenticError("encData or signData has another form") from fault
    if agreed.variant.signature == "der":
        signature = sm2.raw_of_der(signature)
    sm2.verify(agreed.others, text, signature, agreed.user_id)
    return Unsealed(data, signature)


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError("a field beside encData is a text or a whole number")
    return f"{value}"


def _signed_text(agreed: Agreed, fields: Mapping[str, str], data: bytes) -> bytes:
    variant = agreed.variant
    plain = data.decode()
    signed = {name: value for name, value in fields.items() if value != ""}
    signed["data"] = plain if variant.data == "text" else _sorted(plain, variant.order)
    lines = [
        f"{name}={signed[name]}" for name in sorted(signed, key=_key(variant.order))
    ]
    return "&".join((*lines, f"key={agreed.secret}")).encode()


def _key(order: str) -> Any:
    return str.lower if order == "caseless" else None


class _Number(str):
    """A number as it was written: another spelling would be another signature."""

    __slots__ = ()


def _sorted(text: str, order: str) -> str:
    return _written(
        json.loads(text, parse_float=_Number, parse_int=_Number), _key(order)
    )


def _written(value: Any, key: Any) -> str:
    """JSON without blanks, names in order."""
    if isinstance(value, _Number):
        return f"{value}"
    if isinstance(value, dict):
        pairs = (
            f"{json.dumps(name, ensure_ascii=False)}:{_written(value[name], key)}"
            for name in sorted(value, key=key)
        )
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_written(each, key) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _encrypted(key: bytes, plain: bytes) -> bytes:
    padder = padding.PKCS7(_BLOCK_BITS).padder()
    encryptor = _cipher(key).encryptor()
    padded = padder.update(plain) + padder.finalize()
    return encryptor.update(padded) + encryptor.finalize()


def _decrypted(key: bytes, hidden: bytes) -> bytes:
    decryptor = _cipher(key).decryptor()
    padded = decryptor.update(hidden) + decryptor.finalize()
    unpadder = padding.PKCS7(_BLOCK_BITS).unpadder()
    return unpadder.update(padded) + unpadder.finalize()


def _cipher(key: bytes) -> Cipher[modes.ECB]:
    # ECB is what the other side speaks; what is wrong with it stands above.
    return Cipher(algorithms.SM4(key), modes.ECB())  # noqa: S305

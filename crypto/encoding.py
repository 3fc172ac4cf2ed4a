"""One way to write each thing: strict base64, strict JSON, canonical JSON.

Decoders accept exactly what the encoders here make. That is what keeps a record
from having two spellings that hash differently and verify alike.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Mapping
from typing import NoReturn, TypeAlias

import orjson
import rfc8785

from crypto.errors import CryptoError, EncodingError

JsonValue: TypeAlias = (
    "bool | int | str | list[JsonValue] | dict[str, JsonValue] | None"
)

_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_+/=", b"+/!!!")
_PADDING = (b"", b"!", b"==", b"=")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_LAST = (_ALPHABET, "", _ALPHABET[::16], _ALPHABET[::4])
"""By how many characters are left over, those that leave no bit unused but zeroes."""
_URL_ALPHABET = _ALPHABET.encode().translate(_TO_URL)
_WORDS = (str, bool, type(None))
_SAFE_INTEGER = 2**53 - 1
"""Largest integer that every JSON reader keeps exact (RFC 7493 section 2.2)."""


def b64u(octets: bytes) -> bytes:
    """Base64url without padding (RFC 7515 section 2), as ASCII bytes."""
    return binascii.b2a_base64(octets, newline=False).translate(_TO_URL).rstrip(b"=")


def b64u_decode(
    text: bytes, *, what: str, error: type[CryptoError] = EncodingError
) -> bytes:
    """The octets of canonical base64url; raises `error` for any other spelling.

    Padding, whitespace, foreign characters and trailing bits that are not zero are
    refused, because a lenient reader would accept several texts for one signature.
    """
    left_over = len(text) % 4
    standard = text.translate(_FROM_URL)
    padded = standard + _PADDING[left_over] if left_over else standard
    try:
        octets = binascii.a2b_base64(padded, strict_mode=True)
    except binascii.Error:
        raise error(f"{what} is not base64url without padding") from None
    if text and chr(standard[-1]) not in _LAST[left_over]:
        raise error(f"{what} is not canonical base64url")
    return octets


def require_b64u(
    text: bytes, *, what: str, error: type[CryptoError] = EncodingError
) -> None:
    """Raise `error` just where `b64u_decode` would; nothing is decoded."""
    left_over = len(text) % 4
    if (
        left_over == 1
        or text.translate(None, _URL_ALPHABET)
        or (left_over and chr(text[-1]) not in _LAST[left_over])
    ):
        raise error(f"{what} is not canonical base64url")


def b64(octets: bytes) -> str:
    """Standard base64 with padding (RFC 4648 section 4)."""
    return binascii.b2a_base64(octets, newline=False).decode("ascii")


def b64_decode(
    text: str, *, what: str, error: type[CryptoError] = EncodingError
) -> bytes:
    """The octets of canonical standard base64; raises `error` for the rest."""
    try:
        octets = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise error(f"{what} is not base64 with padding") from None
    unpadded = text.rstrip("=")
    left_over = len(unpadded) % 4
    # The library's strict mode lets padding pass where none belongs.
    if len(text) - len(unpadded) != -left_over % 4 or (
        text and unpadded[-1] not in _LAST[left_over]
    ):
        raise error(f"{what} is not canonical base64")
    return octets


class _RefusedError(ValueError):
    """Inside the JSON reader: well-formed JSON that has no place here."""


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RefusedError("has a member twice")
    return members


def _safe_integer(digits: str) -> int:
    number = int(digits) if len(digits) < 18 else _SAFE_INTEGER + 1  # noqa: PLR2004
    if not -_SAFE_INTEGER <= number <= _SAFE_INTEGER or digits == "-0":
        raise _RefusedError("has an integer that not every reader keeps exact")
    return number


def _no_number(_text: str) -> NoReturn:
    raise _RefusedError("has a number that is no integer")


_READER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_int=_safe_integer,
    parse_float=_no_number,
    parse_constant=_no_number,
)


def parse_json(
    text: bytes, *, what: str, error: type[CryptoError] = EncodingError
) -> JsonValue:
    """Read JSON of integers, strings, booleans, null, lists and objects.

    Raises `error` for malformed text, a member that stands twice, a fraction,
    an exponent, NaN, an integer beyond 2**53 - 1, or half a surrogate pair.
    """
    plain = _plain_json(text)
    if plain is not None:
        return plain
    try:
        value: JsonValue = _READER.decode(text.decode("utf-8"))
        if b"\\u" in text:
            rfc8785.dumps(value)
    except _RefusedError as refused:
        raise error(f"{what} {refused}") from None
    except (ValueError, RecursionError):
        # UnicodeError, JSONDecodeError and CanonicalizationError are ValueErrors.
        raise error(f"{what} is not valid JSON in UTF-8") from None
    return value


def _plain_json(text: bytes) -> JsonValue:
    """The value of text in its shortest spelling, read fast; `None` for any other.

    Written anew it gives the same bytes, so no member stands twice and nothing is
    spelled in a second way. What is refused is refused by the slow reader.
    """
    try:
        value: JsonValue = orjson.loads(text)
        return value if orjson.dumps(value) == text and _is_plain(value) else None
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None


def _is_plain(value: object) -> bool:
    """Whether all numbers in it are integers that every reader keeps exact."""
    kind = type(value)
    if kind in _WORDS:
        return True
    if isinstance(value, int):
        return -_SAFE_INTEGER <= value <= _SAFE_INTEGER
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    return isinstance(value, list) and all(map(_is_plain, value))


def parse_object(
    text: bytes, *, what: str, error: type[CryptoError] = EncodingError
) -> dict[str, JsonValue]:
    """As `parse_json`, and the value must be an object."""
    value = parse_json(text, what=what, error=error)
    if not isinstance(value, dict):
        raise error(f"{what} is not a JSON object")
    return value


def canonical_json(value: JsonValue | Mapping[str, JsonValue]) -> bytes:
    """The JSON Canonicalization Scheme (RFC 8785); raises `EncodingError`."""
    try:
        return rfc8785.dumps(dict(value) if isinstance(value, Mapping) else value)
    except (rfc8785.CanonicalizationError, UnicodeError) as refused:
        raise EncodingError(f"cannot be written as canonical JSON: {refused}") from None

"""Keyed tokens: how the gateway names a card or a person without knowing them.

A card number has few possible values, so a plain hash would be reversed by trying
them all; the key is what prevents that. Each purpose has its own domain, so a
token of one kind says nothing about a token of another.
"""

from __future__ import annotations

import hmac
import unicodedata

TOKEN_BYTES = 16
"""Half of an HMAC-SHA256: no two of a billion persons meet by chance."""

_KEY_BYTES_MIN = 32
_PERSON_KIND = "resident_id"


def normalise_number(number: str) -> str:
    """One spelling for a number: full-width to ASCII, no spaces, upper case."""
    if number.isascii() and number.isalnum():
        return number.upper()
    return "".join(unicodedata.normalize("NFKC", number).split()).upper()


class Tokenizer:
    """Makes 16-byte tokens under one secret key; deterministic.

    HMAC-SHA256 (RFC 2104), copied each time from one that has taken the key in.
    """

    __slots__ = ("_key", "_keyed")

    def __init__(self, key: bytes) -> None:
        """Take the secret token key; `ValueError` below 32 bytes."""
        if len(key) < _KEY_BYTES_MIN:
            raise ValueError("the token key must have at least 32 bytes")
        self._key = key
        self._keyed = hmac.new(key, digestmod="sha256")

    def __reduce__(self) -> tuple[type[Tokenizer], tuple[bytes]]:
        """Another process makes it anew from the key: hashes cannot be sent."""
        return Tokenizer, (self._key,)

    def card(self, kind: str, number: str) -> bytes:
        """Token of a card; of a `resident_id` it equals the person's token."""
        domain = _CARD_DOMAINS.get(kind) or _domain("card", kind)
        return self._token(domain, normalise_number(number))

    def person(self, id_number: str) -> bytes:
        """Token of a person, from the resident identity number."""
        return self.card(_PERSON_KIND, id_number)

    def household(self, household_id: str) -> bytes:
        """Token of a household."""
        return self._token(_HOUSEHOLD_DOMAIN, normalise_number(household_id))

    def digest(self, purpose: str, text: str) -> bytes:
        """Token of any other text, taken as it is; one domain per purpose."""
        return self._token(_domain("digest", purpose), text)

    def _token(self, domain: bytes, text: str) -> bytes:
        token = self._keyed.copy()
        token.update(domain + text.encode("utf-8"))
        return token.digest()[:TOKEN_BYTES]


def _domain(family: str, name: str) -> bytes:
    """`medaid/FAMILY/v1`, a zero byte, the name, a zero byte."""
    if "\0" in name:
        raise ValueError("the name of a token domain must not contain a zero byte")
    return f"medaid/{family}/v1\0{name}\0".encode()


_CARD_DOMAINS = {
    kind: _domain("card", kind) for kind in (_PERSON_KIND, "social_security_card")
}
_HOUSEHOLD_DOMAIN = _domain("household", "")

"""Keyed tokens: how the gateway names a card or a person without knowing them.

A card number has few possible values, so a plain hash would be reversed by trying
them all; the key is what prevents that. Each purpose has its own domain, so a
token of one kind says nothing about a token of another.

That key is for ever, because the numbers themselves are kept nowhere and no token
could be made again. So from the second epoch on tokens are also enciphered, one
block each (AES-256, FIPS 197), under a key that is changed: what an older key opens
is then worth nothing in today's database. The first epoch has no such key.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

TOKEN_BYTES = 16
"""Half of an HMAC-SHA256: no two of a billion persons meet by chance."""

_KEY_BYTES_MIN = 32
_PERSON_KIND = "resident_id"


def normalise_number(number: str) -> str:
    """One spelling for a number: full-width to ASCII, no spaces, upper case."""
    if number.isascii() and number.isalnum():
        return number.upper()
    return "".join(unicodedata.normalize("NFKC", number).split()).upper()


class EpochCipher:
    """Enciphers tokens of the first epoch into those of a later one, and back.

    A permutation of the 16-byte values: two tokens never become one.
    """

    __slots__ = ("_key", "conceal", "reveal")

    conceal: Callable[[bytes], bytes]
    """From the first epoch to this one; any number of tokens in a row."""
    reveal: Callable[[bytes], bytes]
    """The opposite."""

    def __init__(self, key: bytes) -> None:
        """Take the epoch's key; `ValueError` for other than 32 bytes."""
        if len(key) != _KEY_BYTES_MIN:
            raise ValueError("the key of an epoch must have 32 bytes")
        # Each block stands alone and no two tokens are equal, so no mode is needed;
        # and without one neither direction ever ends.
        cipher = Cipher(AES(key), ECB())  # noqa: S305
        self._key = key
        self.conceal = cipher.encryptor().update
        self.reveal = cipher.decryptor().update

    def __reduce__(self) -> tuple[type[EpochCipher], tuple[bytes]]:
        """Another process makes it anew from the key."""
        return EpochCipher, (self._key,)


class Tokenizer:
    """Makes 16-byte tokens of one epoch under one secret key; deterministic.

    HMAC-SHA256 (RFC 2104), copied each time from one that has taken the key in.
    """

    __slots__ = ("_epoch", "_key", "_keyed")

    def __init__(self, key: bytes, epoch: EpochCipher | None = None) -> None:
        """Take the secret token key; `ValueError` below 32 bytes.

        Without `epoch` tokens are those of the first one.
        """
        if len(key) < _KEY_BYTES_MIN:
            raise ValueError("the token key must have at least 32 bytes")
        self._key = key
        self._keyed = hmac.new(key, digestmod="sha256")
        self._epoch = epoch

    def __reduce__(self) -> tuple[type[Tokenizer], tuple[bytes, EpochCipher | None]]:
        """Another process makes it anew from the key: hashes cannot be sent."""
        return Tokenizer, (self._key, self._epoch)

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

    def lasting_digest(self, purpose: str, text: str) -> bytes:
        """The same in every epoch: for what others keep, never for the database."""
        return self._first_token(_domain("digest", purpose), text)

    def lasting(self, token: bytes) -> bytes:
        """A token as it was in the first epoch: for what is sealed, or others keep."""
        return token if self._epoch is None else self._epoch.reveal(token)

    def of_today(self, lasting: bytes) -> bytes:
        """The opposite: the token by which the database knows it now."""
        return lasting if self._epoch is None else self._epoch.conceal(lasting)

    def _token(self, domain: bytes, text: str) -> bytes:
        return self.of_today(self._first_token(domain, text))

    def _first_token(self, domain: bytes, text: str) -> bytes:
        token = self._keyed.copy()
        token.update(domain + text.encode("utf-8"))
        return token.digest()[:TOKEN_BYTES]


class Retokening:
    """Turns tokens of one epoch into those of another."""

    def __init__(self, before: EpochCipher | None, after: EpochCipher) -> None:
        """`before` is `None` for the first epoch."""
        self._before = before
        self._after = after

    def all(self, tokens: Sequence[bytes | None]) -> list[bytes | None]:
        """Each in its place, whatever is missing or empty left so.

        `ValueError` for what is no token: nothing is cut or filled up.
        """
        there = [token for token in tokens if token]
        if any(len(token) != TOKEN_BYTES for token in there):
            raise ValueError("a token has 16 bytes")
        text = b"".join(there)
        if self._before is not None:
            text = self._before.reveal(text)
        text = self._after.conceal(text)
        made = iter(
            [text[at : at + TOKEN_BYTES] for at in range(0, len(text), TOKEN_BYTES)]
        )
        return [next(made) if token else token for token in tokens]


def _domain(family: str, name: str) -> bytes:
    """`medaid/FAMILY/v1`, a zero byte, the name, a zero byte."""
    if "\0" in name:
        raise ValueError("the name of a token domain must not contain a zero byte")
    return f"medaid/{family}/v1\0{name}\0".encode()


_CARD_DOMAINS = {
    kind: _domain("card", kind) for kind in (_PERSON_KIND, "social_security_card")
}
_HOUSEHOLD_DOMAIN = _domain("household", "")

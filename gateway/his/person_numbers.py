"""`psn_no` of ours: a name for a person that one hospital alone can use.

The person's token as it was in the first epoch, enciphered with a key of the hospital:
the gateway finds the person again, whatever epoch its database is in, and two hospitals
that compare their numbers learn nothing.
"""

from __future__ import annotations

from typing import Protocol

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

PREFIX = "MA"
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_BITS = 5
#: Of `psn_no`, which is char(30): the prefix, and these.
_CHARS = 28
_TOKEN_BYTES = 16
#: 140 bits are 16 bytes and this check: of other hospitals' numbers, and of slips of
#: the pen, one in 4,096 is taken for some person whom nobody knows.
_CHECK_BITS = _CHARS * _BITS - 8 * _TOKEN_BYTES


class Tokens(Protocol):
    """Tokens of the database, and what of them lasts from epoch to epoch."""

    def lasting_digest(self, purpose: str, text: str) -> bytes:
        """Of a text, under the secret token key; one domain per purpose."""
        ...

    def lasting(self, token: bytes) -> bytes:
        """A token as it was in the first epoch."""
        ...

    def of_today(self, lasting: bytes) -> bytes:
        """The opposite."""
        ...


def person_number(tokens: Tokens, party_code: str, token: bytes) -> str:
    """The hospital's number for the person: the same every time."""
    encryptor = _cipher(tokens, party_code).encryptor()
    block = encryptor.update(tokens.lasting(token)) + encryptor.finalize()
    value = int.from_bytes(block, "big") << _CHECK_BITS
    value |= _check(tokens, party_code, block)
    places = range(_BITS * (_CHARS - 1), -1, -_BITS)
    return PREFIX + "".join(_ALPHABET[value >> place & 31] for place in places)


def token_of_number(tokens: Tokens, party_code: str, number: str) -> bytes | None:
    """The person's token; `None` for what is no number made for this hospital."""
    text = number.strip().upper()
    given = text.removeprefix(PREFIX)
    if text == given or len(given) != _CHARS or not set(given) <= set(_ALPHABET):
        return None
    value = 0
    for char in given:
        value = value << _BITS | _ALPHABET.index(char)
    block = (value >> _CHECK_BITS).to_bytes(_TOKEN_BYTES, "big")
    if value & (1 << _CHECK_BITS) - 1 != _check(tokens, party_code, block):
        return None
    decryptor = _cipher(tokens, party_code).decryptor()
    return tokens.of_today(decryptor.update(block) + decryptor.finalize())


def _cipher(tokens: Tokens, party_code: str) -> Cipher[ECB]:
    # HKDF's expand step (RFC 5869) for 16 bytes: the digest is HMAC-SHA256 under the
    # token key, cut to as many, over a purpose of its own and the hospital.
    key = tokens.lasting_digest("his-person-number", f"{party_code}\x01")
    # One block that is never the same for two persons: no mode is needed.
    return Cipher(AES(key), ECB())  # noqa: S305


def _check(tokens: Tokens, party_code: str, block: bytes) -> int:
    text = f"{party_code}\x01{block.hex()}"
    made = tokens.lasting_digest("his-person-number-check", text)
    return int.from_bytes(made[:2], "big") >> 16 - _CHECK_BITS

"""`psn_no` of ours: a name for a person that one hospital alone can use.

The person's token, enciphered with a key of the hospital: the gateway finds the
person again, and two hospitals that compare their numbers learn nothing.
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


class Digests(Protocol):
    """Keyed digests of 16 bytes, one domain per purpose."""

    def digest(self, purpose: str, text: str) -> bytes:
        """Of the text, under the secret token key."""
        ...


def person_number(digests: Digests, party_code: str, token: bytes) -> str:
    """The hospital's number for the person: the same every time."""
    encryptor = _cipher(digests, party_code).encryptor()
    block = encryptor.update(token) + encryptor.finalize()
    value = int.from_bytes(block, "big") << _CHECK_BITS
    value |= _check(digests, party_code, block)
    places = range(_BITS * (_CHARS - 1), -1, -_BITS)
    return PREFIX + "".join(_ALPHABET[value >> place & 31] for place in places)


def token_of_number(digests: Digests, party_code: str, number: str) -> bytes | None:
    """The person's token; `None` for what is no number made for this hospital."""
    text = number.strip().upper()
    given = text.removeprefix(PREFIX)
    if text == given or len(given) != _CHARS or not set(given) <= set(_ALPHABET):
        return None
    value = 0
    for char in given:
        value = value << _BITS | _ALPHABET.index(char)
    block = (value >> _CHECK_BITS).to_bytes(_TOKEN_BYTES, "big")
    if value & (1 << _CHECK_BITS) - 1 != _check(digests, party_code, block):
        return None
    decryptor = _cipher(digests, party_code).decryptor()
    return decryptor.update(block) + decryptor.finalize()


def _cipher(digests: Digests, party_code: str) -> Cipher[ECB]:
    # HKDF's expand step (RFC 5869) for 16 bytes: the digest is HMAC-SHA256 under the
    # token key, cut to as many, over a purpose of its own and the hospital.
    key = digests.digest("his-person-number", f"{party_code}\x01")
    # One block that is never the same for two persons: no mode is needed.
    return Cipher(AES(key), ECB())  # noqa: S305


def _check(digests: Digests, party_code: str, block: bytes) -> int:
    made = digests.digest("his-person-number-check", f"{party_code}\x01{block.hex()}")
    return int.from_bytes(made[:2], "big") >> 16 - _CHECK_BITS

"""One person in bytes, as the cache keeps them: exact, checked, quick to read.

Layout of a person, little-endian: version (u8), household (16 bytes, zeros where
none), number of windows (u16); for each window first day (u32), last day (u32, 0
while open), sub-district (u32, 0xFFFFFFFF where none), length of category (u8),
category (UTF-8); check sum (u32). Of a card: person token (16 bytes), check sum
(u32). The check sum is CRC-32 over the key and what stands before it, a card's begun
with another value, so that neither is taken for the other. Days are proleptic Gregorian
ordinals.

Each of the two lists has an entry before the first token and one behind the last, with
a check sum alone. So whoever is not in it would stand between two entries, and
both can be checked: a search that damage has led astray is no "no". What no check sum
shows is a whole page in another's place, or as it once was; `verification` does.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from struct import Struct, error
from zlib import crc32

from settlement.domain.eligibility import RosterPerson, Window

LAYOUT = 2
"""Raised with every change of the layout; another one means building anew."""

_NO_HOUSEHOLD = bytes(16)
_NO_SUBDISTRICT = 0xFFFFFFFF
_HEAD = Struct("<B16sH")
_WINDOW = Struct("<IIIB")
_CHECK = Struct("<I")
_TOKEN_BYTES = 16
FIRST_KEY, LAST_KEY = b"\0", b"\xff" * (_TOKEN_BYTES + 1)
"""Before and behind every token."""
_PERSON_SUM, _CARD_SUM = 0, 1
"""With what check sums begin."""
#: CRC-32 of anything that ends in its own CRC-32, little-endian.
_RESIDUE = 0x2144DF1C


class CacheCorruptError(Exception):
    """Bytes in the cache are not what was written."""


def pack_person(person: RosterPerson) -> bytes:
    """The person's bytes, without the token, which is the key."""
    parts = [_HEAD.pack(LAYOUT, person.household or _NO_HOUSEHOLD, len(person.windows))]
    for window in person.windows:
        category = window.category.encode()
        parts.append(
            _WINDOW.pack(
                window.valid_from.toordinal(),
                window.valid_to.toordinal() if window.valid_to else 0,
                int(window.subdistrict) if window.subdistrict else _NO_SUBDISTRICT,
                len(category),
            )
        )
        parts.append(category)
    return _checked(_PERSON_SUM, person.token, b"".join(parts))


def unpack_person(token: bytes, packed: bytes) -> RosterPerson:
    """The person again; raises `CacheCorruptError` for any altered byte."""
    if crc32(packed, crc32(token)) != _RESIDUE:
        raise CacheCorruptError("a person's bytes do not match their check sum")
    try:
        layout, household, count = _HEAD.unpack_from(packed)
        if layout != LAYOUT:
            raise CacheCorruptError("a person's bytes have another layout")
        return RosterPerson(
            token,
            b"" if household == _NO_HOUSEHOLD else household,
            _windows(packed, count),
        )
    except (error, ValueError) as wrong:
        raise CacheCorruptError("a person's bytes cannot be read") from wrong


def pack_card(card: bytes, person: bytes) -> bytes:
    """The bytes under a card: whose it is."""
    return _checked(_CARD_SUM, card, person)


def unpack_card(card: bytes, packed: bytes) -> bytes:
    """The person token again; raises `CacheCorruptError` for any altered byte."""
    check_card(card, packed)
    return packed[:_TOKEN_BYTES]


def person_end(key: bytes) -> bytes:
    """The bytes under `FIRST_KEY` and `LAST_KEY` among persons."""
    return _checked(_PERSON_SUM, key, b"")


def card_end(key: bytes) -> bytes:
    """The bytes under `FIRST_KEY` and `LAST_KEY` among cards."""
    return _checked(_CARD_SUM, key, b"")


def check_person(key: bytes, packed: bytes) -> None:
    """Raises `CacheCorruptError` where these are not the bytes under the key."""
    if crc32(packed, crc32(key, _PERSON_SUM)) != _RESIDUE:
        raise CacheCorruptError("a person's bytes do not match their check sum")


def check_card(key: bytes, packed: bytes) -> None:
    """Raises `CacheCorruptError` where these are not the bytes under the key."""
    if crc32(packed, crc32(key, _CARD_SUM)) != _RESIDUE:
        raise CacheCorruptError("a card's bytes do not match their check sum")


def _checked(begun: int, key: bytes, body: bytes) -> bytes:
    return body + _CHECK.pack(crc32(body, crc32(key, begun)))


def _windows(packed: bytes, count: int) -> tuple[Window, ...]:
    at = _HEAD.size
    if count == 1:
        # As most persons have it, and every microsecond is the desk's.
        return (_window(packed, at),)
    found = []
    for _ in range(count):
        found.append(_window(packed, at))
        at += _WINDOW.size + packed[at + _WINDOW.size - 1]
    return tuple(found)


def _window(packed: bytes, at: int) -> Window:
    first, last, subdistrict, length = _WINDOW.unpack_from(packed, at)
    at += _WINDOW.size
    return Window(
        _category(packed[at : at + length]),
        _day(first),
        _day(last) if last else None,
        _subdistrict(subdistrict),
    )


# Few values stand in many windows: one object for each, and no second decoding.


@lru_cache(maxsize=65_536)
def _day(ordinal: int) -> date:
    return date.fromordinal(ordinal)


@lru_cache(maxsize=4_096)
def _subdistrict(number: int) -> str:
    return "" if number == _NO_SUBDISTRICT else f"{number:09d}"


@lru_cache(maxsize=256)
def _category(packed: bytes) -> str:
    return packed.decode()

"""One person in bytes, as the cache keeps them: exact, checked, quick to read.

Layout, little-endian: version (u8), length of household (u8, 0 or 16), household,
number of windows (u16); for each window first day (u32), last day (u32, 0 while
open), sub-district (u32, 0xFFFFFFFF where none), length of category (u8), category
(UTF-8); CRC-32 over the person token and all of this (u32). Days are proleptic
Gregorian ordinals.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from struct import Struct, error
from zlib import crc32

from settlement.domain.eligibility import RosterPerson, Window

LAYOUT = 1
"""Raised with every change of the layout; another one means building anew."""

#: Decoded persons kept by each process; some hundred bytes each.
_DECODED = 16_384
_NO_SUBDISTRICT = 0xFFFFFFFF
_HEAD = Struct("<BB")
_COUNT = Struct("<H")
_WINDOW = Struct("<IIIB")
_CHECK = Struct("<I")


class CacheCorruptError(Exception):
    """Bytes in the cache are not what was written."""


def pack_person(person: RosterPerson) -> bytes:
    """The person's bytes, without the token, which is the key."""
    parts = [
        _HEAD.pack(LAYOUT, len(person.household)),
        person.household,
        _COUNT.pack(len(person.windows)),
    ]
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
    body = b"".join(parts)
    return body + _CHECK.pack(crc32(body, crc32(person.token)))


@lru_cache(maxsize=_DECODED)
def unpack_person(token: bytes, packed: bytes) -> RosterPerson:
    """The person again; raises `CacheCorruptError` for any altered byte.

    A pure function of its bytes, so remembered results can never be out of date.
    """
    body, check = packed[:-4], packed[-4:]
    if _CHECK.pack(crc32(body, crc32(token))) != check:
        raise CacheCorruptError("a person's bytes do not match their check sum")
    try:
        return _unpack(token, body)
    except (error, ValueError) as wrong:
        raise CacheCorruptError("a person's bytes cannot be read") from wrong


def _unpack(token: bytes, body: bytes) -> RosterPerson:
    layout, household_length = _HEAD.unpack_from(body)
    if layout != LAYOUT:
        raise ValueError(layout)
    at = 2 + household_length
    household = body[2:at]
    (count,) = _COUNT.unpack_from(body, at)
    at += 2
    windows = []
    for _ in range(count):
        first, last, subdistrict, length = _WINDOW.unpack_from(body, at)
        at += 13
        windows.append(
            Window(
                _category(body[at : at + length]),
                date.fromordinal(first),
                date.fromordinal(last) if last else None,
                "" if subdistrict == _NO_SUBDISTRICT else f"{subdistrict:09d}",
            )
        )
        at += length
    return RosterPerson(token, household, tuple(windows))


@lru_cache(maxsize=256)
def _category(packed: bytes) -> str:
    """One string for all windows of a category."""
    return packed.decode()


def pack_card(card: bytes, person: bytes) -> bytes:
    """The bytes under a card: whose it is, with a check sum over both tokens."""
    return person + _CHECK.pack(crc32(person, crc32(card)))


def unpack_card(card: bytes, packed: bytes) -> bytes:
    """The person token again; raises `CacheCorruptError` for any altered byte."""
    person = packed[:-4]
    if _CHECK.pack(crc32(person, crc32(card))) != packed[-4:]:
        raise CacheCorruptError("a card's bytes do not match their check sum")
    return person

"""Ids of settlements and reversals: made here, read here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from settlement.domain.calendar import shanghai_day
from settlement.domain.errors import RequestRefused

ID_BYTES = 16
_DAY_BYTES = 2
#: Ids count days from here; two bytes reach the year 2179.
_EPOCH = date(2000, 1, 1).toordinal()
_LAST = (1 << 8 * _DAY_BYTES) - 1


def new_id(settled_at: datetime, random: Callable[[int], bytes]) -> bytes:
    """16 bytes: the Shanghai day (which the record shows anyway), then randomness.

    The day keeps each day's rows together in the database's indexes.
    """
    day = shanghai_day(settled_at).toordinal() - _EPOCH
    return max(0, day).to_bytes(_DAY_BYTES, "big") + random(ID_BYTES - _DAY_BYTES)


def ids_of_days(first: date, last: date) -> tuple[bytes, bytes]:
    """Bounds of the ids that these days can have: from the one, below the other.

    Days outside of those that ids can count have none.
    """
    lowest = min(max(0, first.toordinal() - _EPOCH), _LAST)
    beyond = min(max(1, last.toordinal() - _EPOCH + 1), _LAST)
    return lowest.to_bytes(_DAY_BYTES, "big"), beyond.to_bytes(_DAY_BYTES, "big")


def parse_id(text: str) -> bytes:
    """The id in lower-case hex; what cannot be one is as unknown as any: MA-4101."""
    try:
        identity = bytes.fromhex(text)
    except ValueError:
        raise RequestRefused("MA-4101") from None
    if len(identity) != ID_BYTES or identity.hex() != text:
        raise RequestRefused("MA-4101")
    return identity

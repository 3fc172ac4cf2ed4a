"""Personal numbers where they do not belong: recognised, refused, never echoed.

A resident identity number has 17 digits and a check character (GB 11643-1999,
ISO 7064 MOD 11-2): area, birth date, sequence, check.
"""

from __future__ import annotations

import re
from datetime import date

from stdnum.cn import ric
from stdnum.exceptions import ValidationError

#: GB/T 2260 province prefixes, and 9 for foreigners' permanent residence cards.
#: Counties are not looked up: abolished ones still stand in valid numbers.
_PROVINCES = frozenset(
    (
        *range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47),
        *range(50, 55), *range(61, 66), 71, 81, 82, 83,
    )
)  # fmt: skip
_LENGTH = 18
#: Nobody who was born before is still on a bill.
_FIRST_BIRTH = date(1850, 1, 1)
#: Look-ahead, so that numbers hidden inside longer runs of digits are found too.
_CANDIDATES = re.compile(r"(?=([0-9]{17}[0-9Xx]))")
_FORM = re.compile(r"[0-9]{17}[0-9X]")
#: What numbers of visits, bills, keys and operators may hold besides letters.
_SEPARATORS = re.compile(r"[._:/-]")


def check_digit_holds(number: str) -> bool:
    """Whether an 18-character number has the form and check digit of GB 11643."""
    return (
        _FORM.fullmatch(number) is not None
        and ric.calc_check_digit(number) == number[-1]
    )


def _is_resident_id(candidate: str, today: date) -> bool:
    if int(candidate[:2]) not in _PROVINCES and candidate[0] != "9":
        return False
    if not check_digit_holds(candidate):
        return False
    try:
        born = ric.get_birth_date(candidate)
    except ValidationError:
        return False
    return _FIRST_BIRTH <= born <= today


def holds_identity(text: str, card_number: str | None, today: date) -> bool:
    """Whether the text contains the card's number or any resident identity number.

    Nobody has one with a birth date after `today`, the day of asking. Letters compare
    without case. The card's number is found through separators too; of other numbers
    only unbroken ones count, because `facility-date-sequence` has the shape of an
    identity number, and one in eleven its check digit. API.md, "Personal data";
    ADR 0029.
    """
    if card_number is not None and len(text) >= len(card_number):
        bare = text if text.isalnum() else _SEPARATORS.sub("", text)
        if card_number.upper() in bare.upper():
            return True
    if len(text) < _LENGTH:
        return False
    return any(
        _is_resident_id(match.group(1).upper(), today)
        for match in _CANDIDATES.finditer(text)
    )

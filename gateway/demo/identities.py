"""Identity and card numbers that have the right form and belong to nobody.

Every number starts with region 99, which GB/T 2260 gives to no province, so none
can be a real person's; the check digit is right all the same (GB 11643, ISO 7064
MOD 11-2), because the gateway refuses numbers whose check digit is wrong.
"""

from __future__ import annotations

from datetime import date

#: No province has this code.
FICTIONAL_PROVINCE = "99"
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "10X98765432"


def check_digit(first_17: str) -> str:
    """The 18th character of a resident identity number (GB 11643 section 5)."""
    weighted = sum(
        int(digit) * weight for digit, weight in zip(first_17, _WEIGHTS, strict=True)
    )
    return _CHECK_DIGITS[weighted % 11]


def id_number(region: str, birth_on: date, sequence: int) -> str:
    """A resident identity number: six digits of region, birth date, 0 to 999."""
    first_17 = f"{region}{birth_on:%Y%m%d}{sequence:03d}"
    return first_17 + check_digit(first_17)


def card_number(letter: str, sequence: int) -> str:
    """A social security card's number: a letter and eight digits."""
    return f"{letter}{sequence:08d}"

"""Money as integer fen and rates as parts per million: exact, no float, no division.

1 yuan = 100 fen; 100 % = 1,000,000 ppm. Texts are the ones that decrees use:
`8000元`, `64.50元`, `80%`.
"""

from __future__ import annotations

import re

#: 100 % in parts per million.
WHOLE_PPM = 1_000_000

#: What is added before the fractions of a fen are cut off: rounding as a number.
HALF_UP = 500_000
DOWN = 0

_FEN_PER_YUAN = 100
_PPM_PER_PERCENT = 10_000

# Formatting is the dearest part of an explanation: the decimals are made once, and
# amounts without a separator, nearly all, take a shorter way.
_CENTS = tuple(f".{fen:02d}" for fen in range(100))
_THOUSAND_YUAN_FEN = 100_000

_YUAN = re.compile(r"(0|[1-9][0-9]{0,8})(?:\.([0-9]{1,2}))?元")
_PERCENT = re.compile(r"(0|[1-9][0-9]{0,2})(?:\.([0-9]{1,4}))?%")


def share(amount_fen: int, rate_ppm: int, rounding: int = HALF_UP) -> int:
    """The share of an amount in fen: `HALF_UP` (四舍五入) or `DOWN` (舍去) to the fen.

    Exact for every amount >= 0; never above the amount for a rate <= 100 %.
    """
    return (amount_fen * rate_ppm + rounding) // WHOLE_PPM


def parse_yuan(text: str) -> int | None:
    """Fen of an amount such as `8000元` or `64.50元`; `None` for anything else.

    At most nine digits before and two after the point; no sign, no separators.
    """
    match = _YUAN.fullmatch(text)
    if match is None:
        return None
    yuan, fen = match.groups(default="")
    return int(yuan) * _FEN_PER_YUAN + int(fen.ljust(2, "0"))


def parse_percent(text: str) -> int | None:
    """Parts per million of a rate such as `80%` or `33.3333%`; `None` otherwise.

    At most four digits after the point. The value may exceed 100 %: what a rate may
    be is for the caller to say.
    """
    match = _PERCENT.fullmatch(text)
    if match is None:
        return None
    percent, decimals = match.groups(default="")
    return int(percent) * _PPM_PER_PERCENT + int(decimals.ljust(4, "0"))


def yuan_text(amount_fen: int) -> str:
    """An amount >= 0 as people read it, without the unit: `8,000.00`."""
    if amount_fen < _THOUSAND_YUAN_FEN:
        return f"{amount_fen // 100}{_CENTS[amount_fen % 100]}"
    return f"{amount_fen // 100:,}{_CENTS[amount_fen % 100]}"


def percent_text(rate_ppm: int) -> str:
    """A rate as people read it, without the sign: `80`, `33.3333`."""
    whole, rest = divmod(rate_ppm, _PPM_PER_PERCENT)
    return f"{whole}.{rest:04d}".rstrip("0") if rest else str(whole)

"""Yuan on the wire, fen inside: exact both ways, and never a float.

National amounts are num(16,2) and arrive as numbers or as text.
"""

from __future__ import annotations

import re
from decimal import Decimal

from settlement.domain.bill import MAX_AMOUNT_FEN

FEN_IN_YUAN = 100
#: Of a number before its point; the largest sum has fewer.
_MOST_DIGITS = 14
#: Digits with at most two places that say something; more places may only be zeros.
_YUAN = re.compile(r"(-?)([0-9]{1,14})(?:\.([0-9]{0,2})0{0,8})?")


class AmountFault(ValueError):
    """No amount of yuan; `reason` is the code that says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def fen_of(value: object) -> int:
    """The fen of an amount as the reader of JSON gives it: int, Decimal or text.

    Raises `AmountFault`: MA-1203 for what is no amount with at most two places,
    MA-1110 for more than any bill has, and below zero.
    """
    fen = signed_fen_of(value)
    if fen < 0:
        raise AmountFault("MA-1110")
    return fen


def signed_fen_of(value: object) -> int:
    """As `fen_of`, of a sum or of an amount that is taken back."""
    # A boolean is an integer to Python, and no amount to anybody.
    if type(value) is int:
        fen = value * FEN_IN_YUAN
    elif isinstance(value, Decimal):
        fen = _of_number(value)
    elif isinstance(value, str):
        fen = _of_text(value.strip())
    else:
        raise AmountFault("MA-1203")
    if abs(fen) > MAX_AMOUNT_FEN * FEN_IN_YUAN * FEN_IN_YUAN:
        raise AmountFault("MA-1110")
    return fen


def _of_number(number: Decimal) -> int:
    if number.adjusted() >= _MOST_DIGITS:
        raise AmountFault("MA-1203")
    scaled = number.scaleb(2)
    fen = int(scaled)
    if fen != scaled:
        raise AmountFault("MA-1203")
    return fen


def _of_text(text: str) -> int:
    found = _YUAN.fullmatch(text)
    if found is None:
        raise AmountFault("MA-1203")
    sign, yuan, cents = found.groups("")
    fen = int(yuan) * FEN_IN_YUAN + int(f"{cents}00"[:2])
    return -fen if sign else fen


def yuan_of(fen: int) -> str:
    """The amount with two places, as JSON and file rows write it: `-12.30`."""
    sign = "-" if fen < 0 else ""
    yuan, cents = divmod(abs(fen), FEN_IN_YUAN)
    return f"{sign}{yuan}.{cents:02d}"

"""Yuan on the wire, fen inside: exact both ways, and never a float.

National amounts are num(16,2) and arrive as numbers or as text.
"""

from __future__ import annotations

import re
from decimal import Decimal

import orjson

from gateway.his.json_body import Number
from settlement.domain.bill import MAX_AMOUNT_FEN

FEN_IN_YUAN = 100
_PLACES = 2
#: Before the point: no more than any bill has.
_USUAL_DIGITS = 7
#: What up to two places are worth.
_CENTS = {"": 0} | {f"{ten}": ten * 10 for ten in range(10)} | {
    f"{fen:02d}": fen for fen in range(FEN_IN_YUAN)
}  # fmt: skip
#: Of a number before its point; the largest sum has fewer.
_MOST_DIGITS = 14
#: Digits with at most two places that say something; more places may only be zeros.
_YUAN = re.compile(r"(-?)([0-9]{1,14})(?:\.([0-9]{0,2})0{0,8})?")


class AmountFault(ValueError):
    """No amount of yuan; `reason` is the code that says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def usual_fen(value: object) -> int | None:
    """The fen of an amount as nearly every system writes it; `None`: look closer."""
    if type(value) is Number:
        text = str(value)
    elif type(value) is str and value.isascii():
        text = value
    else:
        return None
    yuan, _, places = text.partition(".")
    cents = _CENTS.get(places)
    if cents is None or not yuan.isdigit() or len(yuan) > _USUAL_DIGITS:
        return None
    return int(yuan) * FEN_IN_YUAN + cents


def fen_of(value: object) -> int:
    """The fen of an amount as the reader of JSON gives it: int, `Number` or text.

    Raises `AmountFault`: MA-1203 for what is no amount with at most two places,
    MA-1110 for more than any bill has, and below zero.
    """
    fen = signed_fen_of(value)
    if fen < 0:
        raise AmountFault("MA-1110")
    return fen


def signed_fen_of(value: object) -> int:
    """As `fen_of`, of a sum or of an amount that is taken back."""
    usual = usual_fen(value)
    if usual is not None:
        return usual
    # A boolean is an integer to Python, and no amount to anybody.
    if type(value) is int:
        fen = value * FEN_IN_YUAN
    elif isinstance(value, Number):
        fen = _of_number(str(value))
    elif isinstance(value, str):
        fen = _of_text(value.strip())
    else:
        raise AmountFault("MA-1203")
    if abs(fen) > MAX_AMOUNT_FEN * FEN_IN_YUAN * FEN_IN_YUAN:
        raise AmountFault("MA-1110")
    return fen


def _of_number(text: str) -> int:
    """Of a JSON number: an exponent is a way to write one, if it stays small."""
    try:
        number = Decimal(text)
    except ArithmeticError:
        raise AmountFault("MA-1203") from None
    if not -_MOST_DIGITS < number.adjusted() < _MOST_DIGITS:
        raise AmountFault("MA-1203")
    scaled = number.scaleb(_PLACES)
    fen = int(scaled)
    if fen != scaled:
        raise AmountFault("MA-1203")
    return fen


def _of_text(text: str) -> int:
    found = _YUAN.fullmatch(text)
    if found is None:
        raise AmountFault("MA-1203")
    sign, yuan, cents = found.groups("")
    fen = int(yuan) * FEN_IN_YUAN + int(f"{cents}00"[:_PLACES])
    return -fen if sign else fen


def amount(fen: int) -> orjson.Fragment:
    """A JSON number of yuan with two places."""
    return orjson.Fragment(yuan_of(fen))


def yuan_of(fen: int) -> str:
    """The amount with two places, as JSON and file rows write it: `-12.30`."""
    sign = "-" if fen < 0 else ""
    yuan, cents = divmod(abs(fen), FEN_IN_YUAN)
    return f"{sign}{yuan}.{cents:02d}"

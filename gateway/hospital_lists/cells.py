"""One cell of a list: a number of ours, an amount, a flag, or what is wrong with it.

No amount is ever a float: texts are read digit by digit, and a spreadsheet's number
by the shortest text that stands for it.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from enum import Enum

from gateway.identity import holds_identity
from settlement.domain.bill import MAX_AMOUNT_FEN


class Unit(Enum):
    """What a column's amounts are written in."""

    YUAN = "yuan"
    FEN = "fen"


class CellFault(Exception):
    """The cell cannot be read; the message is the code and never the value."""

    def __init__(self, reason: str) -> None:
        """Carry the code MA-64xx."""
        super().__init__(reason)
        self.reason = reason


#: Stands for a number of which a spreadsheet has kept the first 15 digits alone.
LOST = "\ufffd"
#: What visit numbers and keys are made of, as the gateway takes them.
_NAME = re.compile(r"[A-Za-z0-9._:/-]{1,64}")
_OUR_ID = re.compile(r"[0-9A-Fa-f]{32}")
#: `1234.5`, `-.50` (as Oracle writes it), `1,234.50`, `25.0000` (SQL Server's money).
_AMOUNT = re.compile(r"([+-]?)([0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?:\.([0-9]*))?")
#: Longer runs of digits are out of range in any unit.
_DIGITS_MAX = 15
_FEN_DIGITS = 2
_FLAGS = {
    **dict.fromkeys(("", "0", "n", "no", "false", "否"), False),
    **dict.fromkeys(("1", "y", "yes", "true", "是"), True),
}


def plain(cell: str) -> str:
    """Full-width as ASCII, no outer spaces or quotes; `null` is empty."""
    text = cell if cell.isascii() else unicodedata.normalize("NFKC", cell)
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].strip()
    return "" if text.lower() == "null" else text


def name(cell: str, today: date) -> str:
    """A settlement id, visit number or key; empty where the list has none."""
    text = plain(cell)
    if not text:
        return ""
    if _OUR_ID.fullmatch(text):
        return text.lower()
    if not _NAME.fullmatch(text):
        raise CellFault("MA-6411" if text == LOST else "MA-6403")
    if holds_identity(text, None, today):
        raise CellFault("MA-6404")
    return text


def amount(cell: str, unit: Unit) -> int:
    """Fen; zeros behind the second decimal change nothing, another digit is refused."""
    text = plain(cell)
    if not text:
        raise CellFault("MA-6405")
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise CellFault("MA-6408" if text == LOST else "MA-6406")
    sign, whole, decimals = match.group(1), match.group(2), match.group(3) or ""
    whole = whole.replace(",", "")
    if not whole and not decimals:
        raise CellFault("MA-6406")
    if len(whole) > _DIGITS_MAX:
        raise CellFault("MA-6408")
    places = _FEN_DIGITS if unit is Unit.YUAN else 0
    if decimals[places:].strip("0"):
        raise CellFault("MA-6407")
    fen = int((whole or "0") + decimals[:places].ljust(places, "0"))
    if fen > MAX_AMOUNT_FEN:
        raise CellFault("MA-6408")
    return -fen if sign == "-" else fen


def flag(cell: str) -> bool:
    """Whether the line is a refund; an empty cell says no."""
    known = _FLAGS.get(plain(cell).lower())
    if known is None:
        raise CellFault("MA-6409")
    return known

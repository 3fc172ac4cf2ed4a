"""One line of a roster file: tokens and windows, or why it is refused.

Values are read here and nowhere else; what leaves is tokens, dates, categories and
sub-districts. A refusal names line, column and reason, never the value.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache

from stdnum.cn import ric

from crypto.tokens import Tokenizer
from eligibility_cache.value_class import value_class
from settlement.domain.bill import CardKind
from settlement.domain.policy.spelling import normal_spelling
from settlement.domain.roster import RefusedRow, RosterRow

REQUIRED_COLUMNS = (
    "action",
    "card_number",
    "id_number",
    "name",
    "household_id",
    "category",
    "subdistrict",
    "valid_from",
    "valid_to",
    "note",
)
OPTIONAL_COLUMNS = ("birth_date", "death_date")

#: What a text holds that was not UTF-8.
_UNDECODED = "\ufffd"
_ID_LENGTH = 18
_FIRST_GENERATION = re.compile(r"[0-9]{15}")
#: Spellings of cells that are remembered; there are hundreds, not millions.
_CELLS_KEPT = 10_000
_ID_NUMBER = re.compile(r"[0-9]{17}[0-9X]")
_CARD_NUMBER = re.compile(r"[0-9A-Z]{4,32}")
_SUBDISTRICT = re.compile(r"[0-9]{9}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
#: "低保,特困" in one cell means two categories.
_BETWEEN_CATEGORIES = re.compile(r"[,;、|/]")


class _FieldFault(Exception):
    def __init__(self, column: str, reason: str) -> None:
        super().__init__(column, reason)
        self.column = column
        self.reason = reason


class RowReader:
    """Reads the fields of one line after another; deterministic."""

    def __init__(
        self,
        header: Sequence[str],
        tokenizer: Tokenizer,
        categories: Mapping[str, str],
        subdistricts: frozenset[str] | None = None,
    ) -> None:
        """Take the header, complete and without unknown names, and the spellings.

        `subdistricts`: the codes that there are; `None`: nobody has said.
        """
        self._subdistricts = subdistricts
        self._width = len(header)
        self._at = {name: index for index, name in enumerate(header)}
        self._tokenizer = tokenizer
        self._spellings = {
            normal_spelling(spelling): category
            for spelling, category in categories.items()
        }
        self._cells: dict[str, tuple[str, ...]] = {}

    def read(
        self, line: int, fields: Sequence[str]
    ) -> tuple[RosterRow, ...] | RefusedRow:
        """The windows that the line names, one for each category, or a refusal."""
        if len(fields) != self._width:
            return self._broken(line, ",".join(fields), "MA-6202")
        try:
            return self._rows(line, fields)
        except _FieldFault as fault:
            return RefusedRow(
                line,
                fault.column,
                fault.reason,
                self._probable_person(fields),
                self._probable_card(fields),
                value_class(fields[self._at[fault.column]]),
            )

    def refuse(self, line: int, text: str) -> RefusedRow:
        """The refusal of a line that is no CSV."""
        return self._broken(line, text, "MA-6201")

    def _broken(self, line: int, text: str, reason: str) -> RefusedRow:
        """A line without columns; whose it is shows only by the identity number."""
        for found in _ID_NUMBER.finditer(_plain(text).upper()):
            if _has_check_digit(found[0]):
                person = self._tokenizer.person(found[0])
                return RefusedRow(line, "", reason, person)
        return RefusedRow(line, "", reason)

    def _rows(self, line: int, fields: Sequence[str]) -> tuple[RosterRow, ...]:
        removes = self._action(fields)
        person = self._tokenizer.person(self._id_number(fields))
        card = self._card(fields)
        household = self._field(fields, "household_id")
        household_token = self._tokenizer.household(household) if household else b""
        categories = self._categories(fields, removes=removes)
        valid_from = self._date(fields, "valid_from")
        if valid_from is None and not removes:
            raise _FieldFault("valid_from", "MA-6203")
        valid_to = self._date(fields, "valid_to")
        if valid_from and valid_to and valid_to < valid_from:
            raise _FieldFault("valid_to", "MA-6210")
        subdistrict = self._subdistrict(fields)
        for column in OPTIONAL_COLUMNS:
            if column in self._at:
                self._date(fields, column)
        return tuple(
            RosterRow(
                line,
                removes,
                person,
                card,
                household_token,
                category,
                valid_from,
                valid_to,
                subdistrict,
            )
            for category in categories
        )

    def _field(self, fields: Sequence[str], column: str) -> str:
        return _plain(fields[self._at[column]])

    def _action(self, fields: Sequence[str]) -> bool:
        """Whether the line removes."""
        action = self._field(fields, "action").lower()
        if action == "upsert":
            return False
        if action == "remove":
            return True
        raise _FieldFault("action", "MA-6204" if action else "MA-6203")

    def _id_number(self, fields: Sequence[str]) -> str:
        number = self._field(fields, "id_number").upper()
        if not number:
            raise _FieldFault("id_number", "MA-6203")
        # The area is not looked up: abolished counties still stand in valid numbers.
        if not (_ID_NUMBER.fullmatch(number) and _has_check_digit(number)):
            raise _FieldFault("id_number", _id_fault(number))
        return number

    def _card(self, fields: Sequence[str]) -> bytes | None:
        """Token of the card; a person may be on the roster without one."""
        number = self._field(fields, "card_number").upper()
        if not number:
            return None
        if not _CARD_NUMBER.fullmatch(number):
            raise _FieldFault("card_number", "MA-6207")
        return self._tokenizer.card(CardKind.SOCIAL_SECURITY_CARD.value, number)

    def _categories(
        self, fields: Sequence[str], *, removes: bool
    ) -> tuple[str | None, ...]:
        cell = fields[self._at["category"]]
        known = self._cells.get(cell)
        if known is not None:
            return known
        if not cell.strip():
            if removes:
                return (None,)
            raise _FieldFault("category", "MA-6203")
        found = self._spelled(cell)
        if len(self._cells) < _CELLS_KEPT:
            self._cells[cell] = found
        return found

    def _spelled(self, cell: str) -> tuple[str, ...]:
        if _UNDECODED in cell:
            raise _FieldFault("category", "MA-6201")
        whole = self._spellings.get(normal_spelling(cell))
        if whole is not None:
            return (whole,)
        parts = _BETWEEN_CATEGORIES.split(unicodedata.normalize("NFKC", cell))
        found = [self._spellings.get(normal_spelling(part)) for part in parts]
        named = tuple(dict.fromkeys(name for name in found if name is not None))
        if None in found:
            raise _FieldFault("category", "MA-6208")
        return named

    def _date(self, fields: Sequence[str], column: str) -> date | None:
        text = fields[self._at[column]]
        if not text:
            return None
        day = _day(text)
        if day is None and text.strip():
            raise _FieldFault(column, "MA-6209")
        return day

    def _subdistrict(self, fields: Sequence[str]) -> str:
        code = self._field(fields, "subdistrict")
        if code and not _SUBDISTRICT.fullmatch(code):
            raise _FieldFault("subdistrict", "MA-6211")
        if code and self._subdistricts is not None and code not in self._subdistricts:
            raise _FieldFault("subdistrict", "MA-6212")
        return code

    def _probable_person(self, fields: Sequence[str]) -> bytes | None:
        """Whom a refused line seems to mean, for them to keep their state."""
        number = self._field(fields, "id_number")
        return self._tokenizer.person(number) if number else None

    def _probable_card(self, fields: Sequence[str]) -> bytes | None:
        number = self._field(fields, "card_number")
        kind = CardKind.SOCIAL_SECURITY_CARD.value
        return self._tokenizer.card(kind, number) if number else None


def _plain(text: str) -> str:
    """Full-width digits and letters as ASCII, without outer spaces."""
    if text.isascii():
        return text.strip()
    return unicodedata.normalize("NFKC", text).strip()


def _id_fault(number: str) -> str:
    """Why a number is none: a stable code for each of the field's mistakes.

    A number of the first generation is not lengthened: it has no check digit, so a
    slip of the pen would make it another person's.
    """
    if _FIRST_GENERATION.fullmatch(number):
        return "MA-6216"
    if len(number) != _ID_LENGTH:
        return "MA-6205"
    if not _ID_NUMBER.fullmatch(number):
        return "MA-6218"
    return "MA-6217" if _born(number) is None else "MA-6206"


def _born(number: str) -> date | None:
    return _day(f"{number[6:10]}-{number[10:12]}-{number[12:14]}")


def _has_check_digit(number: str) -> bool:
    """GB 11643-1999: ISO 7064 MOD 11-2 and a birth date that exists."""
    return ric.calc_check_digit(number) == number[-1] and _born(number) is not None


@lru_cache(maxsize=100_000)
def _day(text: str) -> date | None:
    """A day `YYYY-MM-DD`, and nothing else that Python would read."""
    plain = _plain(text)
    if not _DATE.fullmatch(plain):
        return None
    try:
        return date.fromisoformat(plain)
    except ValueError:
        return None

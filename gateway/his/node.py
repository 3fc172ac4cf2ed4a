"""One node of `input`, read strictly: every fault at once, by its path.

Unknown fields are ignored, because every province adds some; what is read must be
what the field tables say, in type, length and form.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from gateway.his.json_body import Number
from gateway.his.money import AmountFault, fen_of, signed_fen_of, usual_fen
from gateway.wire_faults import Faults
from settlement.domain.bill import MAX_AMOUNT_FEN

_MISSING = "MA-1120"
_WRONG_TYPE = "MA-1128"
_TOO_LONG = "MA-1126"
_NOT_ALLOWED = "MA-1123"
_NO_DAY = "MA-1210"
_TOO_MUCH = "MA-1110"
_FIRST_YEAR = 1900
_DAY_CHARS = 10
#: As nearly everybody writes it: read without `strptime`, which is slow.
_USUAL = re.compile(
    r"((?:19|[2-9][0-9])[0-9]{2}-[0-9]{2}-[0-9]{2})"
    r"(?: (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])?"
)
_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d")


class Node:
    """A JSON object at a path; faults gather in the one list of the request."""

    def __init__(self, value: object, path: str, faults: Faults) -> None:
        """What is no object is a fault, and reads as an empty one."""
        self.path = path
        self.faults = faults
        self.is_there = isinstance(value, Mapping)
        self._values: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        if not self.is_there:
            faults.add(path, _MISSING if value is None else _WRONG_TYPE)

    def refuse(self, name: str, reason: str) -> None:
        """Note a fault of one field."""
        self.faults.add(f"{self.path}.{name}", reason)

    def is_sound(self, *names: str) -> bool:
        """Whether no fault of these fields is known: one says nothing of another."""
        if not self.faults:
            return True
        return not any(self.faults.has(f"{self.path}.{name}") for name in names)

    def has(self, name: str) -> bool:
        """Whether the field says something: null and blanks are as good as left out."""
        value = self._values.get(name)
        if isinstance(value, str):
            return bool(value) and not value.isspace()
        return value is not None

    def raw(self, name: str) -> Any:
        """The value as it came; `None` where it is left out."""
        return self._values.get(name)

    def text(self, name: str, most: int, *, required: bool = True) -> str:
        """A char field of at most so many characters; numbers are read as text."""
        value = self._values.get(name)
        if value is None:
            value = ""
        elif type(value) is not str:
            if isinstance(value, bool) or not isinstance(value, int | Number):
                self.refuse(name, _WRONG_TYPE)
                return ""
            value = str(value)
        text = value.strip()
        if not text:
            if required and self.is_there:
                self.refuse(name, _MISSING)
        elif len(text) > most or not text.isprintable():
            self.refuse(name, _TOO_LONG)
            return ""
        return text

    def code(self, name: str, allowed: Mapping[str, Any], most: int = 6) -> str:
        """A required char field with one of the values; empty where it is none."""
        text = self.text(name, most)
        if text and text not in allowed:
            self.refuse(name, _NOT_ALLOWED)
            return ""
        return text

    def fen(self, name: str, *, required: bool = False) -> int:
        """An amount of yuan in fen; left out is zero unless it is required."""
        value = self._values.get(name)
        usual = usual_fen(value)
        if usual is not None:
            return usual
        if not self.has(name):
            if required and self.is_there:
                self.refuse(name, _MISSING)
            return 0
        try:
            fen = fen_of(value)
        except AmountFault as fault:
            self.refuse(name, fault.reason)
            return 0
        if fen > MAX_AMOUNT_FEN:
            self.refuse(name, _TOO_MUCH)
            return 0
        return fen

    def signed_fen(self, name: str, *, required: bool = True) -> int:
        """A sum of many bills, which reversals may have made negative."""
        if not self.has(name):
            if required and self.is_there:
                self.refuse(name, _MISSING)
            return 0
        try:
            return signed_fen_of(self._values[name])
        except AmountFault as fault:
            self.refuse(name, fault.reason)
            return 0

    def day(self, name: str, *, required: bool = True) -> date | None:
        """The day of a date or of a datetime, in the calendar of Asia/Shanghai."""
        text = self.text(name, 26, required=required)
        if not text:
            return None
        usual = _USUAL.fullmatch(text)
        if usual is not None:
            with contextlib.suppress(ValueError):
                return date.fromisoformat(usual[1])
        for form in _FORMS:
            try:
                found = datetime.strptime(text, form)  # noqa: DTZ007  # a wall clock's
            except ValueError:
                continue
            if found.year >= _FIRST_YEAR:
                return found.date()
        self.refuse(name, _NO_DAY)
        return None

    def days(self, first: str, last: str, most: int) -> tuple[date, date] | None:
        """A stretch of days, both ends included; faults as version 1 names them."""
        begin, end = self.day(first), self.day(last)
        if begin is None or end is None:
            return None
        if end < begin:
            self.refuse(last, "MA-1136")
            return None
        if end - begin >= timedelta(days=most):
            self.refuse(last, "MA-1137")
            return None
        return begin, end

    def node(self, name: str) -> Node:
        """An object within, which must be there."""
        return Node(self._values.get(name), f"{self.path}.{name}", self.faults)

    def rows(self, name: str, most: int) -> list[Node]:
        """An array of objects; left out is empty, and one object alone is an array."""
        value = self._values.get(name)
        if value is None:
            return []
        rows = value if isinstance(value, list) else [value]
        if len(rows) > most:
            self.refuse(name, _TOO_LONG)
            return []
        return [
            Node(row, f"{self.path}.{name}[{place}]", self.faults)
            for place, row in enumerate(rows)
        ]

    def values(self) -> Mapping[str, Any]:
        """All fields as they came, to be given back as they are."""
        return self._values

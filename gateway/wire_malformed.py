"""Where a body stops being JSON: the path of the first place that cannot be read.

Only for bodies that are refused already, so that the answer names a field. Strict
by RFC 8259, and by RFC 7493 in that text must be Unicode: no half of a surrogate
pair, no byte that is not UTF-8, no mark before the first brace.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from gateway.wire_faults import WHOLE_BODY, joined, shown_name
from settlement.domain.bill import BillFault

#: The codes of an integer that is too long to be read, of an amount and of others.
TOO_LONG = frozenset({"MA-1110", "MA-1130"})

_SYNTAX, _CHARACTER = "MA-1101", "MA-1126"
#: pydantic reads no deeper and Python no longer integer.
_MAX_DEPTH = 200
_MAX_DIGITS = 4300
#: No request of ours is deeper.
_SHOWN_STEPS = 4

_SPACES = frozenset(" \t\n\r")
_END = ""
_STRING = re.compile(
    r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"'
)
#: As far as a text goes: its end is a quote, a wrong escape or a control character.
_OPEN_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\[^\x00-\x1f])*')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"true|false|null")
#: How numbers and constants of other languages and scripts begin or go on.
_NUMBER_LIKE = re.compile(r"[-+.\w]")


@dataclass(slots=True)
class _Reading:
    """How far the text has been read, and in which members and items that is."""

    text: str
    at: int = 0
    steps: list[str | int | None] = field(default_factory=list)
    """One for each open object and list: name or index; `None` before a name."""
    awaits_name: bool = False

    def to_token(self) -> str:
        """Step over white space; the character that comes then, or `_END`."""
        while self.text[self.at : self.at + 1] in _SPACES:
            self.at += 1
        return self.text[self.at : self.at + 1]

    def path(self) -> str:
        """Where it is, as errors name it."""
        path = ""
        for step in self.steps[:_SHOWN_STEPS]:
            if step is None:
                break
            path = f"{path}[{step}]" if isinstance(step, int) else joined(path, step)
        return path or WHOLE_BODY


def unreadable_place(raw: bytes) -> BillFault:
    """The first place that cannot be read, with the code of what is wrong there.

    One of `TOO_LONG` for an integer of more digits than are read, MA-1126 for a
    character, the code of the member's kind for a number, MA-1101 for the rest.
    """
    text, end, reason = _end_of_json(raw)
    reading = _Reading(text)
    for token in iter(reading.to_token, _END):
        if reading.at >= end:
            break
        found = _token(reading, token)
        if found is not None:
            return BillFault(reading.path(), found)
    if reason == _SYNTAX and _NUMBER_LIKE.match(text, end):
        reason = _number_fault(reading)
    return BillFault(reading.path(), reason)


def _end_of_json(raw: bytes) -> tuple[str, int, str]:
    """The text, up to where its grammar holds, and what is wrong there."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        text = raw[: error.start].decode("utf-8")
        return text, len(text), _CHARACTER
    if text.startswith("\ufeff"):
        return text, 0, _CHARACTER
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return text, error.pos, _SYNTAX
    except (ValueError, RecursionError):
        # Too many digits or too deep: found while reading.
        pass
    return text, len(text), _SYNTAX


def _token(reading: _Reading, mark: str) -> str | None:
    """Read the token that begins so; returns the code of what is wrong with it."""
    if mark == '"':
        return _string(reading)
    if mark in "{[":
        reading.steps.append(None if mark == "{" else 0)
        reading.awaits_name = mark == "{"
        reading.at += 1
        return _SYNTAX if len(reading.steps) > _MAX_DEPTH else None
    if mark in "}]":
        del reading.steps[-1:]
        reading.awaits_name = False
        reading.at += 1
        return None
    if mark in ",:":
        _next(reading, mark)
        return None
    return _scalar(reading)


def _next(reading: _Reading, mark: str) -> None:
    reading.at += 1
    reading.awaits_name = False
    if mark == "," and reading.steps:
        last = reading.steps[-1]
        if isinstance(last, int):
            reading.steps[-1] = last + 1
        else:
            reading.steps[-1] = None
            reading.awaits_name = True


def _string(reading: _Reading) -> str | None:
    match = _STRING.match(reading.text, reading.at)
    if match is None:
        open_string = _OPEN_STRING.match(reading.text, reading.at)
        reading.at = reading.at if open_string is None else open_string.end()
        after = reading.text[reading.at : reading.at + 1]
        if after == _END:
            # What is wrong is what follows: a byte that is not UTF-8.
            return None
        return _CHARACTER if after < " " else _SYNTAX
    reading.at = match.end()
    value = json.loads(match[0])
    if reading.awaits_name:
        reading.steps[-1] = shown_name(value)
    return None if _is_unicode(value) else _CHARACTER


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _scalar(reading: _Reading) -> str | None:
    match = _WORD.match(reading.text, reading.at)
    if match is not None:
        reading.at = match.end()
        return None
    match = _NUMBER.match(reading.text, reading.at)
    if match is None:
        return _number_fault(reading)
    reading.at = match.end()
    digits = match[0].removeprefix("-")
    if len(digits) > _MAX_DIGITS and digits.isdigit():
        return "MA-1110" if _is_amount(reading) else "MA-1130"
    return None


def _number_fault(reading: _Reading) -> str:
    """A number not written as JSON: by the kind of the member it stands for."""
    return "MA-1122" if _is_amount(reading) else _SYNTAX


def _is_amount(reading: _Reading) -> bool:
    name = reading.steps[-1] if reading.steps else None
    return isinstance(name, str) and name.endswith("_fen")

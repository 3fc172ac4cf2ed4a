"""What a page of results may show: neither who somebody is, nor what is secret."""

from __future__ import annotations

import re
from collections.abc import Iterable

_STARS = "****"
_LEAST = 4
#: 17 digits and a check character that stand alone: an identity number.
_IDENTITY = re.compile(r"(?<![0-9A-Za-z])\d{17}[\dXx](?![0-9A-Za-z])")
_EDGE, _LONG = 2, 8


def masked(value: str) -> str:
    """First and last two characters of a long value; of a short one nothing."""
    if len(value) < _LONG:
        return _STARS if value else ""
    return value[:_EDGE] + _STARS + value[-_EDGE:]


class Masks:
    """Knows the values of this run that must not be shown."""

    def __init__(self, values: Iterable[str]) -> None:
        """Values that are known from the start: cards, secrets."""
        self._values: set[str] = set()
        for value in values:
            self.add(value)

    def add(self, value: object) -> None:
        """A value that came to be known, as a session's number or a person's."""
        text = f"{value or ''}"
        if len(text) >= _LEAST:
            self._values.add(text)

    def clean(self, text: str) -> str:
        """The text with each of them masked, also where somebody echoes it."""
        # The longest first: one may be within another.
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, masked(value))
        return _IDENTITY.sub(_STARS, text)

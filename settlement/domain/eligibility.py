"""Who may receive aid on a day: windows of a person on the roster, pure look-up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple


class Window(NamedTuple):
    """One stretch of days in which a person belongs to a category, ends included."""

    category: str
    """The category's id as policy packs name it, e.g. `dibao`."""
    valid_from: date
    valid_to: date | None
    """Last day, inclusive; `None` while open."""
    subdistrict: str
    """Nine digits; empty where the roster does not say."""

    def covers(self, day: date) -> bool:
        """Whether the day lies in the window."""
        return self.valid_from <= day and (
            self.valid_to is None or day <= self.valid_to
        )


class RosterPerson(NamedTuple):
    """One person as the cache or PostgreSQL holds them: tokens, no identifiers."""

    token: bytes
    """Keyed token of the identity number, 16 bytes."""
    household: bytes
    """Keyed token of the household, 16 bytes; empty where the roster has none."""
    windows: tuple[Window, ...]
    """Ascending by first day, then by category; none that covers no day."""


@dataclass(frozen=True, slots=True)
class RosterVersion:
    """Which state of the roster an answer rests on."""

    version: int
    as_of: str
    """RFC 3339 instant that the bureau's file describes."""


def windows_on(person: RosterPerson, day: date) -> tuple[Window, ...]:
    """The windows that cover the day; more than one for several identities."""
    return tuple(window for window in person.windows if window.covers(day))


def windows_during(
    person: RosterPerson,
    start: date,
    end: date,
    *,
    gained: bool = True,
    lost: bool = True,
) -> tuple[Window, ...]:
    """The windows whose identities count for a visit.

    Without `gained` none that begins after the visit's first day, without `lost`
    none that ends before its last. With both, as 京医保发〔2022〕37号 has it, every
    window that covers any day of the visit.
    """
    latest_begin = end if gained else start
    earliest_end = start if lost else end
    return tuple(
        [
            window
            for window in person.windows
            if window.valid_from <= latest_begin
            and (window.valid_to is None or earliest_end <= window.valid_to)
        ]
    )


def refusal(person: RosterPerson | None, end: date) -> str:
    """Why nobody with these windows is eligible up to the day: a reason code."""
    if person is None or not person.windows:
        return "MA-2101"
    if all(window.valid_from > end for window in person.windows):
        return "MA-2103"
    return "MA-2102"

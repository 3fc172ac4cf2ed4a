"""Who of the file's persons is on the roster, by a rule fixed by their ids.

The same id gives the same card, category and answer in every run and on every
machine; nothing of it is drawn by chance. All numbers are fictional: region 99 is
no province.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from gateway.demo.district import SUBDISTRICTS
from gateway.demo.identities import FICTIONAL_PROVINCE, id_number
from gateway.replay.visits import VisitRow

_PPM = 1_000_000
_SUBDISTRICT_DIGITS = 9
_VALID_FROM = date(2000, 1, 1)
_EARLIEST_BIRTH = date(1900, 1, 1)
_BIRTH_DAYS = 36_000


@dataclass(frozen=True, slots=True)
class RosterRule:
    """Which persons are eligible, and in which category."""

    eligible_ppm: int
    """Share of persons on the roster, in parts per million."""
    categories: Sequence[str]

    def category_of(self, person: str) -> str | None:
        """The person's category; `None` for who is on no roster."""
        digest = _digest("roster", person)
        share = int.from_bytes(digest[:8]) * _PPM >> 64
        if share >= self.eligible_ppm:
            return None
        return self.categories[int.from_bytes(digest[8:12]) % len(self.categories)]


def card_of(person: str) -> str:
    """The number of the person's social security card."""
    return "R" + _digest("card", person).hex()[:17].upper()


def household_of(household: str) -> str:
    """The household's number on the roster."""
    return "RH" + _digest("household", household).hex()[:16]


def facility_code_of(facility: str) -> str:
    """The code under which a facility of the file is registered."""
    return "RF-" + _digest("facility", facility).hex()[:16]


def level_of(facility: str) -> int:
    """The facility's level, 1 to 3."""
    return 1 + _digest("level", facility)[0] % 3


def subdistrict_of(reference: str, named: str = "") -> str:
    """The sub-district that the file names, or one of the demo district's."""
    if len(named) == _SUBDISTRICT_DIGITS and named.isascii() and named.isdigit():
        return named
    digest = _digest("subdistrict", reference)
    return SUBDISTRICTS[int.from_bytes(digest[:4]) % len(SUBDISTRICTS)].code


def roster_rows(
    firsts: Iterable[VisitRow], rule: RosterRule
) -> Iterable[tuple[str, ...]]:
    """Roster rows for the eligible persons; `firsts` holds one visit of each."""
    taken: set[str] = set()
    for visit in firsts:
        category = rule.category_of(visit.person)
        if category is None:
            continue
        identity = _identity(visit, taken)
        taken.add(identity)
        until = visit.roster_until
        yield (
            "upsert",
            card_of(visit.person),
            identity,
            "",
            household_of(visit.household) if visit.household else "",
            category,
            subdistrict_of(visit.person, visit.subdistrict),
            _VALID_FROM.isoformat(),
            "" if until is None else max(until, _VALID_FROM).isoformat(),
            "",
            "",
        )


def _identity(visit: VisitRow, taken: set[str]) -> str:
    """An identity number from the id; the next one where it is taken."""
    attempt = 0
    while True:
        digest = _digest(f"identity {attempt}", visit.person)
        region = f"{FICTIONAL_PROVINCE}{int.from_bytes(digest[:4]) % 10_000:04d}"
        birth_on = visit.birth_on or _EARLIEST_BIRTH + timedelta(
            days=int.from_bytes(digest[4:8]) % _BIRTH_DAYS
        )
        number = id_number(region, birth_on, int.from_bytes(digest[8:12]) % 1000)
        if number not in taken:
            return number
        attempt += 1


def _digest(purpose: str, reference: str) -> bytes:
    return hashlib.sha256(f"medaid replay {purpose}\n{reference}".encode()).digest()

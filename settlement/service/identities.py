"""Who somebody is to the scheme on a day: every valid identity, the best one first.

What a hospital's own program asks before it treats somebody as an aid patient. The
roster answers from the cache alone; the year's totals are advice, read without a lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from settlement.domain.bill import BillFault, Card, CardKind
from settlement.domain.calendar import shanghai_day
from settlement.domain.decision import PolicyRef, PotQuota, Text
from settlement.domain.eligibility import (
    RosterPerson,
    RosterVersion,
    Window,
    refusal,
    windows_on,
)
from settlement.domain.errors import RequestRefused
from settlement.service.eligibility import QuotaReader
from settlement.service.freshness import Freshness
from settlement.service.ports import EligibilitySource, Pack, PolicyBook, When
from settlement.service.request import Tokenizer, person_no_digest
from settlement.store.database import Database
from settlement.store.errors import StoreUnavailableError
from settlement.store.his_lookups import aid_of_year

#: A cashier has better things to wait for than advice.
_TOTALS_WITHIN_S = 2.0


class PersonSource(EligibilitySource, Protocol):
    """The cache, asked by a person's token too."""

    def person(self, token: bytes) -> tuple[RosterPerson | None, bool]:
        """The person with this token, and whether the cache can tell at all."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """One valid identity of a person."""

    window: Window
    text: Text
    national_code: str
    """`psn_idet_type`: the first that the pack names; empty where it names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the roster says of a person on a day."""

    day: date
    reason: str
    """MA-2100, or why there is no identity."""
    identities: tuple[Identity, ...]
    """The best first; none that is not valid on the day."""
    token: bytes | None
    """The person's; `None` for a card on no roster that is no identity number."""
    roster: RosterVersion | None
    roster_is_stale: bool


@dataclass(frozen=True, slots=True)
class YearTotals:
    """What a person has had in the year of a day, and may still have."""

    year: int
    aid_fen: int
    """Aid of the settlements in force, at every hospital."""
    quota: tuple[PotQuota, ...]
    """Pots of the best identity that is valid on the day."""


@dataclass(frozen=True, slots=True)
class ListedCategory:
    """A category of the pack in force, with the national codes that mean it."""

    text: Text
    national_codes: tuple[str, ...]


class Identities:
    """The use case; one object serves all requests of a process."""

    def __init__(
        self,
        cache: PersonSource,
        book: PolicyBook,
        tokenizer: Tokenizer,
        freshness: Freshness,
        database: Database,
    ) -> None:
        """Everything comes from outside."""
        self.tokenizer = tokenizer
        """Makes persons' numbers at the edge."""
        self._cache = cache
        self._book = book
        self._freshness = freshness
        self._database = database
        self._quotas = QuotaReader(database)

    def of_card(self, card: Card, day: date, when: When) -> Standing:
        """Who the card says it is.

        Raises `RequestRefused`: MA-2104 and MA-2106 where nobody can tell, MA-1112
        for a day to come, and MA-1117 or MA-5106 without a pack for the day.
        """
        person, can_tell = self._cache.person_of_card(card)
        token = None if person is None else person.token
        if token is None and card.kind is CardKind.RESIDENT_ID:
            token = self.tokenizer.card(card.kind, card.number)
        return self._standing(person, token, day, when, can_tell=can_tell)

    def of_person(self, token: bytes, day: date, when: When) -> Standing:
        """The same by the person's token."""
        person, can_tell = self._cache.person(token)
        return self._standing(person, token, day, when, can_tell=can_tell)

    def _standing(
        self,
        person: RosterPerson | None,
        token: bytes | None,
        day: date,
        when: When,
        *,
        can_tell: bool,
    ) -> Standing:
        # In the same step: later the cache may hold a newer version than the person's.
        roster = self._cache.roster_version()
        if day > shanghai_day(when.settled_at):
            raise RequestRefused("MA-1112", faults=(BillFault("day", "MA-1112"),))
        if not can_tell:
            raise RequestRefused("MA-2104", retry_after_s=5)
        self._freshness.require(roster, when.settled_at)
        windows = windows_on(person, day) if person else ()
        identities: tuple[Identity, ...] = ()
        if windows:
            pack = self._book.in_force_on(day, when.settled_at).pack
            identities = identities_of(pack, windows)
        return Standing(
            day=day,
            reason="MA-2100" if identities else refusal(person, day),
            identities=identities,
            token=token,
            roster=roster,
            roster_is_stale=self._freshness.is_stale(roster, when.settled_at),
        )

    async def totals(self, standing: Standing, when: When) -> YearTotals:
        """The year of the standing's day; raises MA-5101 or MA-5105 without database.

        Of somebody who has no identity any more only the aid is told.
        """
        if standing.token is None:
            raise ValueError("nobody knows whose totals these would be")
        pack = self._book.in_force_on(standing.day, when.settled_at).pack
        categories = [each.window.category for each in standing.identities]
        keys = pack.quota_keys(categories, standing.day) if categories else ()
        year, token = pack.year_of(standing.day), standing.token
        try:
            async with asyncio.timeout(_TOTALS_WITHIN_S):
                wanted = [(token, key.year, key.pot) for key in keys]
                found = await self._quotas.used(wanted) if wanted else {}
                aid_fen = await aid_of_year(self._database, token, year)
        except (StoreUnavailableError, TimeoutError) as error:
            raise RequestRefused("MA-5105", retry_after_s=2) from error
        used = {key: found.get((token, key.year, key.pot), 0) for key in keys}
        quota = pack.quota(categories, standing.day, used) if categories else ()
        return YearTotals(year, aid_fen, quota)

    def categories(
        self, day: date, when: When
    ) -> tuple[PolicyRef, list[ListedCategory]]:
        """The categories of the pack in force on a day, the best first."""
        pack = self._book.in_force_on(day, when.settled_at).pack
        listed = {each.id: each for each in pack.document.categories}
        return pack.ref, [
            ListedCategory(listed[category].title, listed[category].national_codes)
            for category in best_first(pack, list(listed))
        ]

    def is_person_of(self, id_number: str, token: bytes) -> bool:
        """Whether a resident identity number is that of the person."""
        return self.tokenizer.card(CardKind.RESIDENT_ID, id_number) == token

    def digest_of(self, psn_no: str) -> str:
        """A hospital's number of a person as settlements keep it, in hex."""
        return person_no_digest(psn_no, self.tokenizer).hex()


def identities_of(pack: Pack, windows: Sequence[Window]) -> tuple[Identity, ...]:
    """All of these windows as identities, in the pack's order of benefits."""
    codes = {each.id: each.national_codes for each in pack.document.categories}
    order = best_first(pack, [window.category for window in windows])
    return tuple(
        Identity(
            window,
            Text(*pack.category_text(category)),
            next(iter(codes.get(category, ())), ""),
        )
        for category in order
        for window in windows
        if window.category == category
    )


def best_first(pack: Pack, categories: Sequence[str]) -> list[str]:
    """Each category once, by benefits; those that the pack does not know come last."""
    left, ordered = list(dict.fromkeys(categories)), []
    while left:
        best = pack.best_category(left) or left[0]
        left.remove(best)
        ordered.append(best)
    return ordered

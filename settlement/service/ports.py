"""What the use cases need from outside and what they give back.

Shapes only: the store, the cache, the keys and the renderer satisfy them without
importing this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from settlement.domain.bill import Bill, Card
from settlement.domain.decision import (
    AccumulatorKey,
    Adjudication,
    PolicyRef,
    PotQuota,
)
from settlement.domain.eligibility import RosterPerson, RosterVersion, Window
from settlement.domain.policy.document import PackDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: made from the session by the edge, trusted from here on."""

    party_id: int
    """Row id of the party; facilities are parties with role `facility`."""
    party_code: str
    role: str
    """`facility`, `bureau`, `officer` or `auditor`."""
    operator: str
    key_id: str
    facility_level: int | None = None
    """1, 2 or 3 for a facility."""
    subdistrict: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The instants that matter for one request, taken once at the edge."""

    settled_at: datetime
    """The instant of settling: now, or `Medaid-Sandbox-Time` in a sandbox."""
    sandbox: bool
    deadline: float
    """On the event loop's monotonic clock; not begun by then is 503."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller gets; stored answers are replayed byte for byte."""

    status: int
    body: bytes
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class ReversalRequest:
    """Which settlement to undo: by id, or by the key that it was sent under."""

    reason: str
    """`refund`, `timeout` or `mistake`."""
    settlement_id: str | None = None
    original_key: str | None = None
    card: Card | None = None
    psn_no: str | None = None
    """The hospital's number of the person, as the settlement came with it."""


class EligibilitySource(Protocol):
    """The cache: answers without the database, in microseconds."""

    def person_of_card(self, card: Card) -> tuple[RosterPerson | None, bool]:
        """The person with this card, and whether the cache can tell at all."""
        ...

    def roster_version(self) -> RosterVersion | None:
        """The version that the cache holds; `None` before the first roster."""
        ...


class Pack(Protocol):
    """A compiled policy pack: pure, deterministic, integers only."""

    ref: PolicyRef
    document: PackDocument

    def covers(self, day: date) -> bool:
        """Whether the pack is in force on the day."""
        ...

    def policy_day(self, bill: Bill) -> date:
        """The date that picks pack version and cap year for this bill."""
        ...

    def year_of(self, day: date) -> int:
        """The year of caps that a day belongs to."""
        ...

    def fields_needed(self, bill: Bill) -> tuple[str, ...]:
        """Fields that the rules rest on and that the bill leaves out."""
        ...

    def identity_windows(self, person: RosterPerson, bill: Bill) -> tuple[Window, ...]:
        """The roster windows whose identities count for the bill's visit."""
        ...

    def accumulator_keys(
        self, bill: Bill, categories: Sequence[str]
    ) -> tuple[AccumulatorKey, ...]:
        """Every accumulator that adjudicating may read or post to."""
        ...

    def adjudicate(
        self,
        bill: Bill,
        categories: Sequence[str],
        used_fen: Mapping[AccumulatorKey, int],
        facility_level: int | None,
        *,
        settled_on: date | None = None,
    ) -> Adjudication:
        """What the bill gets; keys absent from `used_fen` count as 0."""
        ...

    def quota(
        self,
        categories: Sequence[str],
        day: date,
        used_fen: Mapping[AccumulatorKey, int],
    ) -> tuple[PotQuota, ...]:
        """Pots of the best category on the day, for the eligibility answer."""
        ...

    def quota_keys(
        self, categories: Sequence[str], day: date
    ) -> tuple[AccumulatorKey, ...]:
        """The accumulators that `quota` reads."""
        ...

    def best_category(self, categories: Sequence[str]) -> str | None:
        """The category with the highest benefits; `None` where it knows none."""
        ...

    def category_text(self, category: str) -> tuple[str, str]:
        """The category's name in Chinese and English."""
        ...


@dataclass(frozen=True, slots=True)
class InstalledPack:
    """A compiled pack with the number that the database knows it by."""

    no: int
    pack: Pack


class PolicyBook(Protocol):
    """The installed packs."""

    def require_fresh(self, now: float) -> None:
        """Raise MA-5105 where an activation may have been missed by now."""
        ...

    def in_force(self, bill: Bill, known_at: datetime) -> InstalledPack:
        """Of the packs in force for the bill, the latest known at the instant.

        Raises `RequestRefused` where there is none: MA-1117 for a day before the
        first of them, else MA-5106.
        """
        ...

    def in_force_on(self, day: date, known_at: datetime) -> InstalledPack:
        """The same for a day without a bill, as eligibility is asked."""
        ...

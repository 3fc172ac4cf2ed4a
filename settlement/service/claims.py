"""What waits in the pool: one claim for each request that wants to change something."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from settlement.domain.bill import Bill
from settlement.domain.calendar import shanghai_day
from settlement.domain.eligibility import RosterPerson, RosterVersion
from settlement.service.ports import (
    Answer,
    Caller,
    InstalledPack,
    ReversalRequest,
    When,
)


def month_number(settled_at: datetime) -> int:
    """Shanghai month of record as year times 100 plus month."""
    day = shanghai_day(settled_at)
    return day.year * 100 + day.month


@dataclass(slots=True, kw_only=True, eq=False)
class SettleClaim:
    """One bill on its way to become a settlement. Owned by the sequencer."""

    caller: Caller
    key: str
    bill: Bill
    when: When
    id: bytes
    month: int
    card_token: bytes
    values: list[Any]
    """Canonical values of the request, see `settlement.service.request`."""
    request: bytes
    """The same values as bytes: the fingerprint."""
    person: RosterPerson | None
    roster: RosterVersion | None
    """The version of the roster that `person` comes from."""
    pack: InstalledPack
    answer: asyncio.Future[Answer] = field(repr=False)
    joined: float = 0.0
    """Instant of the loop's clock when it joined the pool."""

    @property
    def key_id(self) -> tuple[int, str]:
        """What is unique for ever: facility and key."""
        return self.caller.party_id, self.key


@dataclass(slots=True, kw_only=True, eq=False)
class ReversalClaim:
    """One reversal on its way. Owned by the sequencer."""

    caller: Caller
    key: str
    order: ReversalRequest
    when: When
    id: bytes
    month: int
    original_id: bytes | None
    """The settlement, where the request names it by id."""
    card_token: bytes | None
    person: bytes | None
    """Token of the person behind the card, where the cache knows one."""
    psn_digest: bytes | None
    """Of the hospital's number of the person, where the request names it."""
    request: bytes
    answer: asyncio.Future[Answer] = field(repr=False)
    joined: float = 0.0
    """Instant of the loop's clock when it joined the pool."""

    @property
    def key_id(self) -> tuple[int, str]:
        """What is unique for ever: facility and key."""
        return self.caller.party_id, self.key

    @property
    def original_key_id(self) -> tuple[int, str] | None:
        """The settle key that this may have to stop."""
        if self.order.original_key is None:
            return None
        return self.caller.party_id, self.order.original_key


Claim = SettleClaim | ReversalClaim

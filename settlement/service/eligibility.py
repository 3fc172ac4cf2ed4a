"""May this card receive aid on this day? Three answers, from the cache alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from settlement.domain.bill import BillFault, Card
from settlement.domain.calendar import shanghai_day
from settlement.domain.decision import AccumulatorKey, PotQuota, Text
from settlement.domain.eligibility import (
    RosterPerson,
    RosterVersion,
    Window,
    refusal,
    windows_on,
)
from settlement.domain.errors import RequestRefused
from settlement.service.freshness import Freshness
from settlement.service.ports import (
    Answer,
    Caller,
    EligibilitySource,
    Pack,
    PolicyBook,
    When,
)
from settlement.store.accumulators import AccumulatorId, read_used
from settlement.store.database import Database
from settlement.store.errors import StoreUnavailableError

#: A cashier has better things to wait for than advice.
_QUOTA_WITHIN_S = 2.0
_Used = asyncio.Future[dict[AccumulatorId, int]]
#: Askers of the next query; above it they are answered without a quota at once.
_MOST_WAITING = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EligibilityOutcome:
    """Everything that the answer shows."""

    status: str
    reason: str
    window: Window | None
    household: bytes
    category_text: Text | None
    quota: tuple[PotQuota, ...] | None
    quota_as_of: datetime | None
    quota_failed: bool
    """Asked for, but PostgreSQL did not answer."""
    roster: RosterVersion | None
    roster_is_stale: bool
    asked_at: datetime


class EligibilityRenderer(Protocol):
    """Makes the JSON of the answer."""

    def eligibility(self, outcome: EligibilityOutcome) -> bytes:
        """The answer's exact bytes."""
        ...


class QuotaReader:
    """Running totals for many callers: one query for all that wait."""

    def __init__(self, database: Database) -> None:
        """Nothing waits."""
        self._database = database
        #: Askers of the next query.
        self._next = _Round()
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Callers whose query has not begun."""
        return len(self._next.askers)

    async def used(self, wanted: Sequence[AccumulatorId]) -> dict[AccumulatorId, int]:
        """Fen used; raises `StoreUnavailableError`, also when it takes too long."""
        if self.waiting >= _MOST_WAITING:
            raise StoreUnavailableError("too many wait for a quota")
        answer = self._next.join(wanted)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._answer_all(), name="quota")
        return await answer

    async def _answer_all(self) -> None:
        while self._next.askers:
            asked, self._next = self._next, _Round()
            try:
                found = await read_used(
                    self._database,
                    {key for wanted, _ in asked.askers for key in wanted},
                )
            except Exception as error:  # noqa: BLE001  # everybody who waits is told
                asked.fail(error)
            else:
                asked.answer(found)


class _Round:
    """Those who share a query, and the time at which they are told that it is late.

    One timer for all: one for each asker would take a tenth of the whole answer. Who
    joins later waits less, and of a database that hangs nobody learns a quota.
    """

    def __init__(self) -> None:
        self.askers: list[tuple[Sequence[AccumulatorId], _Used]] = []
        self._timer: asyncio.TimerHandle | None = None

    def join(self, wanted: Sequence[AccumulatorId]) -> _Used:
        """The answer to come."""
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._timer = loop.call_later(_QUOTA_WITHIN_S, self._late)
        answer: _Used = loop.create_future()
        self.askers.append((wanted, answer))
        return answer

    def answer(self, found: dict[AccumulatorId, int]) -> None:
        """Give everybody what was found."""
        for answer in self._waiting():
            answer.set_result(found)

    def fail(self, error: Exception) -> None:
        """Tell everybody that nothing was."""
        for answer in self._waiting():
            answer.set_exception(error)

    def _late(self) -> None:
        self.fail(StoreUnavailableError("no quota in time"))

    def _waiting(self) -> list[_Used]:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting = [answer for _, answer in self.askers if not answer.done()]
        self.askers = []
        return waiting


class CheckEligibility:
    """The use case."""

    def __init__(
        self,
        *,
        cache: EligibilitySource,
        book: PolicyBook,
        quotas: QuotaReader,
        renderer: EligibilityRenderer,
        freshness: Freshness,
    ) -> None:
        """Everything comes from outside."""
        self._cache = cache
        self._book = book
        self._quotas = quotas
        self._renderer = renderer
        self._freshness = freshness

    @property
    def quota_waiting(self) -> int:
        """Answers that wait for running totals."""
        return self._quotas.waiting

    async def __call__(
        self,
        caller: Caller,  # noqa: ARG002  # every use case takes it; roles are the edge's
        card: Card,
        service_date: date,
        when: When,
        *,
        with_quota: bool = True,
    ) -> Answer:
        """Answer 200 with yes, no or cannot tell; the quota advises, never binds."""
        if service_date > shanghai_day(when.settled_at):
            future = BillFault("service_date", "MA-1112")
            raise RequestRefused("MA-1112", faults=(future,))
        person, can_tell = self._cache.person_of_card(card)
        # In the same step: later the cache may hold a newer version than the person's.
        roster = self._cache.roster_version()
        unknown = "" if can_tell else "MA-2104"
        if can_tell and self._freshness.refuses(roster, when.settled_at):
            unknown = "MA-2106"
        windows = windows_on(person, service_date) if person and not unknown else ()
        if person is None or not windows:
            return self._no(person, roster, service_date, when, unknown=unknown)
        pack = self._book.in_force_on(service_date, when.settled_at).pack
        categories = [window.category for window in windows]
        quota, as_of = (
            await self._quota(pack, person, categories, service_date, when)
            if with_quota
            else (None, None)
        )
        best = (
            categories[0]
            if len(categories) == 1
            else pack.best_category(categories) or categories[0]
        )
        outcome = EligibilityOutcome(
            status="eligible",
            reason="MA-2100",
            window=next(w for w in windows if w.category == best),
            household=person.household,
            category_text=Text(*pack.category_text(best)),
            quota=quota,
            quota_as_of=as_of,
            quota_failed=with_quota and quota is None,
            roster=roster,
            roster_is_stale=self._freshness.is_stale(roster, when.settled_at),
            asked_at=when.settled_at,
        )
        return Answer(200, self._renderer.eligibility(outcome))

    def _no(
        self,
        person: RosterPerson | None,
        roster: RosterVersion | None,
        service_date: date,
        when: When,
        *,
        unknown: str,
    ) -> Answer:
        outcome = EligibilityOutcome(
            status="unknown" if unknown else "not_eligible",
            reason=unknown or refusal(person, service_date),
            window=None,
            household=b"",
            category_text=None,
            quota=None,
            quota_as_of=None,
            quota_failed=False,
            roster=roster,
            roster_is_stale=self._freshness.is_stale(roster, when.settled_at),
            asked_at=when.settled_at,
        )
        return Answer(200, self._renderer.eligibility(outcome))

    async def _quota(
        self,
        pack: Pack,
        person: RosterPerson,
        categories: Sequence[str],
        day: date,
        when: When,
    ) -> tuple[tuple[PotQuota, ...] | None, datetime | None]:
        keys: Sequence[AccumulatorKey] = pack.quota_keys(categories, day)
        wanted = [(person.token, key.year, key.pot) for key in keys]
        try:
            found = await self._quotas.used(wanted) if wanted else {}
        except StoreUnavailableError:
            return None, None
        used = {key: found.get((person.token, key.year, key.pot), 0) for key in keys}
        return pack.quota(categories, day, used), when.settled_at

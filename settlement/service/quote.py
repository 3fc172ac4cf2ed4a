"""Quote a bill: the same computation as settling; binds nobody, writes nothing.

What the detectors would tell the cashier at settling stands in `alerts`, and a bill
that they would hold or deny is declined as it would be; nothing is raised by asking.
"""

from __future__ import annotations

from dataclasses import replace

from settlement.domain.bill import Bill
from settlement.domain.calendar import shanghai_day
from settlement.domain.decision import Adjudication
from settlement.domain.decline import decline
from settlement.domain.eligibility import refusal
from settlement.domain.errors import RequestRefused
from settlement.service.asking import Asked, ask, check_bill, outcome_of
from settlement.service.freshness import Freshness
from settlement.service.outcome import Alert, Renderer, without_receipt
from settlement.service.ports import (
    Answer,
    Caller,
    EligibilitySource,
    PolicyBook,
    When,
)
from settlement.service.watch.at_quote import AtQuote
from settlement.service.watch.shelf import RulesShelf
from settlement.store.accumulators import read_used
from settlement.store.database import Database
from settlement.store.errors import StoreUnavailableError


class Quote:
    """The use case."""

    def __init__(
        self,
        *,
        cache: EligibilitySource,
        book: PolicyBook,
        database: Database,
        renderer: Renderer,
        alert_rules: RulesShelf,
        freshness: Freshness,
    ) -> None:
        """Everything comes from outside."""
        self._cache = cache
        self._book = book
        self._database = database
        self._renderer = renderer
        self._freshness = freshness
        self._watch = AtQuote(alert_rules, database)

    async def __call__(self, caller: Caller, bill: Bill, when: When) -> Answer:
        """Answer 200 with the DECISION, without id and receipt."""
        check_bill(bill, when.settled_at)
        asked = self._ask(bill, when)
        result = await self._adjudicate(caller, bill, asked, when)
        alerts: tuple[Alert, ...] = ()
        if result.approved:
            verdict = await self._watch.judge(caller, bill, asked, when, result)
            alerts = verdict.alerts
            if verdict.refusal is not None:
                result = decline(
                    bill,
                    verdict.refusal,
                    category=result.category,
                    coded=result.coded,
                )
        outcome = outcome_of(asked, result, when.settled_at, alerts)
        return Answer(200, without_receipt(self._renderer.decision(outcome)))

    def _ask(self, bill: Bill, when: When) -> Asked:
        """Person and pack, marked where the roster is stale; MA-2106 for no answer."""
        asked = ask(self._cache, self._book, bill, when.settled_at)
        self._freshness.require(asked.roster, when.settled_at)
        is_stale = self._freshness.is_stale(asked.roster, when.settled_at)
        return replace(asked, is_stale=True) if is_stale else asked

    async def _adjudicate(
        self, caller: Caller, bill: Bill, asked: Asked, when: When
    ) -> Adjudication:
        person = asked.person
        if person is None or not asked.categories:
            return decline(bill, refusal(person, bill.service_end))
        pack = asked.pack.pack
        keys = pack.accumulator_keys(bill, asked.categories)
        try:
            found = await read_used(
                self._database, [(person.token, key.year, key.pot) for key in keys]
            )
        except StoreUnavailableError as error:
            raise RequestRefused("MA-5105", retry_after_s=2) from error
        used = {key: found.get((person.token, key.year, key.pot), 0) for key in keys}
        return pack.adjudicate(
            bill,
            asked.categories,
            used,
            caller.facility_level,
            settled_on=shanghai_day(when.settled_at),
        )

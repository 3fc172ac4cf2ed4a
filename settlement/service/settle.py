"""Settle a bill: exactly once, durably, with a receipt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from settlement.domain.bill import Bill
from settlement.domain.errors import RequestRefused
from settlement.service.asking import ask, check_bill
from settlement.service.claims import SettleClaim, month_number
from settlement.service.freshness import Freshness
from settlement.service.ids import new_id
from settlement.service.ports import (
    Answer,
    Caller,
    EligibilitySource,
    PolicyBook,
    When,
)
from settlement.service.request import (
    BILL_FIELDS,
    Tokenizer,
    bill_values,
    canonical,
)
from settlement.service.sequencer import Sequencer
from settlement.service.settling import known_key
from settlement.store.database import Database
from settlement.store.errors import BatchConflictError, StoreUnavailableError
from settlement.store.known_keys import known_settlement


class Settle:
    """The use case; one object serves all requests of a process."""

    def __init__(
        self,
        *,
        cache: EligibilitySource,
        book: PolicyBook,
        tokenizer: Tokenizer,
        sequencer: Sequencer,
        database: Database,
        random: Callable[[int], bytes],
        freshness: Freshness,
    ) -> None:
        """Everything comes from outside."""
        self._cache = cache
        self._book = book
        self._tokenizer = tokenizer
        self._sequencer = sequencer
        self._database = database
        self._random = random
        self._freshness = freshness

    async def __call__(
        self, caller: Caller, key: str, bill: Bill, when: When
    ) -> Answer:
        """Answer 201 with the DECISION; raises `RequestRefused` where nothing is kept.

        The caller going away does not take a claim out that a batch has begun.
        """
        check_bill(bill, when.settled_at)
        # Stopping here leaves nothing: the request was only read.
        try:
            claim = self._claim(caller, key, bill, when)
        except RequestRefused:
            known = await self._known(caller, key, bill)
            if known is None:
                raise
            return known
        # Nor here: the claim is in memory alone. From the pool on, the outcome is
        # the database's: settled once, or not at all.
        return await self._sequencer.settle(claim)

    def _claim(self, caller: Caller, key: str, bill: Bill, when: When) -> SettleClaim:
        self._book.require_fresh(asyncio.get_running_loop().time())
        asked = ask(self._cache, self._book, bill, when.settled_at)
        self._freshness.require_age(asked.roster, when.settled_at)
        token = self._tokenizer.card(bill.card.kind, bill.card.number)
        values = bill_values(bill, token, self._tokenizer)
        return SettleClaim(
            caller=caller,
            key=key,
            bill=bill,
            when=when,
            id=new_id(when.settled_at, self._random),
            month=month_number(when.settled_at),
            card_token=token,
            values=values,
            request=canonical(values),
            person=asked.person,
            roster=asked.roster,
            pack=asked.pack,
            answer=asyncio.get_running_loop().create_future(),
        )

    async def _known(self, caller: Caller, key: str, bill: Bill) -> Answer | None:
        """A known key ends here, whatever cannot be told today."""
        try:
            stored = await known_settlement(self._database, caller.party_id, key)
        except (StoreUnavailableError, BatchConflictError) as error:
            raise RequestRefused("MA-5105", retry_after_s=2) from error
        if stored is None or stored.awaits_original:
            return None
        token = self._tokenizer.card(bill.card.kind, bill.card.number)
        request = canonical(bill_values(bill, token, self._tokenizer))
        answer = known_key(request, stored.answer, BILL_FIELDS)
        if isinstance(answer, Exception):
            raise answer
        return answer

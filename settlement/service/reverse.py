"""Reverse a settlement, or stop one whose answer never came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from settlement.domain.errors import RequestRefused
from settlement.service.claims import ReversalClaim, month_number
from settlement.service.ids import new_id, parse_id
from settlement.service.ports import (
    Answer,
    Caller,
    EligibilitySource,
    ReversalRequest,
    When,
)
from settlement.service.request import Tokenizer, canonical, reversal_values
from settlement.service.sequencer import Sequencer
from settlement.store.months import Months


class Reverse:
    """The use case; a reversal undoes what was posted, in full, once."""

    def __init__(
        self,
        *,
        cache: EligibilitySource,
        tokenizer: Tokenizer,
        sequencer: Sequencer,
        months: Months,
        random: Callable[[int], bytes],
    ) -> None:
        """Everything comes from outside."""
        self._cache = cache
        self._tokenizer = tokenizer
        self._sequencer = sequencer
        self._months = months
        self._random = random

    async def __call__(
        self, caller: Caller, key: str, order: ReversalRequest, when: When
    ) -> Answer:
        """Answer 201 with the reversal; raises `RequestRefused` as API.md says."""
        claim = self._claim(caller, key, order, when)
        await self._months.ensure((claim.month,))
        self._sequencer.join(claim)
        return await claim.answer

    def _claim(
        self, caller: Caller, key: str, order: ReversalRequest, when: When
    ) -> ReversalClaim:
        token, person = None, None
        if order.card is not None:
            token = self._tokenizer.card(order.card.kind, order.card.number)
            person, can_tell = self._cache.person_of_card(order.card)
            if not can_tell:
                raise RequestRefused("MA-2104", retry_after_s=5)
        return ReversalClaim(
            caller=caller,
            key=key,
            order=order,
            when=when,
            id=new_id(when.settled_at, self._random),
            month=month_number(when.settled_at),
            original_id=(
                None if order.settlement_id is None else parse_id(order.settlement_id)
            ),
            card_token=token,
            person=person,
            request=canonical(reversal_values(order, token)),
            answer=asyncio.get_running_loop().create_future(),
        )

"""Reverse a settlement, or stop one whose answer never came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from settlement.domain.bill import Card
from settlement.service.claims import ReversalClaim, month_number
from settlement.service.ids import new_id, parse_id
from settlement.service.ports import (
    Answer,
    Caller,
    EligibilitySource,
    ReversalRequest,
    When,
)
from settlement.service.request import (
    Tokenizer,
    canonical,
    person_no_digest,
    reversal_values,
)
from settlement.service.sequencer import Sequencer


class Reverse:
    """The use case; a reversal undoes what was posted, in full, once."""

    def __init__(
        self,
        *,
        cache: EligibilitySource,
        tokenizer: Tokenizer,
        sequencer: Sequencer,
        random: Callable[[int], bytes],
    ) -> None:
        """Everything comes from outside."""
        self._cache = cache
        self._tokenizer = tokenizer
        self._sequencer = sequencer
        self._random = random

    async def __call__(
        self, caller: Caller, key: str, order: ReversalRequest, when: When
    ) -> Answer:
        """Answer 201 with the reversal; raises `RequestRefused` as API.md says."""
        token, person = self._tokens(order.card)
        psn_digest = (
            None
            if order.psn_no is None
            else person_no_digest(order.psn_no, self._tokenizer)
        )
        claim = ReversalClaim(
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
            psn_digest=psn_digest,
            request=canonical(reversal_values(order, token, psn_digest)),
            answer=asyncio.get_running_loop().create_future(),
        )
        return await self._sequencer.settle(claim)

    def _tokens(self, card: Card | None) -> tuple[bytes | None, bytes | None]:
        """Tokens of card and person, as far as the cache can tell."""
        if card is None:
            return None, None
        token = self._tokenizer.card(card.kind, card.number)
        person, _ = self._cache.person_of_card(card)
        return token, person.token if person else None

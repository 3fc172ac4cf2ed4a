"""One hospital's billing desk: does each step over HTTP and says what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

from gateway.client import GatewayClient, Reply
from gateway.demo.outcomes import (
    AS_QUOTED,
    ELIGIBLE,
    SAME_BYTES,
    UNKNOWN,
    WITH_AID,
    Tally,
    declined,
    outcome_of_reversing,
    outcome_of_settling,
    refused,
)
from gateway.demo.steps import Kind, Step

#: How long the line still holds after the last byte was sent, in turn: some cuts
#: come before the gateway has begun, some while it works, some after its answer.
_LINGER_S = (0.0, 0.002, 0.01, 0.05)


#: How often, and after which pause, a question without an answer is put again.
_ASKING_TIMES = 10
_ASKING_PAUSE_S = 0.5


class Desk:
    """Does the steps of one hospital, one after the other."""

    def __init__(self, client: GatewayClient, tally: Tally) -> None:
        """Speak through the hospital's client; count into the demo's tally."""
        self._client = client
        self._tally = tally
        #: Settlement id by key: what the desk prints on its slips.
        self._settled: dict[str, str] = {}
        self._cuts = 0

    async def do(self, step: Step) -> None:
        """Do one step and count what became of it."""
        doing: Callable[[Step], Awaitable[str]]
        if step.kind is Kind.LOST_ANSWER:
            doing = self._settle_with_lost_answer
        elif step.kind is Kind.GIVEN_UP:
            doing = self._give_up
        elif step.original_key:
            doing = self._reverse
        else:
            doing = self._settle
        self._tally.judge(step, await doing(step))

    async def _settle(self, step: Step) -> str:
        """Ask first where the step says so, then settle what was quoted."""
        bill = step.bill
        if step.asks_first and isinstance(bill, dict):
            bill = bill | {"expected_aid_fen": await self._ask_first(step, bill)}
        reply = await self._client.settle(step.key, bill or b"", step.at)
        self._keep(step.key, reply)
        outcome = outcome_of_settling(reply)
        if step.asks_first and outcome == WITH_AID:
            self._tally.note(Kind.QUOTE, AS_QUOTED)
        return outcome

    async def _ask_first(self, step: Step, bill: dict[str, Any]) -> int | None:
        """Eligibility, then a quote: its aid, which settling must meet."""
        status = await self._eligibility(step, date.fromisoformat(bill["service_end"]))
        quote = await self._client.quote(bill, step.at)
        aid_fen: int | None = quote.json().get("aid_fen")
        if status != ELIGIBLE or aid_fen is None:
            self._tally.unexpected.append(
                f"{step.kind.value}, key {step.key}: eligibility {status},"
                f" quote {quote.status}"
            )
        return aid_fen

    async def _eligibility(self, step: Step, day: date) -> str:
        """Ask; where the gateway cannot tell yet, ask again as a cashier would."""
        status = UNKNOWN
        for _ in range(_ASKING_TIMES):
            answer = await self._client.eligibility(step.card or {}, day)
            status = str(answer.json().get("status", refused(answer.code)))
            self._tally.note(Kind.ELIGIBILITY, status)
            if status != UNKNOWN:
                break
            await asyncio.sleep(_ASKING_PAUSE_S)
        return status

    async def _settle_with_lost_answer(self, step: Step) -> str:
        """The line is cut; the same key again, twice, gives one settlement."""
        bill = dict(step.bill) if isinstance(step.bill, dict) else {}
        await self._cut(step, bill)
        first = await self._client.settle(step.key, bill, step.at)
        second = await self._client.settle(step.key, bill, step.at)
        self._keep(step.key, second)
        outcome = outcome_of_settling(first)
        if outcome != WITH_AID:
            return outcome
        if not second.replayed or first.body != second.body:
            return "settled, but the answer changed"
        return SAME_BYTES

    async def _give_up(self, step: Step) -> str:
        """The line is cut; the patient pays cash and the desk reverses by key."""
        bill = dict(step.bill) if isinstance(step.bill, dict) else {}
        await self._cut(step, bill)
        request = {
            "original_idempotency_key": step.key,
            "card": step.card,
            "reason": "timeout",
        }
        reply = await self._client.reverse(f"{step.key}-R", request, step.at)
        outcome = outcome_of_reversing(reply)
        late = await self._client.settle(step.key, bill, step.at)
        is_void = outcome_of_settling(late) == declined("MA-2205")
        if outcome == "tombstone" and not is_void:
            return "tombstone, but its original settled"
        return outcome

    async def _reverse(self, step: Step) -> str:
        request: dict[str, Any] = {"reason": "refund"}
        if step.by_key:
            request |= {
                "original_idempotency_key": step.original_key,
                "card": step.card,
            }
        elif step.original_key in self._settled:
            request |= {"settlement_id": self._settled[step.original_key]}
        else:
            return "no settlement to reverse"
        reply = await self._client.reverse(step.key, request, step.at)
        return outcome_of_reversing(reply)

    async def _cut(self, step: Step, bill: dict[str, Any]) -> None:
        linger_s = _LINGER_S[self._cuts % len(_LINGER_S)]
        self._cuts += 1
        await self._client.settle_and_hang_up(step.key, bill, step.at, linger_s)

    def _keep(self, key: str, reply: Reply) -> None:
        settlement_id = reply.json().get("settlement_id")
        if settlement_id:
            self._settled[key] = settlement_id

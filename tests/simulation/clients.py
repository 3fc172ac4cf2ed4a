"""Hospitals' systems that keep their own notes: what they asked, what they were told.

Requests are drawn by the seed: new bills, repeated, altered and doubled ones,
reversals before, after and beside their settlement. A client that got no definite
answer tries again with the same key and content, as the contract says.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, Protocol

from settlement.domain.bill import Bill, Card, CardKind, CareType, RepeatReason
from settlement.domain.errors import RequestRefused
from settlement.service.ports import Answer, Caller, ReversalRequest, When
from tests.simulation.faults import POISON, Plan
from tests.simulation.machine import Fleet, LostError, Worker

#: Refusals after which the same request may well succeed.
PASSING = frozenset(
    {"MA-4102", "MA-5101", "MA-5102", "MA-5103", "MA-5104", "MA-5105", "MA-2104",
     "MA-2106", "MA-1112", "MA-5107"}
)  # fmt: skip
#: These say that the outcome is open; every other one that this attempt left nothing.
OPEN = frozenset({"MA-5103", "MA-4102", "MA-5107"})


@dataclass
class Attempt:
    """One request on the wire, with its place among all events of the run."""

    begun: int
    began_at: float
    ended: int | None = None
    answer: Answer | None = None
    refusal: str | None = None
    """`None` with no answer: lost, nobody knows."""
    settled_at: datetime | None = None
    """The instant that the worker took it in."""


@dataclass
class Operation:
    """What a hospital wants, under one key, with everything it was told."""

    number: int
    facility: int
    key: str
    bill: Bill | None = None
    order: ReversalRequest | None = None
    target: Operation | None = None
    """The operation that a reversal is about, where there is one."""
    attempts: list[Attempt] = field(default_factory=list)
    body: bytes | None = None
    """The first definite 201."""
    refusal: str | None = None
    """The first definite refusal."""

    @property
    def kind(self) -> str:
        """The name space of the key."""
        return "settle" if self.bill is not None else "reverse"

    @property
    def is_definite(self) -> bool:
        """Whether the client knows what became of it."""
        return self.body is not None or self.refusal is not None

    @property
    def begun(self) -> int:
        """When it was first asked."""
        return self.attempts[0].begun

    def answered(self) -> list[Attempt]:
        """Every attempt that was told an outcome."""
        return [a for a in self.attempts if a.answer is not None]


class Clock(Protocol):
    """The wall clock of the machines, which may jump."""

    def now(self) -> datetime:
        """Aware, UTC."""
        ...


def caller(number: int) -> Caller:
    """A facility."""
    return Caller(
        party_id=number,
        party_code=f"H{number:03d}",
        role="facility",
        operator="op-1",
        key_id="key-1",
        facility_level=2,
        subdistrict="990101001",
    )


@dataclass
class World:
    """Who there is, and the days on which bills are made."""

    cards: list[str]
    facilities: int
    day: date
    """No bill is of a later day."""


class Draw:
    """Draws what the hospitals ask for."""

    def __init__(self, random: Random, world: World, plan: Plan) -> None:
        self._random = random
        self._world = world
        self._plan = plan
        self._numbers = itertools.count(1)
        self.operations: list[Operation] = []

    def next(self) -> Operation:
        """One more wish; `operations` holds all of them."""
        random = self._random
        earlier = self._earlier()
        roll = random.random()
        if earlier is None or roll < 0.60:
            made = self._settle(self._bill())
        elif roll < 0.68:
            made = self._settle(earlier.bill, facility=earlier.facility)
        elif roll < 0.72:
            made = self._settle(self._altered(earlier.bill), facility=earlier.facility)
        elif roll < 0.76:
            bill = replace(earlier.bill, repeat_reason=RepeatReason.SECOND_BILL)
            made = self._settle(bill, facility=earlier.facility)
        elif roll < 0.80:
            self._plan.note("other-content", "client")
            bill = self._altered(earlier.bill)
            made = self._settle(bill, facility=earlier.facility, key=earlier.key)
        else:
            undone = [o.target for o in self.operations[-30:] if o.target]
            again = undone and random.random() < 0.35
            made = self._reverse(random.choice(undone) if again else earlier)
        self.operations.append(made)
        return made

    def _earlier(self) -> Any:
        recent = [o for o in self.operations[-40:] if o.bill is not None]
        return self._random.choice(recent) if recent else None

    def _settle(
        self, bill: Bill, *, facility: int | None = None, key: str | None = None
    ) -> Operation:
        number = next(self._numbers)
        chosen = facility or self._random.randint(1, self._world.facilities)
        return Operation(number, chosen, key or f"s-{number}", bill=bill)

    def _bill(self) -> Bill:
        random, world = self._random, self._world
        care = random.choice([*CareType, CareType.OUTPATIENT, CareType.INPATIENT])
        stay = care is CareType.INPATIENT
        yuan = random.choice([9, 90, 700, 4_000] + [30_000, 140_000] * stay)
        fen = yuan * 100 + random.randrange(100)
        start = world.day - timedelta(random.choice([0, 0, 1, 5, 370]))
        paid = fen * random.choice([0, 20, 60]) // 100
        own = random.choice([0, 0, fen // 10])
        number = next(self._numbers)
        return Bill(
            card=Card(
                kind=CardKind.SOCIAL_SECURITY_CARD, number=random.choice(world.cards)
            ),
            visit_no=self._visit(number),
            bill_no=random.choice(["1", "1", "2", None]),
            care_type=care,
            service_start=start - timedelta(3 * stay),
            service_end=start,
            diagnoses=("I10",) if random.random() < 0.5 else (),
            referred=random.random() < 0.8,
            total_fen=fen + own,
            self_funded_fen=own,
            over_limit_fen=0,
            pre_selfpay_fen=0,
            in_policy_fen=fen,
            basic_insurance_fen=paid,
            serious_illness_fen=0,
            other_funds_fen=0,
            medical_aid_fen=1 if random.random() < 0.02 and paid < fen else 0,
            personal_account_fen=random.choice([0, 0, (fen - paid) // 3]),
            expected_aid_fen=random.choice([0, 4_000])
            if random.random() < 0.05
            else None,
        )

    def _visit(self, number: int) -> str:
        """Mostly a visit of its own; now and then one that the server will not take."""
        roll = self._random.random()
        if roll < 0.02:
            self._plan.note("poisoned", "client")
            return f"{POISON}-{number}"
        return f"V-{number}" if roll < 0.8 else f"V-{number % 5}"

    def _altered(self, bill: Bill) -> Bill:
        more = self._random.randint(1, 500)
        return replace(
            bill,
            total_fen=bill.total_fen + more,
            in_policy_fen=bill.in_policy_fen + more,
        )

    def _reverse(self, original: Operation) -> Operation:
        """By id where it is known, by key, twice, or of what never came."""
        random, number = self._random, next(self._numbers)
        made = Operation(number, original.facility, f"r-{number}", target=original)
        reason = random.choice(["refund", "timeout", "mistake"])
        id_ = settlement_id(original)
        roll = random.random()
        if roll < 0.15:
            self._plan.note("reverse-unseen", "client")
            late = self._settle(self._bill())
            # Its settlement comes later, or never.
            made.facility, made.target = late.facility, late
            original = late
            if random.random() < 0.6:
                self.operations.append(late)
        elif id_ is not None and roll < 0.23:
            self._plan.note("not-theirs", "client")
            made.facility = original.facility % self._world.facilities + 1
            made.order = ReversalRequest(reason=reason, settlement_id=id_)
        elif id_ is not None and roll < 0.6:
            made.order = ReversalRequest(reason=reason, settlement_id=id_)
        if made.order is None:
            bill = original.bill
            card = bill.card if bill is not None else None
            if random.random() < 0.04:
                card = Card(
                    kind=CardKind.SOCIAL_SECURITY_CARD,
                    number=random.choice(self._world.cards),
                )
            made.order = ReversalRequest(
                reason=reason, original_key=original.key, card=card
            )
        if any(o.target is original for o in self.operations):
            self._plan.note("reverse-twice", "client")
        return made


def settlement_id(operation: Operation) -> str | None:
    """The id that the answer named."""
    if operation.body is None or operation.bill is None:
        return None
    at = operation.body.index(b'"settlement_id":"') + 17
    return operation.body[at : at + 32].decode()


class Hospitals:
    """All clients of a run."""

    def __init__(
        self, fleet: Fleet, draw: Draw, clock: Clock, random: Random, plan: Plan
    ) -> None:
        self._fleet = fleet
        self._draw = draw
        self._clock = clock
        self._random = random
        self._plan = plan
        #: Between wishes: crowds make large batches, single callers none.
        self._pause_s = random.choice([0.002, 0.02, 0.3])
        #: Before trying again.
        self._patience_s = random.choice([0.2, 2.0])
        self._begun: set[int] = set()
        self.events = itertools.count(1)
        self.told: list[tuple[Any, ...]] = fleet.server.trace

    async def work(self, wishes: int) -> None:
        """One client: wish after wish, with pauses."""
        for _ in range(wishes):
            late = self._waiting_operation()
            operation = late or self._draw.next()
            self._begun.add(operation.number)
            tries = self._random.randint(2, 6)
            while tries and not operation.is_definite:
                tries -= 1
                await self._try(operation)
                if not operation.is_definite:
                    await asyncio.sleep(self._random.random() * self._patience_s)
            again = 0.06 if operation.bill is not None else 0.5
            if operation.body is not None and self._random.random() < again:
                self._plan.note("retried", "client")
                await self._try(operation)
            if self._random.random() < 0.3:
                await asyncio.sleep(self._random.random() * self._pause_s)

    def _waiting_operation(self) -> Operation | None:
        """An original whose reversal was sent before it."""
        for operation in self._draw.operations[-20:]:
            if operation.bill is not None and operation.number not in self._begun:
                return operation if self._random.random() < 0.5 else None
        return None

    async def _try(self, operation: Operation) -> None:
        """One request, with what may happen to it on its way."""
        random, plan = self._random, self._plan
        roll = random.random() if plan.is_on else 1.0
        seconds, goes_after = 10.0, 30.0
        if roll < 0.02:
            plan.note("goes-away", "client")
            goes_after = random.random() * 0.01
        elif roll < 0.03:
            plan.note("deadline", "client")
            seconds = random.random() * 0.05
        elif roll < 0.05:
            plan.note("doubled", "client")
            twin = asyncio.ensure_future(self.ask(operation, 10.0, 30.0))
            await self.ask(operation, seconds, goes_after)
            await twin
            return
        lost = roll < 0.09
        if lost:
            plan.note("reply-lost", "client")
        await self.ask(operation, seconds, goes_after, is_lost=lost)

    async def ask(
        self,
        operation: Operation,
        seconds: float,
        goes_after: float,
        *,
        is_lost: bool = False,
        worker: Worker | None = None,
    ) -> Attempt:
        """Send it to a worker, whichever if none is named; note what comes back."""
        loop = self._fleet.server.loop
        attempt = Attempt(next(self.events), loop.time())
        operation.attempts.append(attempt)
        ready = self._fleet.ready() if worker is None else [worker]
        # The way there.
        await asyncio.sleep(self._random.random() * 0.001)
        answer: Answer | None = None
        refusal: str | None = None
        if ready:
            chosen = self._random.choice(ready)
            try:
                work = self._work(operation, attempt, seconds)
                answer = await chosen.ask(work, goes_after)
            except RequestRefused as refused:
                refusal = refused.reason
            except LostError:
                pass
        else:
            await asyncio.sleep(0.2)
        if is_lost:
            answer = refusal = None
        attempt.answer, attempt.refusal = answer, refusal
        attempt.ended = next(self.events)
        self._note(operation, answer, refusal)
        return attempt

    def _work(self, operation: Operation, attempt: Attempt, seconds: float) -> Any:
        def work(worker: Worker) -> Coroutine[Any, Any, Answer]:
            attempt.settled_at = self._clock.now()
            when = When(
                settled_at=attempt.settled_at,
                sandbox=True,
                deadline=self._fleet.server.loop.time() + seconds,
            )
            who = caller(operation.facility)
            if operation.bill is not None and worker.settle is not None:
                return worker.settle(who, operation.key, operation.bill, when)
            if operation.order is not None and worker.reverse is not None:
                return worker.reverse(who, operation.key, operation.order, when)
            raise LostError

        return work

    def _note(
        self, operation: Operation, answer: Answer | None, refusal: str | None
    ) -> None:
        told = f"{answer.status}" if answer else refusal or "lost"
        loop = self._fleet.server.loop
        self.told.append(
            (round(loop.time(), 6), "client", operation.kind, operation.key, told)
        )
        if answer is not None and operation.body is None:
            operation.body = answer.body
        elif refusal is not None and refusal not in PASSING:
            operation.refusal = operation.refusal or refusal

"""What a real day brings beside plain bills: failures, refunds, mistakes, strangers.

None of it may change the month's figures: each ends with no aid in force, or with
the aid of a bill that is planned and counted already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from gateway.demo.outcomes import REVERSED, TOMBSTONE, declined, refused
from gateway.demo.residents import Population, Resident
from gateway.demo.steps import Kind, Step, bill_body, card_body
from gateway.demo.visits import Fate, Visit, bill_of
from settlement.domain.bill import CareType

#: Beside ten thousand settlements, so many of each kind.
_PER_10_000 = {
    Kind.GIVEN_UP: 40,
    Kind.SAME_AGAIN: 150,
    Kind.OTHER_AMOUNTS: 40,
    Kind.KEY_REUSED: 30,
    Kind.OVERTAKING: 40,
    Kind.STRANGER: 280,
    Kind.EXPIRED: 140,
    Kind.NOT_YET: 50,
    Kind.MALFORMED: 160,
}

_Body = dict[str, Any]
#: How a bill is spoilt, and the refusal that it must meet.
_SPOILT: tuple[tuple[Callable[[_Body], _Body], str], ...] = (
    (lambda bill: bill | {"total_fen": bill["total_fen"] + 1}, "MA-1113"),
    (lambda bill: bill | {"basic_insurance_fen": bill["total_fen"] + 100}, "MA-1114"),
    (lambda bill: bill | {"self_funded_fen": -100}, "MA-1110"),
    (lambda bill: bill | {"total_fen": "125.00"}, "MA-1102"),
    (lambda bill: bill | {"hospital_remark": "urgent"}, "MA-1102"),
    (lambda bill: bill | {"service_start": "2014-9-1"}, "MA-1102"),
    (lambda bill: bill | {"service_end": "2014-01-01"}, "MA-1111"),
    (lambda bill: bill | {"service_end": "2014-12-31"}, "MA-1112"),
    (lambda bill: bill | {"personal_account_fen": bill["total_fen"]}, "MA-1115"),
    (lambda bill: {k: v for k, v in bill.items() if k != "care_type"}, "MA-1102"),
)


class Incidents:
    """Makes the steps; numbers and keys come from `number` and the bill's visit."""

    def __init__(
        self,
        rng: Random,
        population: Population,
        visits: Sequence[Visit],
        amounts: Mapping[int, int],
    ) -> None:
        self._rng = rng
        self._population = population
        self._amounts = amounts
        #: Bills that an incident may be modelled on: in force for good, and made
        #: early enough in the day for something to follow on the same day.
        self._models = [
            visit
            for visit in visits
            if visit.fate is Fate.STAYS
            and visit.care_type is CareType.OUTPATIENT
            and visit.corrects is None
        ]
        self._visit_number = 900_000
        self._spoilt = 0
        self._scale = len(visits)

    def steps(self) -> Iterator[Step]:
        """All incidents, in no particular order; each has its instant."""
        makers: dict[Kind, Callable[[Visit], Iterator[Step]]] = {
            Kind.GIVEN_UP: self._given_up,
            Kind.SAME_AGAIN: self._same_again,
            Kind.OTHER_AMOUNTS: self._other_amounts,
            Kind.KEY_REUSED: self._key_reused,
            Kind.OVERTAKING: self._overtaking,
            Kind.STRANGER: self._stranger,
            Kind.EXPIRED: self._expired,
            Kind.NOT_YET: self._not_yet,
            Kind.MALFORMED: self._malformed,
        }
        for kind, make in makers.items():
            count = max(2, self._scale * _PER_10_000[kind] // 10_000)
            for model in self._rng.sample(self._models, count):
                yield from make(model)

    def _given_up(self, model: Visit) -> Iterator[Step]:
        """No answer comes, so the cashier undoes whatever may have happened."""
        yield self._step(
            Kind.GIVEN_UP, self._another(model), expect={REVERSED, TOMBSTONE}
        )

    def _same_again(self, model: Visit) -> Iterator[Step]:
        """The desk lost its note of the key and sends the bill under a new one."""
        again = replace(model, at=self._after(model))
        yield self._step(
            Kind.SAME_AGAIN,
            again,
            bill=self._bill(model),
            expect={declined("MA-2202")},
        )

    def _other_amounts(self, model: Visit) -> Iterator[Step]:
        bill = self._bill(model)
        bill |= {
            "total_fen": bill["total_fen"] + 500,
            "self_funded_fen": bill["self_funded_fen"] + 500,
        }
        again = replace(model, at=self._after(model))
        yield self._step(
            Kind.OTHER_AMOUNTS, again, bill=bill, expect={declined("MA-2203")}
        )

    def _key_reused(self, model: Visit) -> Iterator[Step]:
        """A HIS that counts keys from 1 again each morning."""
        bill = self._bill(self._another(model))
        yield self._step(
            Kind.KEY_REUSED,
            replace(model, at=self._after(model)),
            bill=bill,
            key=key_of(model),
            expect={refused("MA-4103")},
        )

    def _overtaking(self, model: Visit) -> Iterator[Step]:
        """The reversal overtakes its original, which arrives afterwards."""
        visit = self._another(model)
        original_key = key_of(visit)
        yield self._step(
            Kind.OVERTAKING,
            visit,
            key=f"{original_key}-R",
            original_key=original_key,
            expect={TOMBSTONE},
        )
        late = replace(visit, at=visit.at + timedelta(seconds=40))
        yield self._step(
            Kind.LATE_ORIGINAL, late, key=original_key, expect={declined("MA-2205")}
        )

    def _stranger(self, model: Visit) -> Iterator[Step]:
        yield self._by_other(
            Kind.STRANGER, model, self._population.strangers, "MA-2101"
        )

    def _expired(self, model: Visit) -> Iterator[Step]:
        yield self._by_other(Kind.EXPIRED, model, self._population.expired, "MA-2102")

    def _not_yet(self, model: Visit) -> Iterator[Step]:
        yield self._by_other(Kind.NOT_YET, model, self._population.not_yet, "MA-2103")

    def _malformed(self, model: Visit) -> Iterator[Step]:
        """Each way of spoiling a bill in turn, and two that are no bill at all."""
        visit = self._another(model)
        body = self._bill(visit)
        ways = len(_SPOILT) + 2
        way = self._spoilt % ways
        self._spoilt += 1
        key, bill, code = key_of(visit), body, ""
        if way < len(_SPOILT):
            spoil, code = _SPOILT[way]
            bill = spoil(body)
        elif way == len(_SPOILT):
            key, code = "", "MA-1103"
        raw = b'{"card": ' if way == ways - 1 else None
        yield self._step(
            Kind.MALFORMED,
            visit,
            key=key,
            bill=raw or bill,
            expect={refused(code or "MA-1101")},
        )

    def _by_other(
        self, kind: Kind, model: Visit, others: Sequence[Resident], code: str
    ) -> Step:
        visit = replace(self._another(model), resident=self._rng.choice(others))
        return self._step(kind, visit, expect={declined(code)})

    def _another(self, model: Visit) -> Visit:
        """A visit of the same person on the same day that is not in the plan."""
        self._visit_number += 1
        return replace(model, number=self._visit_number, at=self._after(model))

    def _after(self, model: Visit) -> datetime:
        return model.at + timedelta(seconds=self._rng.randrange(90, 900))

    def _bill(self, visit: Visit) -> _Body:
        """The bill with the amounts of the planned visit, or as it was drawn."""
        in_policy_fen = self._amounts.get(visit.number, visit.shape.draw_fen)
        return bill_body(bill_of(visit, in_policy_fen))

    def _step(
        self,
        kind: Kind,
        visit: Visit,
        *,
        expect: set[str],
        bill: _Body | bytes | None = None,
        key: str | None = None,
        original_key: str = "",
    ) -> Step:
        self._visit_number += 1
        own_key = f"{key_of(visit)}-{self._visit_number}"
        body = self._bill(visit) if bill is None else bill
        return Step(
            number=self._visit_number,
            at=visit.at,
            hospital=visit.hospital,
            person=visit.resident.number,
            kind=kind,
            key=own_key if key is None else key,
            bill=None if original_key else body,
            original_key=original_key,
            by_key=bool(original_key),
            card=card_body(visit.resident.card),
            expect=frozenset(expect),
        )


def key_of(visit: Visit) -> str:
    """The idempotency key under which a hospital settles a visit's bill."""
    return f"{visit.hospital.code}-{visit.number:06d}"

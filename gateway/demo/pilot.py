"""The pilot, made up: roster, hospitals and every step of three months.

Pure: the same seed and the same pack give the same pilot, to the byte. The amounts
are calibrated against the pack's pure core (`gateway.demo.calibrate`); what the
gateway makes of them is for the gateway to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from gateway.demo.calibrate import calibrate
from gateway.demo.care import aidable_care
from gateway.demo.district import HOSPITALS, Hospital
from gateway.demo.incidents import Incidents, key_of
from gateway.demo.outcomes import (
    ALREADY_REVERSED,
    REVERSED,
    SAME_BYTES,
    WITH_AID,
    WITHOUT_AID,
)
from gateway.demo.published import PUBLISHED
from gateway.demo.residents import Population, make_population
from gateway.demo.schedule import plan_visits
from gateway.demo.steps import Kind, Step, bill_body, card_body
from gateway.demo.visits import Fate, Visit, bill_of
from settlement.service.ports import Pack

SEED = 20_140_601
#: Persons who are on the roster throughout; each other kind has `_OTHERS`.
_STEADY = 2_900
_OTHERS = 60
_LOST_IN_100 = 4
_ASKING_IN_100 = 22


@dataclass(frozen=True, slots=True)
class Pilot:
    """Everything that the demo plays."""

    hospitals: tuple[Hospital, ...]
    population: Population
    visits: tuple[Visit, ...]
    amounts: Mapping[int, int]
    """In-policy fen of each visit's bill, by the number of the visit."""
    steps: tuple[Step, ...]
    """In the order of their instants."""


def make_pilot(pack: Pack, categories: Sequence[str], seed: int = SEED) -> Pilot:
    """Make the pilot under a pack whose category ids are `categories`.

    Raises `CalibrationError` when the pack cannot come out at `PUBLISHED`.
    """
    rng = Random(seed)
    population = make_population(rng, categories, steady=_STEADY, others=_OTHERS)
    aidable = aidable_care(pack, categories)
    visits = plan_visits(rng, PUBLISHED, population.steady, aidable)
    targets = {figures.month: figures.aid_fen for figures in PUBLISHED}
    amounts = calibrate(pack, visits, targets)
    planned = _planned_steps(rng, visits, amounts)
    incidents = Incidents(rng, population, visits, amounts).steps()
    steps = sorted([*planned, *incidents], key=lambda step: (step.at, step.number))
    return Pilot(HOSPITALS, population, visits, amounts, tuple(steps))


def _planned_steps(
    rng: Random, visits: Sequence[Visit], amounts: Mapping[int, int]
) -> Iterator[Step]:
    for visit in visits:
        yield _settling(rng, visit, amounts[visit.number])
        if visit.undone_at is not None:
            yield from _undoing(rng, visit, visit.undone_at)


def _settling(rng: Random, visit: Visit, in_policy_fen: int) -> Step:
    chance = rng.randrange(100)
    kind, outcome = Kind.SETTLE, WITH_AID
    if visit.fate is Fate.WITHOUT_AID:
        kind, outcome = Kind.NO_AID, WITHOUT_AID
    elif visit.corrects is not None:
        kind = Kind.CORRECTION
    elif chance < _LOST_IN_100:
        kind, outcome = Kind.LOST_ANSWER, SAME_BYTES
    return Step(
        number=visit.number,
        at=visit.at,
        hospital=visit.hospital,
        person=visit.resident.number,
        kind=kind,
        key=key_of(visit),
        bill=bill_body(bill_of(visit, in_policy_fen)),
        card=card_body(visit.resident.card),
        asks_first=kind is Kind.SETTLE and rng.randrange(100) < _ASKING_IN_100,
        expect=frozenset({outcome}),
    )


def _undoing(rng: Random, visit: Visit, undone_at: datetime) -> Iterator[Step]:
    """The refund, and one time in six the same again under another key."""
    refund = Step(
        number=visit.number,
        at=undone_at,
        hospital=visit.hospital,
        person=visit.resident.number,
        kind=Kind.REFUND,
        key=f"{key_of(visit)}-R",
        original_key=key_of(visit),
        by_key=rng.randrange(2) == 1,
        card=card_body(visit.resident.card),
        expect=frozenset({REVERSED}),
    )
    yield refund
    if rng.randrange(6) == 0:
        yield replace(
            refund,
            at=undone_at + timedelta(seconds=30),
            kind=Kind.REFUND_TWICE,
            key=f"{key_of(visit)}-RR",
            expect=frozenset({ALREADY_REVERSED}),
        )

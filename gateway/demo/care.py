"""What people come for and what it costs, before calibration; what a pack aids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from random import Random

from gateway.demo.district import HOSPITALS
from gateway.demo.residents import Resident
from gateway.demo.visits import Fate, Shape, Visit, bill_of
from settlement.domain.bill import Bill, CareType
from settlement.domain.calendar import SHANGHAI
from settlement.service.ports import Pack

#: What a thousand visits are.
CARE_MIX = {
    CareType.OUTPATIENT: 862,
    CareType.OUTPATIENT_SPECIAL: 82,
    CareType.EMERGENCY: 36,
    CareType.INPATIENT: 20,
}
#: In-policy amount of a middling bill in fen, and the share that insurance pays of
#: it in parts per million, each before chance and calibration.
_MEANS = {
    CareType.OUTPATIENT: (21_000, 580_000),
    CareType.OUTPATIENT_SPECIAL: (62_000, 720_000),
    CareType.EMERGENCY: (48_000, 540_000),
    CareType.INPATIENT: (640_000, 760_000),
}
DIAGNOSES = {
    CareType.OUTPATIENT: ("I10", "E11.9", "J06.9", "M54.5", "K29.7", "J42", "I25.1"),
    CareType.OUTPATIENT_SPECIAL: ("N18.5", "C50.9", "Z94.0", "C34.9"),
    CareType.EMERGENCY: ("R10.4", "S93.4", "J18.9", "R55"),
    CareType.INPATIENT: ("I63.9", "J44.1", "S72.0", "I50.9", "K80.2"),
}

#: A kind of care is usual for a category when a bill of so many times the middling
#: amount brings some aid; a deductible may ask for more, and then nobody plans it.
_USUAL_MEANS = 6

Aidable = Mapping[tuple[str, CareType], bool]
"""Whether a bill of usual size brings a category aid for a kind of care."""


def aidable_care(pack: Pack, categories: Sequence[str]) -> Aidable:
    """Ask the pack which care it aids when a bill is of usual size, at every level."""
    levels = sorted({hospital.level for hospital in HOSPITALS})
    return {
        (category, care_type): all(
            pack.adjudicate(_usual_bill(care_type), (category,), {}, level).aid_fen
            for level in levels
        )
        for category in categories
        for care_type in CareType
    }


def _usual_bill(care_type: CareType) -> Bill:
    mean_fen, insured = _MEANS[care_type]
    at = datetime(2014, 6, 3, 9, tzinfo=SHANGHAI)
    nobody = Resident(
        number=0,
        card="D00000000",
        id_number="",
        name="",
        household="",
        subdistrict="",
        birth_on=date(1960, 1, 1),
        windows=(),
    )
    visit = Visit(
        number=0,
        resident=nobody,
        hospital=HOSPITALS[0],
        care_type=care_type,
        service_start=at.date(),
        at=at,
        shape=Shape(
            draw_fen=mean_fen,
            self_funded=0,
            over_limit=0,
            pre_selfpay=0,
            insured=insured,
            personal_account=0,
        ),
        diagnoses=(),
        fate=Fate.STAYS,
    )
    return bill_of(visit, _USUAL_MEANS * mean_fen)


def skewed(rng: Random, mean: int) -> int:
    """An integer around `mean`, with many small values and a long tail."""
    product = mean
    for _ in range(3):
        product = product * rng.randrange(35, 166) // 100
    return max(1, product)


def draw_shape(rng: Random, care_type: CareType, fate: Fate) -> Shape:
    """Draw how a bill divides; one without aid is paid in full by insurance."""
    mean_fen, insured = _MEANS[care_type]
    covered = fate is Fate.WITHOUT_AID
    return Shape(
        draw_fen=skewed(rng, mean_fen),
        self_funded=rng.choice((0, 0, 0, 20_000, 60_000, 150_000)),
        over_limit=rng.choice((0, 0, 0, 0, 15_000)),
        pre_selfpay=0 if covered else rng.choice((0, 0, 30_000, 80_000)),
        insured=1_000_000 if covered else insured + 1_000 * rng.randrange(-60, 61),
        personal_account=0 if covered else rng.choice((0, 0, 0, 200_000, 500_000)),
    )

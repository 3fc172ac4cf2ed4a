"""The made-up pilot: the same each time, plausible, and calibrated to the fen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import orjson
import pytest
from stdnum.cn import ric

from gateway.demo.calibrate import CalibrationError
from gateway.demo.district import HOSPITALS, SUBDISTRICTS
from gateway.demo.pilot import Pilot, make_pilot
from gateway.demo.published import PUBLISHED
from gateway.demo.residents import Resident
from gateway.demo.steps import Kind, Step
from gateway.wire import parse_bill
from settlement.domain.bill import Bill, CareType, bill_faults
from settlement.domain.calendar import SHANGHAI, month_of
from settlement.domain.decision import (
    AccumulatorKey,
    Adjudication,
    PolicyRef,
    Posting,
)
from settlement.domain.policy.pack import CompiledPack, compile_pack
from settlement.service.ports import Pack

DEMO_PACK = (
    Path(__file__).resolve().parents[2]
    / "settlement"
    / "policies"
    / "demo-district.yaml"
)
SETTLING = {Kind.SETTLE, Kind.LOST_ANSWER, Kind.NO_AID, Kind.CORRECTION}


@pytest.fixture(scope="module")
def pack() -> CompiledPack:
    """Compile the pack that a sandbox installs."""
    return compile_pack(DEMO_PACK.read_bytes())


@pytest.fixture(scope="module")
def pilot(pack: CompiledPack) -> Pilot:
    """Make the pilot once; nobody changes it."""
    return make_pilot(pack, categories_of(pack))


def categories_of(pack: CompiledPack) -> list[str]:
    """The ids of the pack's categories."""
    return [category.id for category in pack.document.categories]


@dataclass
class Figures:
    """A month as the tally counts it."""

    citizens: set[int]
    visits: int = 0
    aid_fen: int = 0


class Tally:
    """Settles and reverses by the pure core, sharing no code with the calibration."""

    def __init__(self, pack: Pack, residents: Sequence[Resident]) -> None:
        self.pack = pack
        self.residents = {resident.number: resident for resident in residents}
        self.used: defaultdict[int, dict[AccumulatorKey, int]] = defaultdict(dict)
        self.in_force: dict[str, tuple[int, Bill, Adjudication]] = {}

    def settle(self, step: Step) -> Adjudication:
        """Settle the bill as it goes over the wire."""
        bill = parse_bill(orjson.dumps(step.bill))
        used = self.used[step.person]
        day = self.pack.policy_day(bill)
        result = self.pack.adjudicate(
            bill,
            self.residents[step.person].categories_on(day),
            used,
            step.hospital.level,
        )
        for posting in result.postings:
            used[posting.key] = used.get(posting.key, 0) + posting.amount_fen
        self.in_force[step.key] = (step.person, bill, result)
        return result

    def reverse(self, step: Step) -> None:
        """Give back what the settlement under the original key posted."""
        person, _, result = self.in_force.pop(step.original_key)
        for posting in result.postings:
            self.used[person][posting.key] -= posting.amount_fen

    def months(self) -> Mapping[str, Figures]:
        """What stays in force with aid, by month of the last day of service."""
        months: defaultdict[str, Figures] = defaultdict(lambda: Figures(set()))
        for person, bill, result in self.in_force.values():
            if result.aid_fen > 0:
                figures = months[month_of(bill.service_end)]
                figures.citizens.add(person)
                figures.visits += 1
                figures.aid_fen += result.aid_fen
        return months


def tally_of(pack: Pack, pilot: Pilot) -> Tally:
    """Play the pilot's own settlements and refunds in order."""
    tally = Tally(pack, pilot.population.steady)
    for step in pilot.steps:
        if step.kind in SETTLING:
            tally.settle(step)
        elif step.kind is Kind.REFUND:
            tally.reverse(step)
    return tally


def assert_published(tally: Tally) -> None:
    """Compare every month with the published figures, to the fen."""
    months = tally.months()
    counted = {
        month: (len(figures.citizens), figures.visits, figures.aid_fen)
        for month, figures in months.items()
    }
    assert counted == {
        "2014-06": (359, 922, 55_279_78),
        "2014-07": (610, 1_712, 122_779_47),
        "2014-08": (857, 2_648, 182_964_96),
    }


def test_bills_come_out_at_the_published_figures(
    pack: CompiledPack, pilot: Pilot
) -> None:
    """The policy, applied to each bill in order, gives the pilot's figures."""
    assert_published(tally_of(pack, pilot))


def test_same_seed_gives_the_same_pilot(pack: CompiledPack, pilot: Pilot) -> None:
    """No result is checked in, so the generator must repeat itself exactly."""
    again = make_pilot(pack, categories_of(pack))

    assert again == pilot


def test_every_aided_visit_has_aid_and_the_others_none(
    pack: CompiledPack, pilot: Pilot
) -> None:
    """A visit that counts has at least a yuan of aid; a bill without any has 0."""
    tally = Tally(pack, pilot.population.steady)
    without = set()
    for step in pilot.steps:
        if step.kind in SETTLING:
            aid_fen = tally.settle(step).aid_fen
            if step.kind is Kind.NO_AID:
                without.add(aid_fen)
            else:
                assert aid_fen >= 100
        elif step.kind is Kind.REFUND:
            tally.reverse(step)
    assert without == {0}


def test_planned_bills_are_sound(pilot: Pilot) -> None:
    """Only the steps that mean to be malformed have impossible amounts or dates."""
    for step in pilot.steps:
        if step.kind is Kind.MALFORMED:
            continue
        if step.bill is not None:
            bill = parse_bill(orjson.dumps(step.bill), key=step.key)
            assert bill_faults(bill, today=step.at.astimezone(SHANGHAI).date()) == ()


def test_roster_has_the_districts_size(pack: CompiledPack, pilot: Pilot) -> None:
    """Some 3,000 persons in 13 sub-districts, with households and all categories."""
    roster = pilot.population.on_roster
    categories = {window.category for one in roster for window in one.windows}

    assert 2_900 <= len(roster) <= 3_200
    assert {one.subdistrict for one in roster} == {one.code for one in SUBDISTRICTS}
    assert len(SUBDISTRICTS) == 13
    assert len({one.household for one in roster}) < len(roster) * 3 // 4
    assert categories == set(categories_of(pack))


def test_numbers_are_well_formed_distinct_and_nobodys(pilot: Pilot) -> None:
    """Check digits are right, region 99 is nobody's, and no number stands twice."""
    everybody = [*pilot.population.on_roster, *pilot.population.strangers]

    for person in everybody:
        assert ric.calc_check_digit(person.id_number) == person.id_number[-1]
        assert person.id_number.startswith("99")
    assert len({person.id_number for person in everybody}) == len(everybody)
    assert len({person.card for person in everybody}) == len(everybody)


def test_all_hospitals_and_all_kinds_occur(pilot: Pilot) -> None:
    """Twenty hospitals work, and the replay holds everything a real day holds."""
    asked = {Kind.ELIGIBILITY, Kind.QUOTE}

    assert {step.hospital.code for step in pilot.steps} == {
        hospital.code for hospital in HOSPITALS
    }
    assert len(HOSPITALS) == 20
    assert {step.kind for step in pilot.steps} == set(Kind) - asked
    assert any(step.asks_first for step in pilot.steps)
    assert {visit.care_type for visit in pilot.visits} == set(CareType)


def test_keys_are_used_once_but_for_those_that_mean_it(pilot: Pilot) -> None:
    """Only a reused key and a late original name a key that was used before."""
    keys = [
        step.key
        for step in pilot.steps
        if step.kind not in {Kind.KEY_REUSED, Kind.MALFORMED}
    ]

    assert len(set(keys)) == len(keys)


def test_steps_follow_what_they_refer_to(pilot: Pilot) -> None:
    """A refund comes after its settlement, a late original after its reversal."""
    seen: set[str] = set()
    reversed_keys: set[str] = set()
    for step in pilot.steps:
        if step.kind in {Kind.REFUND, Kind.REFUND_TWICE}:
            assert step.original_key in seen
        if step.kind is Kind.OVERTAKING:
            assert step.original_key not in seen
            reversed_keys.add(step.original_key)
        if step.kind is Kind.LATE_ORIGINAL:
            assert step.key in reversed_keys
        seen.add(step.key)


def test_nobody_is_at_a_desk_while_in_a_ward(pilot: Pilot) -> None:
    """Stays do not overlap the person's other visits, as detectors would notice."""
    stays = [v for v in pilot.visits if v.care_type is CareType.INPATIENT]
    for stay in stays:
        assert not [
            other
            for other in pilot.visits
            if other.resident is stay.resident
            and other.care_type is not CareType.INPATIENT
            and stay.service_start <= other.service_end < stay.service_end
        ]


class ToyPack:
    """Another pack: flat rates, a yearly deductible and a cap."""

    ref = PolicyRef("toy", "1", "0" * 64)

    def __init__(self, *, rate_ppm: int, cap_fen: int | None) -> None:
        self.rate_ppm = rate_ppm
        self.cap_fen = cap_fen

    def policy_day(self, bill: Bill) -> date:
        """Count every bill on its last day."""
        return bill.service_end

    def adjudicate(
        self,
        bill: Bill,
        categories: Sequence[str],
        used_fen: Mapping[AccumulatorKey, int],
        facility_level: int | None,  # noqa: ARG002  # the port's signature
    ) -> Adjudication:
        """Take the deductible of `edge` off, apply the rate, cut at the cap."""
        base = max(0, min(bill.owed_fen, bill.in_policy_fen - bill.funds_fen))
        year = bill.service_end.year
        pot, deductible = (
            AccumulatorKey(year, "all"),
            AccumulatorKey(year, "deductible"),
        )
        own = 30_000 if categories[0] == "edge" else 0
        off = min(base, max(0, own - used_fen.get(deductible, 0)))
        aid = ((base - off) * self.rate_ppm * 2 + 1_000_000) // 2_000_000
        if self.cap_fen is not None:
            aid = min(aid, max(0, self.cap_fen - used_fen.get(pot, 0)))
        return Adjudication(
            approved=True,
            reason="MA-2000",
            category=categories[0],
            aid_fen=aid,
            aid=(),
            base_fen=base,
            patient_pays_fen=bill.owed_fen - aid,
            cash_fen=bill.owed_fen - aid,
            account_return_fen=0,
            postings=(
                Posting(pot, aid, self.cap_fen),
                Posting(deductible, off, None),
            ),
            coded=(),
            pots=(),
        )


@pytest.mark.parametrize("rate_ppm", [700_000, 1_000_000])
def test_other_packs_come_out_at_the_figures_too(rate_ppm: int) -> None:
    """Calibration is computed: rates, deductibles and caps may change."""
    toy: Pack = ToyPack(rate_ppm=rate_ppm, cap_fen=900_000)  # type: ignore[assignment]

    pilot = make_pilot(toy, ["poor", "edge"])

    assert_published(tally_of(toy, pilot))


def test_impossible_pack_is_said_with_month_and_reason() -> None:
    """A cap that nobody's share of the figures fits under is named, not fudged."""
    toy: Pack = ToyPack(rate_ppm=800_000, cap_fen=4_000)  # type: ignore[assignment]

    with pytest.raises(CalibrationError, match=r"2014-0[678]: .*cap"):
        make_pilot(toy, ["poor"])


def test_figures_are_net_of_refunds(pack: CompiledPack, pilot: Pilot) -> None:
    """Were refunds ignored, every month would come out above the figures."""
    tally = Tally(pack, pilot.population.steady)
    for step in pilot.steps:
        if step.kind in SETTLING:
            tally.settle(step)

    months = tally.months()
    for figures in PUBLISHED:
        assert months[figures.month].visits > figures.visits
        assert months[figures.month].aid_fen > figures.aid_fen


def test_a_real_weeks_days(pilot: Pilot) -> None:
    """Mondays are busy, Sundays quiet, and August busier than June."""
    by_day: defaultdict[date, int] = defaultdict(int)
    for visit in pilot.visits:
        by_day[visit.service_end] += 1
    mondays = sum(count for day, count in by_day.items() if day.weekday() == 0)
    sundays = sum(count for day, count in by_day.items() if day.weekday() == 6)

    assert mondays > 2 * sundays
    assert min(visit.at for visit in pilot.visits) >= datetime(2014, 5, 31, tzinfo=UTC)
    assert len(by_day) == 92

"""The visits of a district: which desk, which person, which bill, which requests.

Every visit is drawn from the run's seed and its own number alone, so each process of
a distributed run knows all of them and takes its own share.
"""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from loadtests.plan import UNKNOWN_LEAVE, Mix, Plan

#: The n-th busiest hospital has 1/n^1.1 of the visits of the busiest one.
_SKEW = 1.1
#: And no hospital more than this share of all.
_SHARE_MAX = 0.15
_CARE = (
    ("outpatient", 0.86), ("outpatient_special", 0.06), ("emergency", 0.03),
    ("inpatient", 0.05),
)  # fmt: skip
_DIAGNOSES = ("I10", "E11", "J06", "K29", "M54", "I25", "J44", "N18", "C34", "F20")
#: Days that a visit may lie back: bills are made on the day or a little later.
_BACK_DAYS = (0, 0, 0, 0, 0, 0, 1, 1, 2, 3)
FAULTS = ("sum", "text", "field", "json", "card", "date")


@dataclass(frozen=True, slots=True)
class Visit:
    """What one patient does at one desk, before anything was asked."""

    number: int
    at_s: float
    hospital: int
    card: int
    """Place in the world's cards; -1: a card that nobody has."""
    is_revoked: bool
    bill: dict[str, Any]
    """Without the card, the visit's number and the day: amounts and care."""
    back_days: int
    stay_days: int
    steps: tuple[tuple[float, str], ...]
    """Seconds after `at_s`, and the call: what is asked for one after another."""
    fault: str = ""
    with_expected: bool = False


class District:
    """Draws visits for a plan over so many hospitals and cards."""

    def __init__(
        self, plan: Plan, *, hospitals: int, cards: int, revoked: int, seed: int
    ) -> None:
        """Fix the shares; `revoked` cards are asked about as the plan says."""
        self._mix: Mix = plan.mix
        self._seed = seed
        self._cards = cards
        self._revoked = revoked
        self._hospitals = list(itertools.accumulate(hospital_shares(hospitals)))
        self._heavy = max(1, round(cards * plan.mix.heavy_persons))

    def visit(self, number: int, at_s: float) -> Visit:
        """The visit of this number, which begins at `at_s`."""
        draw = random.Random(f"{self._seed}:{number}")
        mix = self._mix
        hospital = bisect.bisect(self._hospitals, draw.random() * self._hospitals[-1])
        hospital = min(hospital, len(self._hospitals) - 1)
        fault = draw.choice(FAULTS) if draw.random() < mix.malformed else ""
        is_revoked = self._revoked > 0 and draw.random() < mix.revoked
        card = self._card(draw, is_revoked=is_revoked)
        bill = make_bill(draw)
        is_inpatient = bill["care_type"] == "inpatient"
        steps = ((0.0, "malformed"),) if fault else self._steps(draw, card, is_revoked)
        steps = tuple((after * mix.pace, call) for after, call in steps)
        return Visit(
            number, at_s, hospital, card, is_revoked, bill,
            back_days=draw.choice(_BACK_DAYS),
            stay_days=draw.randint(2, 12) if is_inpatient else 0,
            steps=steps, fault=fault, with_expected=draw.random() < 0.5,
        )  # fmt: skip

    def _card(self, draw: random.Random, *, is_revoked: bool) -> int:
        if is_revoked:
            return draw.randrange(self._revoked)
        if draw.random() < self._mix.unknown_card:
            return -1
        if draw.random() < self._mix.heavy_visits:
            return draw.randrange(self._heavy)
        return draw.randrange(self._cards)

    def _steps(
        self, draw: random.Random, card: int, is_revoked: bool
    ) -> tuple[tuple[float, str], ...]:
        mix, at_s = self._mix, 0.0
        steps = [(0.0, "eligibility")]
        if draw.random() < mix.asks_twice:
            at_s += draw.uniform(0.5, 2)
            steps.append((at_s, "eligibility"))
        # Some cashiers try to settle for an unknown card all the same.
        if is_revoked or (card < 0 and draw.random() < UNKNOWN_LEAVE):
            return tuple(steps)
        if draw.random() < mix.quoted:
            at_s += draw.uniform(0.3, 2)
            steps.append((at_s, "quote"))
            if draw.random() < mix.leaves_after_quote:
                return tuple(steps)
        at_s += draw.uniform(0.3, 3)
        steps.append((at_s, "settle"))
        for call, share, longest in (
            ("repeat", mix.repeated, 3.0),
            ("look_up", mix.looked_up, 4.0),
            ("reverse", mix.refunded, 8.0),
        ):
            if draw.random() < share:
                at_s += draw.uniform(0.5, longest)
                steps.append((at_s, call))
        return tuple(steps)


def hospital_shares(count: int) -> list[float]:
    """Shares of all visits, the busiest first; few are busy and many are quiet."""
    raw = [1 / rank**_SKEW for rank in range(1, count + 1)]
    shares = [weight / sum(raw) for weight in raw]
    # What is cut off the busiest goes to all, which leaves them the busiest.
    cut = sum(max(0.0, share - _SHARE_MAX) for share in shares)
    return [min(share, _SHARE_MAX) + cut / count for share in shares]


def make_bill(draw: random.Random) -> dict[str, Any]:
    """Amounts in fen as insurers leave them; they add up as the interface says."""
    care = draw.choices([c for c, _ in _CARE], [share for _, share in _CARE])[0]
    typical = 400_000 if care == "inpatient" else 9_000
    total = max(500, round(draw.lognormvariate(0, 0.8) * typical))
    total = min(total, 8_000_000)
    self_funded = total * draw.randint(0, 15) // 100
    over_limit = total * draw.choice((0, 0, 0, 2, 4)) // 100
    pre_selfpay = total * draw.choice((0, 3, 5, 8)) // 100
    in_policy = total - self_funded - over_limit - pre_selfpay
    basic = in_policy * draw.randint(45, 85) // 100
    serious = in_policy * draw.choice((0, 0, 0, 0, 5)) // 100
    owed = total - basic - serious
    return {
        "care_type": care,
        "diagnoses": [draw.choice(_DIAGNOSES)],
        "referred": True,
        "total_fen": total,
        "self_funded_fen": self_funded,
        "over_limit_fen": over_limit,
        "pre_selfpay_fen": pre_selfpay,
        "in_policy_fen": in_policy,
        "basic_insurance_fen": basic,
        "serious_illness_fen": serious,
        "other_funds_fen": 0,
        "personal_account_fen": owed * draw.choice((0, 0, 0, 10, 40)) // 100,
    }


def body_of(visit: Visit, *, visit_no: str, card: dict[str, str], today: date) -> Any:
    """The BILL of this visit, as it is sent on `today` of Shanghai."""
    # Never into the year before: the check reads this year's running totals.
    end = max(today - timedelta(days=visit.back_days), today.replace(month=1, day=1))
    start = end - timedelta(days=visit.stay_days)
    return {
        "card": card,
        "visit_no": visit_no,
        "bill_no": "1",
        "service_start": start.isoformat(),
        "service_end": end.isoformat(),
        **visit.bill,
    }


def broken(body: dict[str, Any], fault: str) -> bytes:
    """The same bill with a fault that a gateway has to refuse."""
    import json  # noqa: PLC0415

    match fault:
        case "sum":
            body = body | {"total_fen": body["total_fen"] + 1}
        case "text":
            body = body | {"total_fen": f"{body['total_fen'] / 100:.2f}"}
        case "field":
            body = body | {"patient": "x"}
        case "card":
            body = body | {"card": {"kind": "library_card", "number": "X"}}
        case "date":
            body = body | {"service_end": "5 Jan 2026"}
        case _:
            return json.dumps(body).encode()[:-2]
    return json.dumps(body).encode()


def arrivals(plan: Plan, seed: int) -> Iterator[tuple[int, float]]:
    """Numbers and instants of all visits, as a Poisson process of the plan's rate.

    Drawn at the highest rate and thinned, so the rate may change at any time.
    """
    draw = random.Random(f"{seed}:arrivals")
    peak = plan.peak_visits_per_s
    at_s, number = 0.0, 0
    while True:
        at_s += draw.expovariate(peak)
        if at_s >= plan.seconds:
            return
        if draw.random() * peak < plan.visits_per_s(at_s):
            yield number, at_s
            number += 1


def share_of(
    numbered: Iterator[tuple[int, float]], process: int, processes: int
) -> Iterator[tuple[int, float]]:
    """What this process of so many does of it; together they do each once."""
    return (one for one in numbered if one[0] % processes == process)


def flood(plan: Plan, process: int, processes: int) -> Sequence[float]:
    """Instants at which this process lets the flooding hospital ask."""
    count = int(plan.flood_per_s * plan.seconds)
    return [n / plan.flood_per_s for n in range(count) if n % processes == process]

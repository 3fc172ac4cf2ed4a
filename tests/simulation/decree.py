"""The demo pack's numbers and arithmetic, written down again beside the decree.

Shares nothing with the product but the shape of a bill. Whole fen; half a fen up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from settlement.domain.bill import Bill, CareType

STAY, SPECIAL = CareType.INPATIENT, CareType.OUTPATIENT_SPECIAL
YUAN = 100


class Terms(NamedTuple):
    """What one category gets; limits in yuan, None: no limit."""

    percent: tuple[int, int, int, int]  # outpatient, special, emergency, stay; 0: none
    per_visit: int  # deductible of an outpatient or emergency bill
    per_year: int  # deductible of stays and special outpatient care
    visit_cap: int | None  # of an outpatient or emergency bill
    caps: Mapping[str, int | None]  # by pot; a pot that is missing gives nothing
    tilt: int  # percent, on a referred stay, above 5,000 yuan, to 20,000 a year


def _caps(outpatient: int | None, inpatient: int | None) -> dict[str, int | None]:
    return {"outpatient": outpatient, "inpatient": inpatient}


#: In the decree's order, which decides between equals.
DECREE = {
    "tekun": Terms((100, 100, 100, 100), 0, 0, None, _caps(None, None), 0),
    "guer": Terms((100, 100, 100, 100), 0, 0, None, _caps(None, None), 0),
    "dibao": Terms((80, 85, 80, 85), 0, 0, 500, _caps(6_000, 100_000), 60),
    "fanpin": Terms((75, 80, 75, 80), 0, 0, 500, _caps(5_000, 80_000), 60),
    "dibao_bianyuan": Terms((60, 70, 60, 70), 10, 1_000, 500, _caps(4_000, 60_000), 50),
    "dishouru": Terms((50, 60, 50, 60), 10, 1_000, 300, _caps(3_000, 50_000), 0),
    "yinbing": Terms((0, 55, 0, 55), 0, 3_000, None, {"inpatient": 40_000}, 40),
}
TILT_FROM, TILT_CAP = 5_000, 20_000


class Decision(NamedTuple):
    """What the answer to a bill must say; amounts in fen."""

    approved: bool
    reason: str
    category: str | None = None
    base: int = 0
    aid: int = 0
    tilt: int = 0
    postings: tuple[tuple[str, int], ...] = ()  # pot and amount
    quota: tuple[tuple[str, int | None, int], ...] = ()  # pot, cap, used afterwards
    duplicate_of: str | None = None


Used = Callable[[str], int]  # what the person has used of a pot in the bill's year


def adjudicate(bill: Bill, mine: list[str], used: Used) -> Decision:
    """What a person of these categories gets on a bill."""
    best = max(
        (category for category in DECREE if category in mine),
        key=lambda category: sum(DECREE[category].percent),
    )
    quota = _quota(best, used, {})
    none = Decision(False, "MA-2201", best, quota=quota)
    if bill.medical_aid_fen:
        return none
    if bill.care_type is STAY and not bill.referred:
        return none._replace(reason="MA-2206")
    base = min(bill.owed_fen, max(0, bill.in_policy_fen - bill.funds_fen))
    none = Decision(True, "MA-2001", best, base, quota=quota)
    if base == 0:
        return none
    offers = [
        _offer(category, bill, base, used)
        for category in DECREE
        if category in mine and _percent(category, bill)
    ]
    if not offers:
        return none._replace(reason="MA-2004")
    return max(offers, key=lambda offer: offer.aid)


def _offer(category: str, bill: Bill, base: int, used: Used) -> Decision:
    terms = DECREE[category]
    yearly = bill.care_type in {STAY, SPECIAL}
    pot = "inpatient" if yearly else "outpatient"
    deductible = terms.per_visit * YUAN
    if yearly:
        deductible = max(0, terms.per_year * YUAN - used("deductible"))
    taken = min(base, deductible)
    rated = _share(base - taken, _percent(category, bill))
    basic = rated if yearly else _up_to(rated, terms.visit_cap, 0)
    basic = _up_to(basic, terms.caps[pot], used(pot))
    over = max(0, base - basic - TILT_FROM * YUAN) * (bill.care_type is STAY)
    tilt = _up_to(_share(over, terms.tilt), TILT_CAP, used("tilt"))
    reason = "MA-2000" if basic + tilt else "MA-2002" if rated else "MA-2001"
    if base == taken and not tilt:
        reason = "MA-2003"
    posted = {"deductible": taken if yearly else 0, pot: basic, "tilt": tilt}
    quota = _quota(category, used, posted)
    rows = tuple((name, fen) for name, fen in posted.items() if fen)
    return Decision(True, reason, category, base, basic + tilt, tilt, rows, quota)


def _quota(
    category: str, used: Used, posted: Mapping[str, int]
) -> tuple[tuple[str, int | None, int], ...]:
    tilt = {"tilt": TILT_CAP} if DECREE[category].tilt else {}
    return tuple(
        (
            pot,
            None if cap is None else cap * YUAN,
            used(pot) + posted.get(pot, 0),
        )
        for pot, cap in {**DECREE[category].caps, **tilt}.items()
    )


def year_of(bill: Bill) -> int:
    """The year of the caps: of discharge for a stay, of the visit otherwise."""
    return (bill.service_end if bill.care_type is STAY else bill.service_start).year


def _percent(category: str, bill: Bill) -> int:
    """The rate; 0 where the category gets nothing for this care."""
    return DECREE[category].percent[list(CareType).index(bill.care_type)]


def _share(fen: int, percent: int) -> int:
    """Percent of an amount, half a fen up."""
    return (fen * percent * 2 + 100) // 200


def _up_to(fen: int, cap_yuan: int | None, used: int) -> int:
    """As much as a cap still has room for."""
    return fen if cap_yuan is None else min(fen, max(0, cap_yuan * YUAN - used))

"""Bills, histories and whole packs for properties."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from settlement.domain.bill import Bill, Card, CardKind, CareType, Place
from tests.policy.small_pack import CARES, CATEGORIES, small_pack

#: Slowness is no failure: the machine may be busy with others.
UNHURRIED = settings(deadline=None)

CARD = Card(kind=CardKind.SOCIAL_SECURITY_CARD, number="A00000000")

#: Small amounts hit edges, large ones caps.
FEN = st.one_of(
    st.integers(0, 300), st.integers(0, 200_000), st.integers(0, 30_000_000)
)


def bill_of(**changes: Any) -> Bill:
    """A sound outpatient bill of 100 yuan in policy, changed as told.

    The total follows from its parts.
    """
    amounts = {
        name: changes.pop(name, 0)
        for name in ("self_funded_fen", "over_limit_fen", "pre_selfpay_fen")
    }
    amounts["in_policy_fen"] = changes.pop("in_policy_fen", 10_000)
    on = changes.pop("on", date(2026, 1, 5))
    values: dict[str, Any] = {
        "card": CARD,
        "visit_no": "V1",
        "care_type": CareType.OUTPATIENT,
        "service_start": on,
        "service_end": on,
        "referred": True,
        "basic_insurance_fen": 0,
        "serious_illness_fen": 0,
        "other_funds_fen": 0,
        **amounts,
        "total_fen": sum(amounts.values()),
    }
    return Bill(**(values | changes))


@st.composite
def bills(draw: st.DrawFn) -> Bill:
    """Sound bills of all kinds of care, places and payers, in the year 2026."""
    parts = {
        "in_policy_fen": draw(st.integers(1, 300) | FEN),
        "pre_selfpay_fen": draw(FEN),
        "self_funded_fen": draw(st.integers(0, 5000)),
        "over_limit_fen": draw(st.integers(0, 5000)),
    }
    if not any(parts.values()):
        parts["in_policy_fen"] = 1
    total = sum(parts.values())
    insured = draw(st.integers(0, 110))
    basic = min(total, parts["in_policy_fen"] * insured // 100)
    serious = draw(st.just(0) | st.integers(0, (total - basic) // 2))
    other = draw(st.just(0) | st.integers(0, (total - basic - serious) // 2))
    rest = total - basic - serious - other
    aid_before = min(rest, draw(st.sampled_from([0] * 19 + [1])))
    owed = total - basic - serious - other - aid_before
    return bill_of(
        **parts,
        on=date(2026, 1, 1) + timedelta(days=draw(st.integers(0, 364))),
        care_type=draw(st.sampled_from(CareType)),
        place=draw(st.sampled_from([Place.LOCAL, *Place])),
        referred=draw(st.sampled_from([True, True, True, False])),
        basic_insurance_fen=basic,
        serious_illness_fen=serious,
        other_funds_fen=other,
        medical_aid_fen=aid_before,
        personal_account_fen=draw(st.integers(0, owed)),
        commercial_fen=draw(st.sampled_from([0] * 8 + [100, 50_000])),
        charity_fen=draw(st.sampled_from([0] * 8 + [100, 50_000])),
    )


@dataclass(frozen=True)
class Visit:
    """One bill with all that a decision may depend on."""

    bill: Bill
    level: int | None
    settled_on: date
    used: dict[str, int]
    """What the year has brought before, by pot."""


@st.composite
def visits(draw: st.DrawFn) -> Visit:
    """Bills in 2025 and 2026, of any length of stay, before any history."""
    bill = draw(bills())
    start = bill.service_start - timedelta(days=draw(st.sampled_from([0, 365])))
    end = start + timedelta(days=draw(st.sampled_from([0, 0, 1, 25])))
    return Visit(
        replace(
            bill,
            service_start=start,
            service_end=end,
            deductible_fen=draw(st.sampled_from([0, 1, 5_000, bill.in_policy_fen])),
        ),
        level=draw(st.sampled_from([None, 0, 1, 2, 3])),
        settled_on=end + timedelta(days=draw(st.sampled_from([0, 30, 31]))),
        used=draw(st.just({}) | YEARS),
    )


#: What a year may have brought, near the edges of drawn packs and far from them.
YEARS = st.fixed_dictionaries(
    dict.fromkeys(("a", "b", "c"), st.integers(0, 400_000) | st.just(0))
    | dict.fromkeys(("deductible", "banded"), st.integers(0, 80_000) | st.just(0))
    | {"burden": st.integers(0, 80_000), "tilt": st.integers(0, 600_000)}
)


@st.composite
def packs(draw: st.DrawFn) -> str:
    """Small packs with any rates, deductibles, caps and tilts, free of faults."""
    cells = {}
    for category in CATEGORIES:
        yearly = draw(st.integers(1, 20_000))
        tilt_cap = draw(st.sampled_from(["不限", yuan(draw(st.integers(1, 500_000)))]))
        for care in CARES:
            for table, text in _benefit(draw, yearly, tilt_cap).items():
                cells[table, category, care] = text
        for pot in ("outpatient", "inpatient"):
            covered = any(
                cells["rates", category, care] != "value: 不享受"
                for care, drawn in zip(CARES, _POTS, strict=True)
                if drawn == pot
            )
            cap = draw(st.sampled_from(["不限", yuan(draw(st.integers(1, 400_000)))]))
            cells["year_caps", category, pot] = (
                f"value: {cap}" if covered else "value: 不享受"
            )
    return small_pack(
        cells,
        base__pre_selfpay=_rule(draw(st.sampled_from(["计入", "不计入"]))),
        base__commercial=_rule(draw(st.sampled_from(["扣除", "不扣除"]))),
        base__charity=_rule(draw(st.sampled_from(["扣除", "不扣除"]))),
        base__top_up=_rule(draw(st.sampled_from(["允许", "不允许"]))),
    )


_POTS = ("outpatient", "inpatient", "outpatient", "inpatient")


def _benefit(draw: st.DrawFn, yearly_fen: int, tilt_cap: str) -> dict[str, str]:
    rate = draw(st.sampled_from(["80%", "33.3333%", "100%", "0.0001%", "不享受"]))
    if rate == "不享受":
        return {
            "rates": "value: 不享受",
            "deductibles": "value: 无",
            "visit_caps": "value: 不享受",
            "tilt": "value: 不享受",
        }
    deductible = draw(
        st.sampled_from(
            ["无", f"每年{yuan(yearly_fen)}", f"每次{yuan(yearly_fen % 300 + 1)}"]
        )
    )
    visit_cap = draw(st.sampled_from(["不限", yuan(draw(st.integers(1, 100_000)))]))
    threshold = yuan(draw(st.integers(0, 20_000)))
    referral = draw(st.sampled_from(["要求", "不要求"]))
    terms = f"rate: 50%, year_cap: {tilt_cap}, referral: {referral}"
    tilt = draw(st.sampled_from(["value: 不享受", f"threshold: {threshold}, {terms}"]))
    return {
        "rates": f"value: {rate}",
        "deductibles": f"value: {deductible}",
        "visit_caps": f"value: {visit_cap}",
        "tilt": tilt,
    }


def _rule(word: str) -> str:
    return f"{{value: {word}, source: s}}"


def yuan(fen: int) -> str:
    """An amount as packs write it."""
    return f"{fen // 100}.{fen % 100:02d}元"


HISTORIES = st.fixed_dictionaries(
    {
        "outpatient": st.integers(0, 1_000_000),
        "inpatient": st.integers(0, 20_000_000),
        "deductible": st.integers(0, 30_000),
        "tilt": st.integers(0, 600_000),
    }
)

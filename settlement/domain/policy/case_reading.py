"""Worked cases as written in a pack: facts given, outcomes expected, fen exact."""

from __future__ import annotations

from collections.abc import Collection

from settlement.domain.bill import (
    Bill,
    Card,
    CardKind,
    CareType,
    Place,
    bill_faults,
)
from settlement.domain.money import parse_yuan, yuan_text
from settlement.domain.policy.document import WorkedCase
from settlement.domain.policy.rate_reading import LEVEL_WORDS
from settlement.domain.policy.section import Section, Wrong

#: What a case may say of the outcome, and whether it is an amount.
OUTCOMES = {
    "in_force": False,
    "decision": False,
    "reason": False,
    "category": False,
    "base": True,
    "aid": True,
    "tilt": True,
    "patient_pays": True,
    "cash": True,
    "account_return": True,
}

_AMOUNTS = (
    "in_policy", "pre_selfpay", "self_funded", "over_limit", "basic_insurance",
    "serious_illness", "other_funds", "medical_aid", "commercial", "charity",
    "personal_account", "deductible",
)  # fmt: skip
_YES_NO = {"是": True, "否": False}
_WRONG_YUAN: Wrong = (
    "MA-7010",
    "金额写成 8000元 或 64.50元，不带逗号，最多两位小数。",
    "write an amount as 8000元 or 64.50元: no separators, at most two decimals.",
)
_CARD = Card(kind=CardKind.SOCIAL_SECURITY_CARD, number="WORKED-CASE")


def read_cases(
    root: Section, pots: Collection[str], categories: Collection[str]
) -> tuple[WorkedCase, ...]:
    """The worked cases, at least one."""
    cases = tuple(
        _read_case(section, pots, categories) for section in root.items("cases")
    )
    if not cases and root.has("cases"):
        root.fault(
            "MA-7007", "cases",
            zh="至少写一个算例。", en="Write at least one worked case.",
        )  # fmt: skip
    return cases


def _read_case(
    section: Section, pots: Collection[str], categories: Collection[str]
) -> WorkedCase:
    given = section.section("given")
    bill = _read_bill(given)
    case = WorkedCase(
        name=section.text("name"),
        line=section.line,
        bill=bill,
        categories=given.names("categories", categories, "categories"),
        used_fen=_read_used(given, pots),
        settled_on=given.day("settled_on")
        if given.has("settled_on")
        else bill.service_end,
        facility_level=given.choice("facility_level", LEVEL_WORDS, 0)
        if given.has("facility_level")
        else None,
        on_application=given.has("on_application")
        and given.choice("on_application", _YES_NO, default=False),
        expect=_read_expect(section.section("expect"), pots),
    )
    given.close()
    section.close()
    _check_bill(case, given)
    return case


def _read_bill(given: Section) -> Bill:
    fen = {key: _optional_fen(given, key) for key in _AMOUNTS}
    begins = given.day("from") if given.has("from") else given.day("on")
    ends = given.day("to") if given.has("from") else begins
    return Bill(
        card=_CARD,
        visit_no="CASE",
        care_type=given.choice("care", _CARES, CareType.OUTPATIENT),
        service_start=begins,
        service_end=ends,
        referred=not given.has("referred") or given.choice("referred", _YES_NO, True),  # noqa: FBT003
        place=given.choice("place", _PLACES, Place.LOCAL)
        if given.has("place")
        else Place.LOCAL,
        total_fen=fen["in_policy"]
        + fen["pre_selfpay"]
        + fen["self_funded"]
        + fen["over_limit"],
        in_policy_fen=fen["in_policy"],
        pre_selfpay_fen=fen["pre_selfpay"],
        self_funded_fen=fen["self_funded"],
        over_limit_fen=fen["over_limit"],
        basic_insurance_fen=fen["basic_insurance"],
        serious_illness_fen=fen["serious_illness"],
        other_funds_fen=fen["other_funds"],
        medical_aid_fen=fen["medical_aid"],
        commercial_fen=fen["commercial"],
        charity_fen=fen["charity"],
        personal_account_fen=fen["personal_account"],
        deductible_fen=fen["deductible"],
    )


_CARES = {care_type.value: care_type for care_type in CareType}
_PLACES = {place.value: place for place in Place}


def _optional_fen(section: Section, key: str) -> int:
    if not section.has(key):
        return 0
    return section.parsed(key, parse_yuan, 0, _WRONG_YUAN)


def _read_used(given: Section, pots: Collection[str]) -> dict[str, int]:
    if not given.has("used"):
        return {}
    used = given.section("used")
    amounts = {
        pot: used.parsed(pot, parse_yuan, 0, _WRONG_YUAN)
        for pot in pots
        if used.has(pot)
    }
    used.close()
    return amounts


def _read_expect(section: Section, pots: Collection[str]) -> dict[str, str]:
    expect = {
        key: _amount(section, key) if is_amount else section.text(key)
        for key, is_amount in OUTCOMES.items()
        if section.has(key)
    }
    if section.has("used_after"):
        after = section.section("used_after")
        for pot in pots:
            if after.has(pot):
                expect[f"used_after.{pot}"] = _amount(after, pot)
        after.close()
    section.close()
    if not expect:
        section.faults.add(
            "MA-7007", section.line, section.path,
            zh="至少写一个期望结果。", en="Write at least one expected outcome.",
        )  # fmt: skip
    return expect


def _amount(section: Section, key: str) -> str:
    return f"{yuan_text(section.parsed(key, parse_yuan, 0, _WRONG_YUAN))}元"


def _check_bill(case: WorkedCase, given: Section) -> None:
    for fault in bill_faults(case.bill, today=case.settled_on):
        given.faults.add(
            "MA-7009", given.line, f"{given.path}.{fault.path}",
            zh=f"算例的账单本身不成立（{fault.reason}）。请更正金额或日期。",
            en=f"The bill of the case is impossible ({fault.reason}). "
            "Correct its amounts or days.",
        )  # fmt: skip

"""Rules that one category has for itself, and aid that is given on application."""

from datetime import date

import pytest

from settlement.domain.bill import CareType
from settlement.domain.decision import AccumulatorKey
from settlement.domain.policy import CompiledPack, compile_pack
from tests.policy.small_pack import CARES, faults_of, line_of, small_pack
from tests.policy.strategies import bill_of

_BASE = "  top_up: {value: 不允许, source: s}\n"
_OWN = """\
  by_category:
    yi:
      pre_selfpay: {value: 计入, source: s}
      commercial: {value: 扣除, source: s}
      top_up: {value: 允许, source: s}
"""
_APPLY = (
    "    aliases: [乙, 乙 等]\n"
    "    on_application: "
    "{zh: 请到街道申请。, en: Apply at the sub-district., source: s}\n"
)


def text_with(*, own: str = _OWN, apply: str = "") -> str:
    """The small pack whose second category has rules of its own."""
    text = small_pack().replace(_BASE, _BASE + own)
    return text.replace("    aliases: [乙, 乙 等]\n", apply) if apply else text


def pack_with(*, own: str = _OWN, apply: str = "") -> CompiledPack:
    """The same, compiled."""
    return compile_pack(text_with(own=own, apply=apply).encode())


BILL = bill_of(in_policy_fen=10_000, pre_selfpay_fen=2_000, commercial_fen=1_000)


@pytest.mark.parametrize(
    ("categories", "category", "base_fen"),
    [
        (["jia"], "jia", 10_000),
        (["yi"], "yi", 11_000),
        (["jia", "yi"], "yi", 11_000),
        (["yi", "jia"], "yi", 11_000),
        (["yi", "unknown"], "yi", 11_000),
        (["jia", "unknown", "yi"], "yi", 11_000),
    ],
)
def test_a_base_of_its_own_counts_for_its_category_alone(
    categories: list[str], category: str, base_fen: int
) -> None:
    """2,000 of pre-selfpay come in and 1,000 of commercial insurance go off."""
    result = pack_with().adjudicate(BILL, categories, {}, None)
    assert (result.category, result.base_fen) == (category, base_fen)
    assert result.aid_fen == base_fen * 80 // 100
    said = result.explanation[0].text.zh
    assert ("先行自付" in said) == (category == "yi")
    rules = [line.rule for line in result.explanation]
    assert ("best_identity" in rules) == (len(categories) > 1)


def test_an_identity_that_may_get_more_is_not_stopped_by_one_that_may_not() -> None:
    """Aid on the bill declines the first category, and only that."""
    pack = pack_with()
    bill = bill_of(in_policy_fen=10_000, medical_aid_fen=5_000)
    declined = pack.adjudicate(bill, ["jia"], {}, None)
    assert (declined.approved, declined.reason) == (False, "MA-2201")
    result = pack.adjudicate(bill, ["jia", "yi"], {}, None)
    assert (result.approved, result.category, result.aid_fen) == (True, "yi", 4_000)


def test_of_equal_benefits_the_first_listed_counts() -> None:
    """Two bases that come to the same leave the document's order to decide."""
    result = pack_with().adjudicate(bill_of(), ["yi", "jia"], {}, None)
    assert (result.category, result.aid_fen) == ("jia", 8_000)


def test_a_person_without_any_category_is_answered_as_ever() -> None:
    """No category at all: approved, nothing given."""
    result = pack_with().adjudicate(bill_of(), [], {}, None)
    assert (result.reason, result.category, result.aid_fen) == ("MA-2004", None, 0)


def test_a_base_of_its_own_may_need_the_deductible_of_the_insurers() -> None:
    """A field that one category's rules rest on is asked for on every bill."""
    own = "  by_category:\n    yi:\n      insurance_deductible: "
    pack = pack_with(own=f"{own}{{value: 不计入, source: s}}\n")
    assert pack.fields_needed(bill_of()) == ("deductible_fen",)
    assert pack.fields_needed(bill_of(deductible_fen=0)) == ()
    result = pack.adjudicate(bill_of(deductible_fen=4_000), ["yi"], {}, None)
    assert result.base_fen == 6_000


def test_a_category_may_draw_on_a_pot_of_its_own() -> None:
    """What the second category gets outside hospital counts as in hospital."""
    text = small_pack().replace(
        "pot: {value: outpatient, source: s}",
        "pot: {value: outpatient, source: s, by_category: "
        "{yi: {value: inpatient, source: s}}}",
    )
    text = text.replace(
        "  yi:\n    outpatient: {value: 不限, source: s}\n"
        "    inpatient: {value: 不限, source: s}\n",
        "  yi:\n    outpatient: {value: 不享受, source: s}\n"
        "    inpatient: {value: 100元, source: s}\n",
    )
    pack = compile_pack(text.encode())
    used = {AccumulatorKey(2026, "inpatient"): 9_000}
    jia = pack.adjudicate(bill_of(), ["jia"], used, None)
    yi = pack.adjudicate(bill_of(), ["yi"], used, None)
    assert [posting.key.pot for posting in jia.postings] == ["outpatient"]
    assert [posting.key.pot for posting in yi.postings] == ["inpatient"]
    assert (jia.aid_fen, yi.aid_fen) == (8_000, 1_000)


def test_aid_on_application_is_not_given_at_the_desk() -> None:
    """The patient is told where to apply; nothing is read, posted or shown."""
    pack = pack_with(apply=_APPLY)
    result = pack.adjudicate(bill_of(), ["yi"], {}, None)
    assert (result.approved, result.reason) == (True, "MA-2005")
    assert (result.category, result.aid_fen, result.postings) == ("yi", 0, ())
    assert (result.quota, pack.quota(["yi"], date(2026, 1, 5), {})) == ((), ())
    assert pack.accumulator_keys(bill_of(), ["yi"]) == ()
    [line] = [line for line in result.explanation if line.rule == "not_covered"]
    assert line.text.zh == (
        "乙类救助依申请办理，不在结算时给付。请到街道申请。本次：100.00 元 → 0.00 元"
    )
    assert "Apply at the sub-district." in line.text.en
    paid = pack.adjudicate(bill_of(medical_aid_fen=1), ["yi"], {}, None)
    assert paid.reason == "MA-2201"


def test_another_identity_is_settled_at_the_desk_all_the_same() -> None:
    """On application and at the desk: the desk gives, and shows its own quota."""
    pack = pack_with(own="", apply=_APPLY)
    result = pack.adjudicate(bill_of(), ["yi", "jia"], {}, None)
    assert (result.reason, result.category, result.aid_fen) == ("MA-2000", "jia", 8_000)
    more = small_pack({("rates", "yi", care): "value: 100%" for care in CARES})
    text = more.replace("    aliases: [乙, 乙 等]\n", _APPLY)
    assert compile_pack(text.encode()).best_category(["yi", "jia"]) == "jia"
    assert compile_pack(more.encode()).best_category(["yi", "jia"]) == "yi"
    nothing = pack.adjudicate(bill_of(), ["yi", "unknown"], {}, None)
    assert nothing.reason == "MA-2005"


def test_applications_are_decided_by_the_same_document() -> None:
    """There the category gives by its own base, and those of the desk do not."""
    pack = pack_with(apply=_APPLY).applications
    result = pack.adjudicate(BILL, ["yi"], {}, None)
    assert (result.reason, result.base_fen, result.aid_fen) == (
        "MA-2000",
        11_000,
        8_800,
    )
    desk = pack.adjudicate(BILL, ["jia"], {}, None)
    assert (desk.reason, desk.aid_fen) == ("MA-2004", 0)


def test_a_worked_case_may_be_an_application() -> None:
    """What it expects is what the application gives."""
    text = text_with(apply=_APPLY) + (
        "  - name: 申请\n"
        "    given: {categories: [yi], care: inpatient, on: 2026-01-05, "
        "in_policy: 100元, on_application: 是}\n"
        "    expect: {reason: MA-2000, aid: 80元}\n"
    )
    assert compile_pack(text.encode()).document.cases[1].on_application
    faults = faults_of(text.replace("on_application: 是", "on_application: 否"))
    assert {fault.code for fault in faults} == {"MA-7017"}
    assert "实际为 MA-2005" in faults[0].text.zh


@pytest.mark.parametrize(
    ("own", "code", "field"),
    [
        ("  by_category: {}\n", "MA-7007", "base.by_category"),
        ("  by_category:\n    yi: {}\n", "MA-7007", "base.by_category.yi"),
        (
            "  by_category:\n    bing: {top_up: {value: 允许, source: s}}\n",
            "MA-7006",
            "base.by_category.bing",
        ),
        (
            "  by_category:\n    yi: {costs: {value: 政策范围内费用, source: s}}\n",
            "MA-7006",
            "base.by_category.yi.costs",
        ),
        (
            "  by_category:\n    yi: {top_up: {value: 也许, source: s}}\n",
            "MA-7009",
            "base.by_category.yi.top_up.value",
        ),
    ],
)
def test_own_rules_that_are_none_are_named(own: str, code: str, field: str) -> None:
    """Empty groups, unknown categories and keys that cannot be overruled."""
    text = text_with(own=own)
    faults = {(fault.code, fault.field): fault.line for fault in faults_of(text)}
    assert (code, field) in faults
    assert faults[code, field] >= line_of(text, "  by_category")


def test_a_category_on_application_says_where_to_apply() -> None:
    """Without the sentence the patient would be sent away with nothing."""
    apply = "    aliases: [乙, 乙 等]\n    on_application: {en: x, source: s}\n"
    [fault] = faults_of(text_with(apply=apply))
    assert (fault.code, fault.field) == ("MA-7007", "categories.yi.on_application.zh")


def test_care_may_still_be_the_stay_on_application() -> None:
    """Other kinds of care go the same way."""
    pack = pack_with(apply=_APPLY).applications
    bill = bill_of(care_type=CareType.INPATIENT)
    assert pack.adjudicate(bill, ["yi"], {}, None).aid_fen == 8_000

"""Each wrong field of a document is named with its code, line and path."""

import pytest

from settlement.domain.policy import compile_pack
from tests.policy.small_pack import (
    SMALL,
    cell,
    faults_of,
    line_of,
    small_pack,
    swap,
)


def test_the_small_pack_itself_is_sound() -> None:
    """Every fault below comes from its own change alone."""
    assert compile_pack(SMALL.encode()).ref.id == "small"


#: What is wrong, the document, code, field, and how its line begins.
FIELD_FAULTS: list[tuple[str, str, str, str, str]] = [
    ("unknown key", swap("year:", "yeer: 1\nyear:"), "MA-7006", "yeer", "yeer:"),
    (
        "unknown key in a cell",
        cell("rates", "value: 80%, note: x"),
        "MA-7006",
        "rates.jia.outpatient.note",
        "    outpatient: {value: 80%, note: x",
    ),
    (
        "merge key",
        swap("base:\n", "base:\n  <<: {a: b}\n"),
        "MA-7006",
        "base.<<",
        "  <<",
    ),
    (
        "missing key",
        swap("known_since: 2019-12-01\n", ""),
        "MA-7007",
        "known_since",
        "schema:",
    ),
    (
        "missing group",
        swap("year: {value: calendar_year, source: s}\n", ""),
        "MA-7007",
        "year",
        "schema:",
    ),
    (
        "group that is text",
        small_pack(year="calendar_year"),
        "MA-7008",
        "year",
        "year:",
    ),
    ("text that is a group", small_pack(id="{a: b}"), "MA-7008", "id", "id:"),
    ("empty text", small_pack(id="''"), "MA-7009", "id", "id:"),
    (
        "endless text",
        small_pack(title="{zh: " + "长" * 2001 + ", en: x}"),
        "MA-7009",
        "title.zh",
        "title:",
    ),
    ("bad id", small_pack(id="Demo District"), "MA-7009", "id", "id:"),
    (
        "bad jurisdiction",
        small_pack(jurisdiction="110"),
        "MA-7009",
        "jurisdiction",
        "jurisdiction:",
    ),
    ("bad switch", small_pack(fictional="yes"), "MA-7009", "fictional", "fictional:"),
    (
        "bad rule word",
        small_pack(rounding="{value: half_even, source: s}"),
        "MA-7009",
        "rounding.value",
        "rounding:",
    ),
    (
        "bad day",
        small_pack(known_since="2019-13-01"),
        "MA-7012",
        "known_since",
        "known_since:",
    ),
    (
        "day that is none",
        small_pack(known_since="soon"),
        "MA-7012",
        "known_since",
        "known_since:",
    ),
    (
        "end before begin",
        small_pack(in_force="{from: 2020-01-02, to: 2020-01-01, source: s}"),
        "MA-7012",
        "in_force.to",
        "in_force:",
    ),
    (
        "bad end",
        small_pack(in_force="{from: 2020-01-02, to: never, source: s}"),
        "MA-7012",
        "in_force.to",
        "in_force:",
    ),
    (
        "unknown source",
        small_pack(year="{value: calendar_year, source: nowhere}"),
        "MA-7013",
        "year.source",
        "year:",
    ),
    (
        "unknown instrument",
        swap("instrument: d,", "instrument: e,"),
        "MA-7013",
        "sources.s.instrument",
        "  s:",
    ),
    (
        "unknown pot",
        swap("pot: {value: inpatient", "pot: {value: hospital"),
        "MA-7013",
        "care.outpatient_special.pot.value",
        "  outpatient_special: {title",
    ),
    (
        "quote missing",
        swap("quote: 原文。, ", ""),
        "MA-7007",
        "sources.s.quote",
        "  s:",
    ),
    (
        "rate above 100 %",
        cell("rates", "value: 100.0001%"),
        "MA-7011",
        "rates.jia.outpatient.value",
        "    outpatient: {value: 100.0001%",
    ),
    (
        "rate of 0 %",
        cell("rates", "value: 0%"),
        "MA-7011",
        "rates.jia.outpatient.value",
        "    outpatient: {value: 0%",
    ),
    (
        "rate as a float",
        cell("rates", "value: 0.8"),
        "MA-7011",
        "rates.jia.outpatient.value",
        "    outpatient: {value: 0.8,",
    ),
    (
        "negative rate",
        cell("rates", "value: -80%"),
        "MA-7011",
        "rates.jia.outpatient.value",
        "    outpatient: {value: -80%",
    ),
    (
        "cap without unit",
        cell("visit_caps", "value: 500"),
        "MA-7010",
        "visit_caps.jia.outpatient.value",
        "    outpatient: {value: 500,",
    ),
    (
        "cap of nothing",
        cell("visit_caps", "value: 0元"),
        "MA-7010",
        "visit_caps.jia.outpatient.value",
        "    outpatient: {value: 0元",
    ),
    (
        "cap with three decimals",
        cell("visit_caps", "value: 0.005元"),
        "MA-7010",
        "visit_caps.jia.outpatient.value",
        "    outpatient: {value: 0.005元",
    ),
    (
        "cap with separators",
        cell("visit_caps", "value: '1,000元'"),
        "MA-7010",
        "visit_caps.jia.outpatient.value",
        "    outpatient: {value: '1,000元'",
    ),
    (
        "full-width digits",
        cell("visit_caps", "value: ５００元"),
        "MA-7010",
        "visit_caps.jia.outpatient.value",
        "    outpatient: {value: ５００元",
    ),
    (
        "cell without value",
        cell("visit_caps", "valeu: 5元"),
        "MA-7007",
        "visit_caps.jia.outpatient.value",
        "    outpatient: {valeu",
    ),
    (
        "deductible without period",
        cell("deductibles", "value: 100元"),
        "MA-7010",
        "deductibles.jia.outpatient.value",
        "    outpatient: {value: 100元",
    ),
    (
        "deductible of nothing",
        cell("deductibles", "value: 每年0元"),
        "MA-7010",
        "deductibles.jia.outpatient.value",
        "    outpatient: {value: 每年0元",
    ),
    (
        "tilt word",
        cell("tilt", "value: 很多"),
        "MA-7009",
        "tilt.jia.outpatient.value",
        "    outpatient: {value: 很多",
    ),
    (
        "tilt rate",
        cell("tilt", "threshold: 1元, rate: 101%, year_cap: 不限, referral: 要求"),
        "MA-7011",
        "tilt.jia.outpatient.rate",
        "    outpatient: {threshold",
    ),
    (
        "tilt threshold",
        cell("tilt", "threshold: 1, rate: 1%, year_cap: 不限, referral: 要求"),
        "MA-7010",
        "tilt.jia.outpatient.threshold",
        "    outpatient: {threshold",
    ),
    (
        "tilt cap",
        cell("tilt", "threshold: 1元, rate: 1%, year_cap: 0元, referral: 要求"),
        "MA-7010",
        "tilt.jia.outpatient.year_cap",
        "    outpatient: {threshold",
    ),
    (
        "filing limit",
        small_pack(filing_limit="{value: 0天, source: s}"),
        "MA-7009",
        "filing_limit.value",
        "filing_limit:",
    ),
    (
        "alias not a list",
        swap("aliases: [甲]", "aliases: 甲"),
        "MA-7008",
        "categories.jia.aliases",
        "    aliases: 甲",
    ),
    (
        "alias that is a group",
        swap("aliases: [甲]", "aliases: [{a: b}]"),
        "MA-7008",
        "categories.jia.aliases",
        "    aliases: [{a",
    ),
    (
        "aliases left out",
        swap("    aliases: [甲]\n", ""),
        "MA-7007",
        "categories.jia.aliases",
        "  jia:",
    ),
    (
        "bad category id",
        swap("  jia:\n    title", "  甲:\n    title"),
        "MA-7009",
        "categories.甲",
        "  甲:",
    ),
    (
        "no pots",
        swap(
            "  outpatient: {zh: 门诊, en: outpatient}\n"
            "  inpatient: {zh: 住院, en: inpatient}\n",
            "  {}\n",
        ),
        "MA-7007",
        "pots",
        "pots:",
    ),
    (
        "source that nothing names",
        swap(
            "sources:\n",
            "sources:\n  t: {instrument: d, article: 一, quote: 二, "
            "status: confirmed}\n",
        ),
        "MA-7019",
        "sources.t",
        "  t:",
    ),
    (
        "unconfirmed without a note",
        swap("quote: 原文。, status: confirmed", "status: unconfirmed"),
        "MA-7007",
        "sources.s.note",
        "  s:",
    ),
    (
        "row of an unknown category",
        swap("rates:\n", "rates:\n  bing: {}\n"),
        "MA-7006",
        "rates.bing",
        "  bing:",
    ),
    (
        "row missing",
        swap("rates:\n  jia:\n", "rates:\n  jib:\n"),
        "MA-7007",
        "rates.jia",
        "rates:",
    ),
    (
        "cases not a list",
        SMALL[: SMALL.index("cases:")] + "cases: x\n",
        "MA-7008",
        "cases",
        "cases:",
    ),
    (
        "no cases",
        SMALL[: SMALL.index("cases:")] + "cases: []\n",
        "MA-7007",
        "cases",
        "cases:",
    ),
    ("cases left out", SMALL[: SMALL.index("cases:")], "MA-7007", "cases", "schema:"),
    (
        "case that is text",
        SMALL[: SMALL.index("cases:")] + "cases:\n  - x\n",
        "MA-7008",
        "cases[1]",
        "  - x",
    ),
    (
        "case of an unknown category",
        swap("categories: [jia]", "categories: [bing]"),
        "MA-7013",
        "cases[1].given.categories",
        "    given:",
    ),
    (
        "case of no category",
        swap("categories: [jia]", "categories: []"),
        "MA-7013",
        "cases[1].given.categories",
        "    given:",
    ),
    (
        "case with unknown amount",
        swap("in_policy: 100元", "inpolicy: 100元"),
        "MA-7006",
        "cases[1].given.inpolicy",
        "    given:",
    ),
    (
        "case amount without unit",
        swap("in_policy: 100元", "in_policy: 100"),
        "MA-7010",
        "cases[1].given.in_policy",
        "    given:",
    ),
    (
        "case with unknown pot",
        swap("in_policy: 100元", "in_policy: 100元, used: {x: 1元}"),
        "MA-7006",
        "cases[1].given.used.x",
        "    given:",
    ),
    (
        "case that expects nothing",
        swap("expect: {in_force: 是}", "expect: {}"),
        "MA-7007",
        "cases[1].expect",
        "    expect:",
    ),
    (
        "case that expects the unknown",
        swap("expect: {in_force: 是}", "expect: {joy: 1}"),
        "MA-7006",
        "cases[1].expect.joy",
        "    expect:",
    ),
    (
        "case whose bill cannot be",
        swap("in_policy: 100元", "in_policy: 1元, basic_insurance: 2元"),
        "MA-7009",
        "cases[1].given.basic_insurance_fen",
        "    given:",
    ),
    (
        "case that ends before it begins",
        swap("on: 2026-01-05", "from: 2026-01-05, to: 2026-01-04"),
        "MA-7009",
        "cases[1].given.service_end",
        "    given:",
    ),
]


@pytest.mark.parametrize(
    ("text", "code", "field", "start"),
    [pytest.param(*rest, id=what) for what, *rest in FIELD_FAULTS],
)
def test_a_wrong_field_is_named(text: str, code: str, field: str, start: str) -> None:
    """Code, line and full path of the field, among all faults of the document."""
    found = {(fault.code, fault.field): fault.line for fault in faults_of(text)}
    assert (code, field) in found
    at = text.index(f"\n{start}") + 1 if not text.startswith(start) else 0
    assert found[code, field] == text.count("\n", 0, at) + 1


def test_every_fault_is_reported_at_once() -> None:
    """Three wrong cells and an unknown key: four faults, in the document's order."""
    text = small_pack(
        {
            ("rates", "jia", "outpatient"): "value: 120%",
            ("rates", "yi", "inpatient"): "value: 0.5",
            ("visit_caps", "yi", "emergency"): "value: 5",
        },
        known_since="tomorrow",
    )
    faults = faults_of(text)
    assert [fault.code for fault in faults] == [
        "MA-7012",
        "MA-7011",
        "MA-7011",
        "MA-7010",
    ]
    assert [fault.line for fault in faults] == sorted(fault.line for fault in faults)


def test_a_case_that_comes_out_differently_makes_the_pack_unusable() -> None:
    """The fault names case, outcome, what was expected and what came out."""
    text = swap("expect: {in_force: 是}", "expect: {aid: 80.01元, in_force: 否}")
    faults = faults_of(text)
    assert {fault.code for fault in faults} == {"MA-7017"}
    assert faults[0].line == line_of(text, "  - name: 算例")
    first, second = faults
    assert "in_force 应为 否，实际为 是" in first.text.zh
    assert "in_force should be 否 but is 是" in first.text.en
    assert "aid 应为 80.01元，实际为 80.00元" in second.text.zh

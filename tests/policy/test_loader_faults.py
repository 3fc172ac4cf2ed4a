"""Each fault of a document is named with its code, line and field."""

import pytest

from settlement.domain.policy import PolicyError, PolicyFault, compile_pack
from settlement.domain.policy.tree import MAX_BYTES
from settlement.domain.reasons import REASONS
from tests.policy.small_pack import line_of, small_pack

SMALL = small_pack()


def faults_of(text: str | bytes) -> tuple[PolicyFault, ...]:
    """The faults of a document that must have some."""
    document = text.encode() if isinstance(text, str) else text
    with pytest.raises(PolicyError) as caught:
        compile_pack(document)
    assert caught.value.faults
    for fault in caught.value.faults:
        assert fault.code in REASONS
        assert fault.text.zh
        assert fault.text.en
        assert fault.code in str(fault)
    assert str(caught.value.faults[0]) in str(caught.value)
    return caught.value.faults


def swap(old: str, new: str) -> str:
    """The small pack with one piece of text replaced, which must occur."""
    assert SMALL.count(old) >= 1, old
    return SMALL.replace(old, new, 1)


def cell(table: str, text: str, care: str = "outpatient") -> str:
    """The small pack with one cell of category `jia` written anew."""
    return small_pack({(table, "jia", care): text})


def test_the_small_pack_itself_is_sound() -> None:
    """Every fault below comes from its own change alone."""
    assert compile_pack(SMALL.encode()).ref.id == "small"


#: What is wrong, the document, code, field, and how its line begins.
FIELD_FAULTS: list[tuple[str, str, str, str, str]] = [
    ("unknown key", swap("year:", "yeer: 1\nyear:"), "MA-7006", "yeer", "yeer:"),
    ("unknown key in a cell", cell("rates", "value: 80%, note: x"), "MA-7006",
     "rates.jia.outpatient.note", "    outpatient: {value: 80%, note: x"),
    ("merge key", swap("base:\n", "base:\n  <<: {a: b}\n"), "MA-7006", "base.<<", "  <<"),
    ("missing key", swap("known_since: 2019-12-01\n", ""), "MA-7007", "known_since",
     "schema:"),
    ("missing group", swap("year: {value: calendar_year, source: s}\n", ""), "MA-7007",
     "year", "schema:"),
    ("group that is text", small_pack(year="calendar_year"), "MA-7008", "year", "year:"),
    ("text that is a group", small_pack(id="{a: b}"), "MA-7008", "id", "id:"),
    ("empty text", small_pack(id="''"), "MA-7009", "id", "id:"),
    ("endless text", small_pack(title="{zh: " + "长" * 2001 + ", en: x}"), "MA-7009",
     "title.zh", "title:"),
    ("bad id", small_pack(id="Demo District"), "MA-7009", "id", "id:"),
    ("bad jurisdiction", small_pack(jurisdiction="110"), "MA-7009", "jurisdiction",
     "jurisdiction:"),
    ("bad switch", small_pack(fictional="yes"), "MA-7009", "fictional", "fictional:"),
    ("bad rule word", small_pack(rounding="{value: half_even, source: s}"), "MA-7009",
     "rounding.value", "rounding:"),
    ("bad day", small_pack(known_since="2019-13-01"), "MA-7012", "known_since",
     "known_since:"),
    ("day that is none", small_pack(known_since="soon"), "MA-7012", "known_since",
     "known_since:"),
    ("end before begin", small_pack(in_force="{from: 2020-01-02, to: 2020-01-01, source: s}"),
     "MA-7012", "in_force.to", "in_force:"),
    ("bad end", small_pack(in_force="{from: 2020-01-02, to: never, source: s}"),
     "MA-7012", "in_force.to", "in_force:"),
    ("unknown source", small_pack(year="{value: calendar_year, source: nowhere}"),
     "MA-7013", "year.source", "year:"),
    ("unknown instrument", swap("instrument: d,", "instrument: e,"), "MA-7013",
     "sources.s.instrument", "  s:"),
    ("unknown pot", swap("pot: {value: inpatient", "pot: {value: hospital"), "MA-7013",
     "care.outpatient_special.pot.value", "  outpatient_special: {title"),
    ("quote missing", swap("quote: 原文。, ", ""), "MA-7007", "sources.s.quote", "  s:"),
    ("rate above 100 %", cell("rates", "value: 100.0001%"), "MA-7011",
     "rates.jia.outpatient.value", "    outpatient: {value: 100.0001%"),
    ("rate of 0 %", cell("rates", "value: 0%"), "MA-7011", "rates.jia.outpatient.value",
     "    outpatient: {value: 0%"),
    ("rate as a float", cell("rates", "value: 0.8"), "MA-7011",
     "rates.jia.outpatient.value", "    outpatient: {value: 0.8,"),
    ("negative rate", cell("rates", "value: -80%"), "MA-7011",
     "rates.jia.outpatient.value", "    outpatient: {value: -80%"),
    ("cap without unit", cell("visit_caps", "value: 500"), "MA-7010",
     "visit_caps.jia.outpatient.value", "    outpatient: {value: 500,"),
    ("cap of nothing", cell("visit_caps", "value: 0元"), "MA-7010",
     "visit_caps.jia.outpatient.value", "    outpatient: {value: 0元"),
    ("cap with three decimals", cell("visit_caps", "value: 0.005元"), "MA-7010",
     "visit_caps.jia.outpatient.value", "    outpatient: {value: 0.005元"),
    ("cap with separators", cell("visit_caps", "value: '1,000元'"), "MA-7010",
     "visit_caps.jia.outpatient.value", "    outpatient: {value: '1,000元'"),
    ("full-width digits", cell("visit_caps", "value: ５００元"), "MA-7010",
     "visit_caps.jia.outpatient.value", "    outpatient: {value: ５００元"),
    ("cell without value", cell("visit_caps", "valeu: 5元"), "MA-7007",
     "visit_caps.jia.outpatient.value", "    outpatient: {valeu"),
    ("deductible without period", cell("deductibles", "value: 100元"), "MA-7010",
     "deductibles.jia.outpatient.value", "    outpatient: {value: 100元"),
    ("deductible of nothing", cell("deductibles", "value: 每年0元"), "MA-7010",
     "deductibles.jia.outpatient.value", "    outpatient: {value: 每年0元"),
    ("tilt word", cell("tilt", "value: 不限"), "MA-7009", "tilt.jia.outpatient.value",
     "    outpatient: {value: 不限, source: s}\n    outpatient_special: {value: 不享受"),
    ("tilt rate", cell("tilt", "threshold: 1元, rate: 101%, year_cap: 不限, referral: 要求"),
     "MA-7011", "tilt.jia.outpatient.rate", "    outpatient: {threshold"),
    ("tilt threshold", cell("tilt", "threshold: 1, rate: 1%, year_cap: 不限, referral: 要求"),
     "MA-7010", "tilt.jia.outpatient.threshold", "    outpatient: {threshold"),
    ("tilt cap", cell("tilt", "threshold: 1元, rate: 1%, year_cap: 0元, referral: 要求"),
     "MA-7010", "tilt.jia.outpatient.year_cap", "    outpatient: {threshold"),
    ("filing limit", small_pack(filing_limit="{value: 0天, source: s}"), "MA-7009",
     "filing_limit.value", "filing_limit:"),
    ("alias not a list", swap("aliases: [甲]", "aliases: 甲"), "MA-7008",
     "categories.jia.aliases", "    aliases: 甲"),
    ("alias that is a group", swap("aliases: [甲]", "aliases: [{a: b}]"), "MA-7008",
     "categories.jia.aliases", "    aliases: [{a"),
    ("aliases left out", swap("    aliases: [甲]\n", ""), "MA-7007",
     "categories.jia.aliases", "  jia:"),
    ("bad category id", swap("  jia:\n    title", "  甲:\n    title"), "MA-7009",
     "categories.甲", "  甲:"),
    ("no pots", swap("  outpatient: {zh: 门诊, en: outpatient}\n"
     "  inpatient: {zh: 住院, en: inpatient}\n", "  {}\n"), "MA-7007", "pots", "pots:"),
    ("source that nothing names",
     swap("sources:\n", "sources:\n  t: {instrument: d, article: 一, quote: 二, status: confirmed}\n"),
     "MA-7019", "sources.t", "  t:"),
    ("unconfirmed without a note", swap("quote: 原文。, status: confirmed", "status: unconfirmed"),
     "MA-7007", "sources.s.note", "  s:"),
    ("row of an unknown category", swap("rates:\n", "rates:\n  bing: {}\n"), "MA-7006",
     "rates.bing", "  bing:"),
    ("row missing", swap("rates:\n  jia:\n", "rates:\n  jib:\n"), "MA-7007", "rates.jia",
     "rates:"),
    ("cases not a list", SMALL[: SMALL.index("cases:")] + "cases: x\n", "MA-7008", "cases",
     "cases:"),
    ("no cases", SMALL[: SMALL.index("cases:")] + "cases: []\n", "MA-7007", "cases",
     "cases:"),
    ("cases left out", SMALL[: SMALL.index("cases:")], "MA-7007", "cases", "schema:"),
    ("case that is text", SMALL[: SMALL.index("cases:")] + "cases:\n  - x\n", "MA-7008",
     "cases[1]", "  - x"),
    ("case of an unknown category", swap("categories: [jia]", "categories: [bing]"),
     "MA-7013", "cases[1].given.categories", "    given:"),
    ("case of no category", swap("categories: [jia]", "categories: []"), "MA-7013",
     "cases[1].given.categories", "    given:"),
    ("case with unknown amount", swap("in_policy: 100元", "inpolicy: 100元"), "MA-7006",
     "cases[1].given.inpolicy", "    given:"),
    ("case amount without unit", swap("in_policy: 100元", "in_policy: 100"), "MA-7010",
     "cases[1].given.in_policy", "    given:"),
    ("case with unknown pot", swap("in_policy: 100元", "in_policy: 100元, used: {x: 1元}"),
     "MA-7006", "cases[1].given.used.x", "    given:"),
    ("case that expects nothing", swap("expect: {in_force: 是}", "expect: {}"), "MA-7007",
     "cases[1].expect", "    expect:"),
    ("case that expects the unknown", swap("expect: {in_force: 是}", "expect: {joy: 1}"),
     "MA-7006", "cases[1].expect.joy", "    expect:"),
    ("case whose bill cannot be", swap("in_policy: 100元", "in_policy: 1元, basic_insurance: 2元"),
     "MA-7009", "cases[1].given.basic_insurance_fen", "    given:"),
    ("case that ends before it begins", swap("on: 2026-01-05", "from: 2026-01-05, to: 2026-01-04"),
     "MA-7009", "cases[1].given.service_end", "    given:"),
]  # fmt: skip


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


#: Values that are each in order, but not together.
CONTRADICTIONS: list[tuple[str, str, str, str]] = [
    ("cover without cap", cell("visit_caps", "value: 不享受"), "MA-7015",
     "visit_caps.jia.outpatient"),
    ("no cover but a cap per visit", cell("rates", "value: 不享受"), "MA-7015",
     "visit_caps.jia.outpatient"),
    ("no cover but a deductible",
     small_pack({("rates", "jia", "outpatient"): "value: 不享受",
                 ("visit_caps", "jia", "outpatient"): "value: 不享受",
                 ("deductibles", "jia", "outpatient"): "value: 每次1元"}),
     "MA-7015", "deductibles.jia.outpatient"),
    ("no cover but a tilt",
     small_pack({("rates", "jia", "outpatient"): "value: 不享受",
                 ("visit_caps", "jia", "outpatient"): "value: 不享受",
                 ("tilt", "jia", "outpatient"):
                 "threshold: 1元, rate: 1%, year_cap: 不限, referral: 要求"}),
     "MA-7015", "tilt.jia.outpatient"),
    ("cover but no yearly cap", cell("year_caps", "value: 不享受"), "MA-7015",
     "year_caps.jia.outpatient"),
    ("two yearly deductibles",
     small_pack({("deductibles", "jia", "outpatient"): "value: 每年1元",
                 ("deductibles", "jia", "inpatient"): "value: 每年2元"}),
     "MA-7015", "deductibles.jia.inpatient"),
    ("two tilt caps",
     small_pack({("tilt", "jia", care):
                 f"threshold: 1元, rate: 1%, year_cap: {cap}, referral: 要求"
                 for care, cap in (("outpatient", "1元"), ("emergency", "不限"))}),
     "MA-7015", "tilt.jia.emergency"),
    ("pot that nothing uses", swap("pots:\n", "pots:\n  spare: {zh: 备, en: spare}\n")
     .replace("year_caps:\n  jia:\n", "year_caps:\n  jia:\n    spare: {value: 不享受, source: s}\n")
     .replace("  yi:\n    outpatient: {value: 不限, source: s}\n    inpatient: {value: 不限",
              "  yi:\n    spare: {value: 不享受, source: s}\n    outpatient: {value: 不限, source: s}\n"
              "    inpatient: {value: 不限"),
     "MA-7015", "pots.spare"),
    ("reserved pot", swap("pots:\n", "pots:\n  tilt: {zh: 斜, en: tilt}\n")
     .replace("year_caps:\n  jia:\n", "year_caps:\n  jia:\n    tilt: {value: 不享受, source: s}\n")
     .replace("  yi:\n    outpatient: {value: 不限, source: s}\n    inpatient: {value: 不限",
              "  yi:\n    tilt: {value: 不享受, source: s}\n    outpatient: {value: 不限, source: s}\n"
              "    inpatient: {value: 不限"),
     "MA-7015", "pots.tilt"),
    ("spelling of two categories", swap("aliases: [乙, 乙 等]", "aliases: [甲 类]"), "MA-7016",
     "categories.yi.aliases"),
    ("no alias", swap("aliases: [甲]", "aliases: []"), "MA-7007", "categories.jia.aliases"),
    ("instrument that nothing cites",
     swap("instruments:\n", "instruments:\n  e: {number: 一, title: 二, issued: 2019-12-01, published: 2019-12-01}\n"),
     "MA-7019", "instruments.e"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [pytest.param(*rest, id=what) for what, *rest in CONTRADICTIONS],
)
def test_a_contradiction_is_named_where_it_shows(
    text: str, code: str, field: str
) -> None:
    """Values that are each in order may still contradict each other."""
    [fault] = faults_of(text)
    assert (fault.code, fault.field) == (code, field)
    key = field.rsplit(".", 1)[1]
    assert key in text.splitlines()[fault.line - 1]


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


#: YAML that is broken or unsafe: the document, code, and line where it is known.
UNSAFE: list[tuple[str, str, str, int | None]] = [
    ("duplicate key", swap("id: small", "id: small\nid: small"), "MA-7003", 3),
    ("anchor", swap("id: small", "id: &a small"), "MA-7004", 2),
    ("alias", swap("id: small", "id: *a"), "MA-7004", 2),
    ("standard tag", swap("id: small", "id: !!str small"), "MA-7005", 2),
    ("own tag", swap("id: small", "id: !boom {a: b}"), "MA-7005", 2),
    ("key that is a group", swap("id: small", "? {a: b}\n: c"), "MA-7002", 2),
    ("open bracket", swap("id: small", "id: [small"), "MA-7002", 3),
    ("tab", swap("id: small", "id: small\n\tx: y"), "MA-7002", 3),
    ("control character", swap("id: small", "id: sm\x07all"), "MA-7002", 0),
    ("two documents", SMALL + "---\na: b\n", "MA-7002", None),
    ("a list", "- a\n- b\n", "MA-7002", 1),
    ("nothing", "", "MA-7002", 1),
    ("just words", "just words", "MA-7002", 1),
    ("too deep", swap("id: small", "id: " + "[" * 9 + "]" * 9), "MA-7001", 2),
    ("too many values", "a: [" + "1," * 60_000 + "]", "MA-7001", 1),
    ("too large", "a: " + "x" * MAX_BYTES, "MA-7001", 0),
    ("later format", swap("medaid-pack/1", "medaid-pack/2"), "MA-7014", 1),
    ("no format", swap("schema: medaid-pack/1\n", ""), "MA-7014", 1),
]


@pytest.mark.parametrize(
    ("text", "code", "line"), [pytest.param(*rest, id=what) for what, *rest in UNSAFE]
)
def test_unsafe_yaml_is_refused(text: str, code: str, line: int | None) -> None:
    """Duplicates, anchors, tags, odd keys, bombs and broken YAML: place and remedy."""
    faults = faults_of(text)
    assert code in {fault.code for fault in faults}
    place = next(fault.line for fault in faults if fault.code == code)
    assert line is None or place == line


def test_a_billion_laughs_are_never_expanded() -> None:
    """Aliases are refused as they are met, so nothing multiplies."""
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    assert {fault.code for fault in faults_of("\n".join(rows))} == {"MA-7004"}


def test_bytes_that_are_no_utf8_are_placed_by_line() -> None:
    """A file saved in another encoding is told so, with the first line at fault."""
    document = SMALL.encode().replace("小政策".encode(), "小政策".encode("gbk"))
    [fault] = faults_of(document)
    assert (fault.code, fault.line) == ("MA-7002", 4)


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

"""Bands, levels, indicators, nested pots and the year: each wrong one is named.

Every document is the small pack with one thing changed; every fault says its line, its
field and the remedy, in Chinese and in English.
"""

import pytest

from settlement.domain.policy import compile_pack
from tests.policy.small_pack import SMALL, cell, faults_of, small_pack, swap

_INCOME = (
    "indicators:\n"
    "  income:\n"
    "    title: {zh: 居民收入, en: income}\n"
    "    values: {'2025': {value: 40000元, source: s}}\n"
)
_SHARE = "value: 每年上年居民收入的10%"


def with_income(text: str, income: str = _INCOME) -> str:
    """The document with one published figure."""
    return text.replace("pots:\n", f"{income}pots:\n", 1)


def bands(text: str, rest: str = "") -> str:
    """The small pack with bands in place of one rate."""
    return cell("rates", f"bands: {text}{rest}")


def tilt(terms: str) -> str:
    """The small pack with a tilt of the given terms."""
    return cell("tilt", f"threshold: 1元, year_cap: 不限, referral: 要求, {terms}")


_RATE = "rates.jia.outpatient"
_BANDS = "[{from: 0元, to: 50元, rate: 1%}, {from: 50元, to: 不限, rate: 2%}]"

#: What is wrong, the document, code, field, and a word of the remedy.
FAULTS: list[tuple[str, str, str, str, str]] = [
    (
        "band with a hole",
        bands("[{from: 0元, to: 50元, rate: 1%}, {from: 50.01元, to: 不限, rate: 2%}]"),
        "MA-7021",
        f"{_RATE}.bands[2].from",
        "50.00元",
    ),
    (
        "bands that overlap",
        bands("[{from: 0元, to: 50元, rate: 1%}, {from: 49.99元, to: 不限, rate: 2%}]"),
        "MA-7021",
        f"{_RATE}.bands[2].from",
        "50.00元",
    ),
    (
        "bands in the wrong order",
        bands("[{from: 50元, to: 不限, rate: 1%}, {from: 0元, to: 50元, rate: 2%}]"),
        "MA-7021",
        f"{_RATE}.bands",
        "0元",
    ),
    (
        "band that ends where it begins",
        bands("[{from: 0元, to: 0元, rate: 1%}, {from: 0元, to: 不限, rate: 2%}]"),
        "MA-7021",
        f"{_RATE}.bands[1].to",
        "大于",
    ),
    (
        "bands that begin above nothing",
        bands("[{from: 1元, to: 不限, rate: 1%}]"),
        "MA-7021",
        f"{_RATE}.bands",
        "0元",
    ),
    (
        "bands without an open end",
        bands("[{from: 0元, to: 50元, rate: 1%}]"),
        "MA-7021",
        f"{_RATE}.bands",
        "不限",
    ),
    (
        "band open in the middle",
        bands("[{from: 0元, to: 不限, rate: 1%}, {from: 50元, to: 不限, rate: 2%}]"),
        "MA-7021",
        f"{_RATE}.bands[2].from",
        "不限",
    ),
    (
        "band edge without unit",
        bands("[{from: 0, to: 不限, rate: 1%}]"),
        "MA-7021",
        f"{_RATE}.bands[1].from",
        "0元",
    ),
    ("no bands", bands("[]"), "MA-7021", f"{_RATE}.bands", "至少写一档"),
    ("bands that are text", bands("全部"), "MA-7008", f"{_RATE}.bands", "列表"),
    ("band that is text", bands("[一档]"), "MA-7008", f"{_RATE}.bands[1]", "组"),
    (
        "band above 100 %",
        bands("[{from: 0元, to: 不限, rate: 100.0001%}]"),
        "MA-7011",
        f"{_RATE}.bands[1].rate",
        "100%",
    ),
    (
        "unknown key in a band",
        bands("[{from: 0元, to: 不限, rate: 1%, cap: 1元}]"),
        "MA-7006",
        f"{_RATE}.bands[1].cap",
        "rate",
    ),
    (
        "value and bands",
        cell("rates", f"value: 80%, bands: {_BANDS}"),
        "MA-7015",
        f"{_RATE}.value",
        "只能写一项",
    ),
    (
        "rate and bands of a tilt",
        tilt(f"rate: 5%, bands: {_BANDS}"),
        "MA-7015",
        "tilt.jia.outpatient.rate",
        "只能写一项",
    ),
    (
        "no bands of a tilt",
        tilt("bands: []"),
        "MA-7021",
        "tilt.jia.outpatient.bands",
        "至少写一档",
    ),
    (
        "period of bands",
        bands(_BANDS, ", per: 每月"),
        "MA-7009",
        f"{_RATE}.per",
        "每年",
    ),
    (
        "period of a single rate",
        cell("rates", "value: 80%, per: 每年"),
        "MA-7006",
        f"{_RATE}.per",
        "value",
    ),
    (
        "unknown level",
        cell(
            "rates",
            "value: {levels: {未定级: 1%, 一级: 1%, 二级: 1%, 三级: 1%, 四级: 1%}}",
        ),
        "MA-7006",
        f"{_RATE}.value.levels.四级",
        "三级",
    ),
    (
        "level left out",
        cell("rates", "value: {levels: {一级: 1%, 二级: 1%, 三级: 1%}}"),
        "MA-7007",
        f"{_RATE}.value.levels.未定级",
        "补写",
    ),
    (
        "level above 100 %",
        cell("rates", "value: {levels: {未定级: 101%, 一级: 1%, 二级: 1%, 三级: 1%}}"),
        "MA-7011",
        f"{_RATE}.value.levels.未定级",
        "100%",
    ),
    (
        "referral left out",
        cell("rates", "value: {referred: 80%}"),
        "MA-7007",
        f"{_RATE}.value.unreferred",
        "补写",
    ),
    (
        "levels beside referral",
        cell(
            "rates",
            "value: {levels: {未定级: 1%, 一级: 1%, 二级: 1%, 三级: 1%}, referred: 1%}",
        ),
        "MA-7006",
        f"{_RATE}.value.referred",
        "levels",
    ),
    (
        "case of an unknown level",
        swap("in_policy: 100元", "in_policy: 100元, facility_level: 四级"),
        "MA-7009",
        "cases[1].given.facility_level",
        "三级",
    ),
    (
        "share of an unknown indicator",
        with_income(cell("deductibles", "value: 每年上年工资的10%")),
        "MA-7010",
        "deductibles.jia.outpatient.value",
        "上年",
    ),
    (
        "share without an indicator",
        cell("deductibles", _SHARE),
        "MA-7010",
        "deductibles.jia.outpatient.value",
        "指标",
    ),
    (
        "share of nothing",
        with_income(cell("deductibles", "value: 每年上年居民收入的0%")),
        "MA-7010",
        "deductibles.jia.outpatient.value",
        "10%",
    ),
    (
        "share of the year after",
        with_income(cell("deductibles", "value: 每年明年居民收入的10%")),
        "MA-7010",
        "deductibles.jia.outpatient.value",
        "上年",
    ),
    (
        "indicator that nothing uses",
        with_income(SMALL),
        "MA-7019",
        "indicators.income",
        "删除",
    ),
    (
        "figure without unit",
        with_income(cell("deductibles", _SHARE), _INCOME.replace("40000元", "40000")),
        "MA-7010",
        "indicators.income.values.2025.value",
        "39520元",
    ),
    (
        "figure of nothing",
        with_income(cell("deductibles", _SHARE), _INCOME.replace("40000元", "0元")),
        "MA-7010",
        "indicators.income.values.2025.value",
        "大于 0",
    ),
    (
        "year of a figure",
        with_income(cell("deductibles", _SHARE), _INCOME.replace("'2025'", "去年")),
        "MA-7009",
        "indicators.income.values.去年",
        "四位",
    ),
    (
        "indicator without a figure",
        with_income(
            cell("deductibles", _SHARE),
            _INCOME.replace("{'2025': {value: 40000元, source: s}}", "{}"),
        ),
        "MA-7023",
        "indicators",
        "上年或本年",
    ),
    (
        "figures of years that never meet",
        with_income(
            small_pack(
                {
                    ("deductibles", "jia", "outpatient"): "value: 每次上年居民收入的1%",
                    ("deductibles", "jia", "inpatient"): "value: 每次本年居民收入的1%",
                }
            )
        ),
        "MA-7023",
        "indicators",
        "上年或本年",
    ),
    (
        "pot within itself",
        swap(
            "inpatient: {zh: 住院, en: inpatient}",
            "inpatient: {zh: 住院, en: inpatient, within: inpatient}",
        ),
        "MA-7022",
        "pots.inpatient.within",
        "循环",
    ),
    (
        "pots within each other",
        swap(
            "  outpatient: {zh: 门诊, en: outpatient}\n"
            "  inpatient: {zh: 住院, en: inpatient}\n",
            "  outpatient: {zh: 门诊, en: outpatient, within: inpatient}\n"
            "  inpatient: {zh: 住院, en: inpatient, within: outpatient}\n",
        ),
        "MA-7022",
        "pots.outpatient.within",
        "within",
    ),
    (
        "pot within an unknown one",
        swap(
            "inpatient: {zh: 住院, en: inpatient}",
            "inpatient: {zh: 住院, en: inpatient, within: all}",
        ),
        "MA-7013",
        "pots.inpatient.within",
        "pots",
    ),
    (
        "cap that no pot owns",
        swap(
            "year_caps:\n  jia:\n",
            "year_caps:\n  jia:\n    dental: {value: 1元, source: s}\n",
        ),
        "MA-7006",
        "year_caps.jia.dental",
        "inpatient",
    ),
    (
        "year that begins nowhere",
        small_pack(year="{value: 每年02-30起, source: s}"),
        "MA-7009",
        "year.value",
        "09-01",
    ),
    (
        "year that begins on a leap day",
        small_pack(year="{value: 每年02-29起, source: s}"),
        "MA-7009",
        "year.value",
        "09-01",
    ),
    (
        "identity that may count",
        swap(
            "pots:\n",
            "identity_during_visit: {gained: 也许, lost: 计入, source: s}\npots:\n",
        ),
        "MA-7009",
        "identity_during_visit.gained",
        "不计入",
    ),
    (
        "identity rule without source",
        swap("pots:\n", "identity_during_visit: {gained: 计入, lost: 计入}\npots:\n"),
        "MA-7007",
        "identity_during_visit.source",
        "补写",
    ),
    (
        "insurers' deductible",
        swap(
            "  top_up:", "  insurance_deductible: {value: 也许, source: s}\n  top_up:"
        ),
        "MA-7009",
        "base.insurance_deductible.value",
        "不计入",
    ),
    (
        "category without alias",
        swap("aliases: [甲]", "aliases: []"),
        "MA-7007",
        "categories.jia.aliases",
        "别名",
    ),
    (
        "own pot that is none",
        swap(
            "pot: {value: outpatient, source: s}",
            "pot: {value: outpatient, source: s, by_category: "
            "{yi: {value: dental, source: s}}}",
        ),
        "MA-7013",
        "care.outpatient.pot.by_category.yi.value",
        "pots",
    ),
    (
        "own pot of an unknown category",
        swap(
            "pot: {value: outpatient, source: s}",
            "pot: {value: outpatient, source: s, by_category: "
            "{bing: {value: inpatient, source: s}}}",
        ),
        "MA-7006",
        "care.outpatient.pot.by_category.bing",
        "yi",
    ),
    (
        "case on application or not",
        swap("in_policy: 100元", "in_policy: 100元, on_application: 也许"),
        "MA-7009",
        "cases[1].given.on_application",
        "是",
    ),
]


@pytest.mark.parametrize(
    ("text", "code", "field", "word"),
    [pytest.param(*rest, id=what) for what, *rest in FAULTS],
)
def test_a_wrong_rule_is_named_with_its_remedy(
    text: str, code: str, field: str, word: str
) -> None:
    """Code and path, the line where the key stands, and what to write instead."""
    found = {(fault.code, fault.field): fault for fault in faults_of(text)}
    assert (code, field) in found
    fault = found[code, field]
    assert word in fault.text.zh + fault.text.en
    assert 0 < fault.line <= text.count("\n")
    assert fault.text.zh != fault.text.en


def test_every_one_of_many_faults_is_said_at_once() -> None:
    """One document with a fault of each kind of rule; none hides another."""
    text = small_pack(
        {
            (
                "rates",
                "jia",
                "outpatient",
            ): "bands: [{from: 1元, to: 不限, rate: 101%}]",
            ("rates", "jia", "inpatient"): "value: {levels: {一级: 1%}}",
            ("deductibles", "yi", "inpatient"): _SHARE,
            ("tilt", "yi", "inpatient"): "threshold: 1, year_cap: 0元, rate: 0%",
        },
        year="{value: 每年13-01起, source: s}",
    )
    fields = {fault.field for fault in faults_of(text)}
    assert {
        "year.value",
        "rates.jia.outpatient.bands",
        "rates.jia.outpatient.bands[1].rate",
        "rates.jia.inpatient.value.levels.未定级",
        "rates.jia.inpatient.value.levels.二级",
        "deductibles.yi.inpatient.value",
        "tilt.yi.inpatient.threshold",
        "tilt.yi.inpatient.year_cap",
        "tilt.yi.inpatient.rate",
        "tilt.yi.inpatient.referral",
    } <= fields


@pytest.mark.parametrize(
    "text",
    [
        bands(_BANDS),
        bands(_BANDS, ", per: 每年"),
        tilt(f"bands: {_BANDS}, per: 每年"),
        tilt("rate: 5%, per: 每次"),
        cell("rates", "value: {referred: 80%, unreferred: 不享受}"),
        with_income(cell("deductibles", _SHARE)),
        with_income(
            cell("deductibles", "value: 每次本年income的1.5%，取整到元"),
            _INCOME.replace("2025", "2026"),
        ),
        with_income(cell("visit_caps", "value: 上年居民收入的10%")),
        with_income(
            tilt("rate: 5%").replace("threshold: 1元", "threshold: 上年income的5%")
        ),
        small_pack(year="{value: 每年09-01起, source: s}"),
        small_pack(rounding="{value: down, source: s}"),
    ],
)
def test_the_same_rules_written_well_are_accepted(text: str) -> None:
    """The neighbours of the faults above are in order."""
    assert compile_pack(text.encode()).ref.id == "small"

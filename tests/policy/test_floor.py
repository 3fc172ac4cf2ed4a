"""The national floor: a draft that goes below it is named with both numbers."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import main
from settlement import policies
from settlement.domain.policy import PolicyError, compile_pack
from settlement.domain.policy.document import PackDocument
from settlement.domain.policy.floor import KINDS, Finding, floor_findings
from settlement.domain.policy.floor_reading import read_floor
from tests.policy.small_pack import CARES, Cells, small_pack

TEXT = policies.read_floor("national-2021-42.yaml").decode()
FLOOR = read_floor(TEXT.encode())
#: The same, as if every quote had been laid beside the decree.
CONFIRMED = TEXT.replace(
    "status: unconfirmed, note:", "status: confirmed, quote: 原文, note:"
)

NATIONAL_INCOME = (
    "indicators:\n  income: {title: {zh: 居民收入, en: income}, "
    "values: {'2025': {value: 40000元, source: s}}}\n"
)


def local(cells: Cells, *, income: str = "", **changes: str) -> PackDocument:
    """A draft that is nobody's fiction: 低保 and 低保边缘 as its two categories."""
    text = small_pack(cells, fictional="否", **changes)
    text = text.replace("aliases: [甲]", "aliases: [低保对象]")
    text = text.replace(
        "aliases: [乙, 乙 等]", "aliases: [最低生活保障边缘家庭成员, 因病致贫]"
    )
    return compile_pack(text.replace("pots:\n", f"{income}pots:\n").encode()).document


def of(key: str, document: PackDocument, floor: str = TEXT) -> list[Finding]:
    """What one check finds."""
    findings = floor_findings(read_floor(floor.encode()), document)
    return [finding for finding in findings if finding.check.key == key]


def every(table: str, category: str, text: str) -> dict[tuple[str, str, str], str]:
    """One text in all cells of a row."""
    return {(table, category, care): text for care in CARES}


def test_every_kind_of_check_is_used_by_the_national_floor() -> None:
    """A closed list of kinds, none of them idle."""
    assert {check.kind for check in FLOOR.checks} == set(KINDS)
    assert [check.key for check in FLOOR.checks] == [f"F{n}" for n in range(1, 8)]


def share_of_income(category: str, percent: str) -> PackDocument:
    """A draft whose yearly deductible is a share of last year's income."""
    text = f"value: 每年上年居民收入的{percent}"
    return local(every("deductibles", category, text), income=NATIONAL_INCOME)


def uncovered(category: str) -> Cells:
    """A category that gets nothing at all."""
    rates = every("rates", category, "value: 不享受")
    caps = every("visit_caps", category, "value: 不享受")
    pots = ("outpatient", "inpatient")
    return rates | caps | {("year_caps", category, p): "value: 不享受" for p in pots}


BELOW: list[tuple[str, PackDocument, str, str, str]] = [
    (
        "F1",
        share_of_income("jia", "6%"),
        "deductibles.jia.outpatient",
        "6%",
        "5%",
    ),
    (
        "F1",
        local({("deductibles", "jia", "inpatient"): "value: 每次300元"}),
        "deductibles.jia.inpatient",
        "每次300元（没有收入指标，无法比较）",
        "5%",
    ),
    (
        "F2",
        share_of_income("yi", "13%"),
        "deductibles.yi.outpatient",
        "13%",
        "8% 至 12%",
    ),
    (
        "F2",
        local(
            {
                ("deductibles", "yi", "inpatient"): "value: 每年2000元",
                ("visit_caps", "jia", "inpatient"): "value: 上年居民收入的100%",
            },
            income=NATIONAL_INCOME,
        ),
        "deductibles.yi.inpatient",
        "每年2,000元（5%）",
        "8% 至 12%",
    ),
    (
        "F3",
        share_of_income("yi", "31%"),
        "deductibles.yi.outpatient",
        "31%",
        "20% 至 30%",
    ),
    (
        "F4",
        local({("rates", "jia", "inpatient"): "value: 69.9999%"}),
        "rates.jia.inpatient",
        "69.9999%",
        "70%",
    ),
    (
        "F4",
        local(
            {
                ("rates", "jia", "inpatient"): "value: 不享受",
                ("visit_caps", "jia", "inpatient"): "value: 不享受",
            }
        ),
        "rates.jia.inpatient",
        "0%",
        "70%",
    ),
    (
        "F4",
        local(
            {
                ("rates", "jia", "inpatient"): "bands: "
                "[{from: 0元, to: 9元, rate: 60%}, {from: 9元, to: 不限, rate: 90%}]"
            }
        ),
        "rates.jia.inpatient",
        "60%",
        "70%",
    ),
    (
        "F5",
        local({("rates", "yi", "inpatient"): "value: 80%"}),
        "rates.yi.inpatient",
        "80%",
        "甲类的 80%",
    ),
    (
        "F7",
        local(
            {
                ("tilt", "jia", "inpatient"): "threshold: 1元, rate: 1%, "
                "year_cap: 不限, referral: 不要求"
            }
        ),
        "tilt.jia.inpatient",
        "不要求",
        "规范转诊",
    ),
]


@pytest.mark.parametrize(
    ("key", "draft", "field", "found", "demanded"),
    [pytest.param(*row, id=f"{row[0]}-{row[2]}-{row[3]}") for row in BELOW],
)
def test_a_draft_below_the_floor_is_named_with_both_numbers(
    key: str, draft: PackDocument, field: str, found: str, demanded: str
) -> None:
    """Which check, which cell, what the pack says and what is demanded."""
    findings = {finding.field: finding for finding in of(key, draft)}
    assert field in findings
    text = findings[field].text
    assert found in text.zh
    assert demanded in text.zh
    assert "国办发〔2021〕42号" in text.zh
    assert text.en


def test_special_and_inpatient_care_share_a_cap() -> None:
    """F6: two pots that lie in no common one are named; one common pot will do."""
    apart = small_pack(fictional="否").replace(
        "title: {zh: 特病, en: special}, pot: {value: inpatient",
        "title: {zh: 特病, en: special}, pot: {value: outpatient",
    )
    [finding] = of("F6", compile_pack(apart.encode()).document)
    assert finding.found.zh == "特病计入“门诊”、住院计入“住院”"
    assert "共用一个年度限额" in finding.text.zh
    within = apart.replace(
        "en: outpatient}\n  inpatient",
        "en: outpatient, within: inpatient}\n  inpatient",
    )
    assert of("F6", compile_pack(within.encode()).document) == []


@pytest.mark.parametrize(
    ("key", "cells"),
    [
        ("F1", every("deductibles", "jia", "value: 每年上年居民收入的5%")),
        ("F2", every("deductibles", "yi", "value: 每年上年居民收入的8%")),
        ("F2", every("deductibles", "yi", "value: 每年上年居民收入的12%")),
        ("F3", every("deductibles", "yi", "value: 每年上年居民收入的20%")),
        ("F3", every("deductibles", "yi", "value: 每年上年居民收入的30%")),
        ("F4", every("rates", "jia", "value: 70%")),
        ("F4", every("rates", "jia", "value: {referred: 70%, unreferred: 不享受}")),
        ("F5", every("rates", "yi", "value: 79.9999%")),
        ("F5", uncovered("yi")),
        ("F5", uncovered("jia")),
        ("F6", {}),
        (
            "F7",
            {
                (
                    "tilt",
                    "jia",
                    "inpatient",
                ): "threshold: 1元, rate: 1%, year_cap: 不限, referral: 要求"
            },
        ),
    ],
)
def test_the_floor_itself_is_met(key: str, cells: Cells) -> None:
    """At the edge of each demand nothing is found."""
    income = NATIONAL_INCOME if "上年" in str(cells) else ""
    assert of(key, local(cells, income=income)) == []


def test_only_a_confirmed_quote_refuses_a_pack() -> None:
    """F1 is an error by the floor, and a warning while its quote is unconfirmed."""
    draft = local({("deductibles", "jia", "inpatient"): "value: 每次300元"})
    [warned] = of("F1", draft)
    [refused] = of("F1", draft, CONFIRMED)
    assert (warned.is_error, refused.is_error) == (False, True)
    assert "unconfirmed" in warned.text.zh


def test_a_fictional_pack_is_exempt() -> None:
    """The demo district is no district's."""
    low = small_pack(every("rates", "jia", "value: 1%")).replace("[甲]", "[低保对象]")
    assert floor_findings(FLOOR, compile_pack(low.encode()).document) == ()


def test_beijing_meets_the_floor() -> None:
    """Both versions, in every check."""
    for name in ("beijing-2023.yaml", "beijing-2023-2.yaml"):
        assert floor_findings(FLOOR, compile_pack(policies.read(name)).document) == ()


def swapped(old: str, new: str) -> str:
    """The national floor with one piece of text replaced, which must occur."""
    assert old in TEXT
    return TEXT.replace(old, new, 1)


FAULTS = [
    ("later format", swapped("medaid-floor/1", "medaid-floor/2"), "MA-7014", "schema"),
    ("kind", swapped("kind: shared_cap", "kind: formula"), "MA-7009", "checks.F6.kind"),
    (
        "group",
        swapped("groups: [yinbing]", "groups: [poor]"),
        "MA-7013",
        "checks.F3.groups",
    ),
    (
        "care",
        swapped("care: [outpatient_special, inpatient], rate", "care: [dental], rate"),
        "MA-7013",
        "checks.F4.care",
    ),
    ("than", swapped("than: dibao", "than: nobody"), "MA-7013", "checks.F5.than"),
    (
        "severity",
        swapped("severity: error, care", "severity: fatal, care"),
        "MA-7009",
        "checks.F6.severity",
    ),
    (
        "source",
        swapped("source: shared}", "source: nowhere}"),
        "MA-7013",
        "checks.F6.source",
    ),
    ("rate", swapped("rate: 70%", "rate: 0.7"), "MA-7011", "checks.F4.rate"),
    ("share", swapped("at_most: 5%", "at_most: 500"), "MA-7011", "checks.F1.at_most"),
    (
        "order",
        swapped("from: 8%, to: 12%", "from: 12%, to: 8%"),
        "MA-7011",
        "checks.F2.to",
    ),
    (
        "unknown key",
        swapped("rate: 70%", "rate: 70%, unless: true"),
        "MA-7006",
        "checks.F4.unless",
    ),
    ("no checks", TEXT[: TEXT.index("checks:")] + "checks: {}\n", "MA-7007", "checks"),
    ("uncited", swapped("source: tilt}", "source: shared}"), "MA-7019", "sources.tilt"),
]


@pytest.mark.parametrize(
    ("text", "code", "field"), [pytest.param(*rest, id=what) for what, *rest in FAULTS]
)
def test_a_floor_is_read_as_strictly_as_a_pack(
    text: str, code: str, field: str
) -> None:
    """Closed vocabulary, every reference resolved, every source cited."""
    with pytest.raises(PolicyError) as caught:
        read_floor(text.encode())
    assert (code, field) in {(fault.code, fault.field) for fault in caught.value.faults}


def test_check_runs_the_floor_and_says_error_or_warning(tmp_path: Path) -> None:
    """A confirmed demand that is unmet ends the command with status 1."""
    draft = tmp_path / "draft.yaml"

    def check(cells: Cells) -> Result:
        text = small_pack(cells, fictional="否").replace("[甲]", "[低保对象]")
        draft.write_text(text, "utf-8")
        return CliRunner().invoke(main, ["policy", "check", str(draft)])

    low = check({("rates", "jia", "inpatient"): "value: 69%"})
    warned = check(every("deductibles", "jia", "value: 每次1元"))
    assert low.exit_code == 1
    assert "rates.jia.inpatient: national-2021-42 F4 错误 error" in low.output
    assert "69%" in low.output
    assert "不低于 70%" in low.output
    assert "below the floor" in low.output
    assert warned.exit_code == 0
    assert "F1 警告 warning" in warned.output

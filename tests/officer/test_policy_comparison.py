"""Two packs beside each other: each kind of statement that can differ is found."""

from __future__ import annotations

import pytest

from settlement import policies
from settlement.domain.policy import compile_pack
from settlement.domain.policy.comparison import Kind, case_changes, changes
from tests.officer.demo_variants import HIGHER_RATE, demo_variant
from tests.policy.small_pack import SMALL, cell, small_pack, swap

_OLD = compile_pack(SMALL.encode())


def found_in(text: str) -> dict[str, tuple[str, str]]:
    """Path, old and new of whatever the document states otherwise."""
    new = compile_pack(text.encode())
    return {change.path: (change.old, change.new) for change in changes(_OLD, new)}


CELLS = {
    "rates": ("value: 85%", "rates.jia.outpatient", "80%", "85%"),
    "deductibles": (
        "value: 每年1000元", "deductibles.jia.outpatient", "无", "每年1,000元",
    ),
    "visit_caps": ("value: 500元", "visit_caps.jia.outpatient", "不限", "500元"),
    "year_caps": ("value: 8000元", "year_caps.jia.outpatient", "不限", "8,000元"),
}  # fmt: skip


@pytest.mark.parametrize("table", CELLS)
def test_cell(table: str) -> None:
    """One cell, in the decree's words, under the document's path."""
    text, path, old, new = CELLS[table]

    assert found_in(cell(table, text)) == {path: (old, new)}


def test_tilt() -> None:
    """A rule in one sentence."""
    text = "threshold: 5000元, rate: 60%, year_cap: 20000元, referral: 要求"

    found = found_in(small_pack({("tilt", "jia", "inpatient"): text}))

    assert found == {
        "tilt.jia.inpatient": (
            "不享受", "剩余负担超过5,000元部分的60%，每年20,000元，须转诊",
        )
    }  # fmt: skip


HEADS = {
    "in_force.to": (
        small_pack(in_force="{from: 2020-01-01, to: 2027-12-31, source: s}")
    ),
    "known_since": small_pack(known_since="2022-12-31"),
    "filing_limit": small_pack(filing_limit="{value: 180天, source: s}"),
    "base.top_up": small_pack(base__top_up="{value: 允许, source: s}"),
    "base.pre_selfpay": small_pack(base__pre_selfpay="{value: 计入, source: s}"),
    "base.commercial": small_pack(base__commercial="{value: 扣除, source: s}"),
    "base.charity": small_pack(base__charity="{value: 扣除, source: s}"),
    "places.unfiled": small_pack(places__unfiled="{value: 视为已转诊, source: s}"),
    "cases.算例": swap("in_policy: 100元", "in_policy: 101元"),
}


@pytest.mark.parametrize("path", HEADS)
def test_rule_for_all(path: str) -> None:
    """Dates, limits, base, places and cases: exactly the one that differs."""
    assert [*found_in(HEADS[path])] == [path]


def test_the_same_rules_in_other_bytes_are_the_same() -> None:
    """A comment changes the hash and states nothing."""
    other = compile_pack(f"# again\n{SMALL}".encode())

    assert other.ref.sha256 != _OLD.ref.sha256
    assert changes(_OLD, other) == []
    assert list(case_changes(_OLD, other)) == []


def test_order_of_categories() -> None:
    """It decides between equal benefits, so it is a statement."""
    demo = demo_variant().decode()
    start, middle, end = (
        demo.index(f"\n  {name}:\n") for name in ("tekun", "guer", "dibao")
    )
    swapped = demo[:start] + demo[middle:end] + demo[start:middle] + demo[end:]
    old, new = compile_pack(demo.encode()), compile_pack(swapped.encode())

    assert [change.path for change in changes(old, new)] == ["categories"]


def test_cases_of_one_name_are_all_compared() -> None:
    """The second of the same name counts, too."""
    text = SMALL + SMALL[SMALL.index("  - name:") :]
    old = compile_pack(text.encode())
    at = text.rindex("in_policy: 100元")
    new = compile_pack((text[:at] + text[at:].replace("100元", "101元")).encode())

    assert [change.path for change in changes(old, new)] == ["cases.算例 (2)"]


def test_category_added_and_removed() -> None:
    """Everything of it, with its source; the other way round it is removed."""
    old, new = (
        compile_pack(policies.read(name))
        for name in ("beijing-2023.yaml", "beijing-2023-2.yaml")
    )

    added = [c for c in changes(old, new) if c.path.startswith("categories.yinbing")]
    removed = [c for c in changes(new, old) if c.path.startswith("categories.yinbing")]

    assert {change.kind for change in added} == {Kind.ADDED}
    assert {change.kind for change in removed} == {Kind.REMOVED}
    assert [c.new for c in added] == [c.old for c in removed]
    assert any("37号" in change.new_source for change in added)


def test_another_source_is_a_change() -> None:
    """The words stay, but they rest on another article."""
    text = SMALL.replace(
        "several_identities: {value: 就高不重复, source: s}",
        "several_identities: {value: 就高不重复, source: other}",
    )
    assert text != SMALL
    marker = "sources:\n"
    text = text.replace(
        marker,
        marker + "  other: {instrument: d, article: 第九条, quote: 就高不重复,"
        " status: confirmed}\n",
    )

    new = compile_pack(text.encode())

    kinds = {change.path: change.kind for change in changes(_OLD, new)}
    assert kinds == {
        "several_identities": Kind.RESOURCED,
        "sources.other": Kind.ADDED,
    }


def test_cases_that_come_out_otherwise() -> None:
    """Of the demo's cases those of 低保门诊; the dates of the new pack do not count."""
    later = ("in_force: {from: 2000-01-01", "in_force: {from: 2030-01-01")
    day = ("on: 2000-01-01", "on: 2030-01-01")
    old = compile_pack(policies.read("demo-district.yaml"))
    new = compile_pack(demo_variant(HIGHER_RATE, later, day))

    found = {
        case.name: {o: (a, b) for o, a, b in case.outcomes}
        for case in case_changes(old, new)
    }

    assert found["施行当日适用"] == {
        "aid": ("80.00元", "90.00元"), "patient_pays": ("20.00元", "10.00元"),
    }  # fmt: skip
    assert "特困门诊 100%" not in found
    assert "施行前一日不适用" in found


def _with_figure(year: int, yuan: int) -> str:
    """The small pack with a deductible of the year's income, for inpatient care."""
    text = small_pack({("deductibles", "jia", "inpatient"): "value: 每年上年收入的10%"})
    values = f"{{'{year}': {{value: {yuan}元, source: s}}}}"
    title = "{zh: 收入, en: income}"
    return f"{text}\nindicators:\n  income: {{title: {title}, values: {values}}}\n"


_CASE_YEAR = _OLD.document.cases[0].bill.service_start.year


def test_a_published_figure() -> None:
    """Another figure of a year is one change, in yuan."""
    one, other = (
        compile_pack(_with_figure(_CASE_YEAR - 1, yuan).encode())
        for yuan in (40_000, 41_000)
    )

    found = {change.path: (change.old, change.new) for change in changes(one, other)}

    path = f"indicators.income.{_CASE_YEAR - 1}"
    assert found == {path: ("40,000.00元", "41,000.00元")}


def test_a_case_of_a_year_without_figures_has_no_outcome() -> None:
    """A pack without the figure cannot decide the case, and that is a change."""
    later = _with_figure(_CASE_YEAR + 1, 40_000)
    later = later.replace(f"on: {_CASE_YEAR}-", f"on: {_CASE_YEAR + 2}-")

    [changed] = case_changes(_OLD, compile_pack(later.encode()))

    assert changed.name == _OLD.document.cases[0].name
    assert {after for _, _, after in changed.outcomes} == {"不能计算"}

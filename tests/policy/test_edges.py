"""A worked case on each side of every number: a new number without one turns red."""

from pathlib import Path

import pytest

from settlement import policies
from settlement.domain.policy import CompiledPack, compile_pack
from settlement.domain.policy.reading import read_document
from tests.policy.edges import Edge, Touch, edges_of, touched_by
from tests.policy.small_pack import small_pack

#: Cases beside documents that never change any more.
MORE = {
    "demo-district.yaml": Path(__file__).with_name("more-cases-demo-district.yaml"),
}


def with_more_cases(name: str) -> CompiledPack:
    """A shipped pack with all its worked cases; compiling runs them, fen by fen."""
    document = policies.read(name)
    if name in MORE:
        document += MORE[name].read_bytes()
    return compile_pack(document)


def untouched(pack: CompiledPack) -> set[Touch]:
    """Sides of edges at which no worked case lies."""
    touched = {
        touch for case in pack.document.cases for touch in touched_by(pack, case)
    }
    return edges_of(pack) - touched


@pytest.mark.parametrize("name", policies.names())
def test_every_edge_is_touched_from_both_sides(name: str) -> None:
    """One fen below, at and above; the day before and the day itself."""
    pack = with_more_cases(name)
    assert edges_of(pack)
    assert untouched(pack) == set()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("beijing-2023-2.yaml", "value: 8000元", "value: 8001元"),
        ("beijing-2023-2.yaml", "value: 150000元", "value: 160000元"),
        ("beijing-2023-2.yaml", "50000元", "60000元"),
        ("beijing-2023-2.yaml", "from: 2023-01-01", "from: 2024-01-01"),
        ("national-frame-2021.yaml", "value: 10000元", "value: 39218元"),
        ("national-frame-2021.yaml", "收入的25%", "收入的24%"),
        ("demo-district.yaml", "每次10元", "每次11元"),
        ("demo-district.yaml", "threshold: 5000元", "threshold: 5500元"),
    ],
)
def test_a_changed_number_is_missed(name: str, old: str, new: str) -> None:
    """The cases of the old number do not do for a new one."""
    text = policies.read(name).decode()
    assert old in text
    changed = read_document(text.replace(old, new).encode())
    before = untouched(compile_pack(policies.read(name)))
    assert untouched(CompiledPack(changed)) - before


_BANDS = "bands: [{from: 0元, to: 50元, rate: 10%}, {from: 50元, to: 不限, rate: 20%}]"


@pytest.mark.parametrize(
    ("cells", "edge"),
    [
        ({("deductibles", "jia", "inpatient"): "value: 每年10元"},
         Edge("yearly deductible", 1_000)),
        ({("deductibles", "jia", "inpatient"): "value: 每次10元"},
         Edge("visit deductible", 1_000)),
        ({("rates", "jia", "inpatient"): _BANDS}, Edge("band", 5_000)),
        ({("visit_caps", "jia", "inpatient"): "value: 20元"}, Edge("visit cap", 2_000)),
        ({("year_caps", "jia", "inpatient"): "value: 30元"},
         Edge("year cap", 3_000, "inpatient")),
        ({("tilt", "jia", "inpatient"):
          "threshold: 1元, rate: 5%, year_cap: 2元, referral: 要求"},
         Edge("tilt threshold", 100)),
        ({("tilt", "jia", "inpatient"):
          "threshold: 1元, rate: 5%, year_cap: 2元, referral: 要求"},
         Edge("tilt cap", 200)),
        ({("tilt", "jia", "inpatient"):
          f"threshold: 1元, {_BANDS}, year_cap: 不限, referral: 要求, per: 每年"},
         Edge("tilt band", 5_000)),
    ],
)  # fmt: skip
def test_a_new_number_without_a_case_is_found(
    cells: dict[tuple[str, str, str], str], edge: Edge
) -> None:
    """Each kind of number that a pack may hold, on all three sides."""
    missing = untouched(compile_pack(small_pack(cells).encode()))
    assert {touch.side for touch in missing if touch.edge == edge} == {-1, 0, 1}


def test_days_are_edges_too() -> None:
    """Beginning, end, and the limit for filing."""
    text = small_pack(filing_limit="{value: 30天, source: s}")
    kinds = {touch.edge.kind for touch in untouched(compile_pack(text.encode()))}
    assert kinds == {"in force", "filing limit"}
    days = {touch.edge.value for touch in untouched(compile_pack(text.encode()))}
    assert len(days) == 3

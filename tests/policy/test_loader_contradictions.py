"""Values that are each in order, but not together."""

import pytest

from tests.policy.small_pack import cell, faults_of, small_pack, swap


def with_pot(name: str) -> str:
    """The small pack with a third pot from which nobody gets anything."""
    caps = f"    {name}: {{value: 不享受, source: s}}\n"
    head, _, tail = swap(
        "pots:\n", f"pots:\n  {name}: {{zh: 备, en: spare}}\n"
    ).partition("year_caps:\n")
    for category in ("jia", "yi"):
        tail = tail.replace(f"  {category}:\n", f"  {category}:\n{caps}", 1)
    return f"{head}year_caps:\n{tail}"


#: Values that are each in order, but not together.
CONTRADICTIONS: list[tuple[str, str, str, str]] = [
    (
        "cover without cap",
        cell("visit_caps", "value: 不享受"),
        "MA-7015",
        "visit_caps.jia.outpatient",
    ),
    (
        "no cover but a cap per visit",
        cell("rates", "value: 不享受"),
        "MA-7015",
        "visit_caps.jia.outpatient",
    ),
    (
        "no cover but a deductible",
        small_pack(
            {
                ("rates", "jia", "outpatient"): "value: 不享受",
                ("visit_caps", "jia", "outpatient"): "value: 不享受",
                ("deductibles", "jia", "outpatient"): "value: 每次1元",
            }
        ),
        "MA-7015",
        "deductibles.jia.outpatient",
    ),
    (
        "no cover but a tilt",
        small_pack(
            {
                ("rates", "jia", "outpatient"): "value: 不享受",
                ("visit_caps", "jia", "outpatient"): "value: 不享受",
                (
                    "tilt",
                    "jia",
                    "outpatient",
                ): "threshold: 1元, rate: 1%, year_cap: 不限, referral: 要求",
            }
        ),
        "MA-7015",
        "tilt.jia.outpatient",
    ),
    (
        "cover but no yearly cap",
        cell("year_caps", "value: 不享受"),
        "MA-7015",
        "year_caps.jia.outpatient",
    ),
    (
        "two yearly deductibles",
        small_pack(
            {
                ("deductibles", "jia", "outpatient"): "value: 每年1元",
                ("deductibles", "jia", "inpatient"): "value: 每年2元",
            }
        ),
        "MA-7015",
        "deductibles.jia.inpatient",
    ),
    (
        "two tilt caps",
        small_pack(
            {
                (
                    "tilt",
                    "jia",
                    care,
                ): f"threshold: 1元, rate: 1%, year_cap: {cap}, referral: 要求"
                for care, cap in (("outpatient", "1元"), ("emergency", "不限"))
            }
        ),
        "MA-7015",
        "tilt.jia.emergency",
    ),
    (
        "pot that nothing uses",
        with_pot("spare"),
        "MA-7015",
        "pots.spare",
    ),
    (
        "reserved pot",
        with_pot("tilt"),
        "MA-7015",
        "pots.tilt",
    ),
    (
        "spelling of two categories",
        swap("aliases: [乙, 乙 等]", "aliases: [甲 类]"),
        "MA-7016",
        "categories.yi.aliases",
    ),
    (
        "no alias",
        swap("aliases: [甲]", "aliases: []"),
        "MA-7007",
        "categories.jia.aliases",
    ),
    (
        "instrument that nothing cites",
        swap(
            "instruments:\n",
            "instruments:\n  e: {number: 一, title: 二, issued: 2019-12-01, "
            "published: 2019-12-01}\n",
        ),
        "MA-7019",
        "instruments.e",
    ),
]


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

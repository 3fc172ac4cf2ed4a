"""Which identity decides a bill, and amounts that are shares: found by the oracle."""

import json
from copy import deepcopy
from datetime import date

import pytest
import yaml

from settlement.domain.decision import AccumulatorKey, Text
from settlement.domain.eligibility import RosterPerson, Window
from settlement.domain.policy import CompiledPack, compile_pack
from settlement.domain.policy.amounts import Figures
from settlement.domain.policy.document import (
    Indicator,
    Instrument,
    Share,
    Source,
    Sourced,
)
from settlement.domain.policy.formula import by_formula
from tests.policy.small_pack import small_pack
from tests.policy.strategies import bill_of

_BASE = "  top_up: {value: 不允许, source: s}\n"
_OWN = "  by_category:\n    {name}: {{commercial: {{value: 扣除, source: s}}}}\n"


def pack_with(cells: dict[str, str], *, own: str) -> CompiledPack:
    """The small pack with outpatient cells of its categories, one with its own base."""
    tables = {"value: 不享受": ("visit_caps",), "value: 80%": ()}
    texts = {("rates", name, "outpatient"): text for name, text in cells.items()}
    for name, text in cells.items():
        for table in tables.get(text, ()):
            texts[table, name, "outpatient"] = text
    texts["deductibles", "yi", "outpatient"] = "value: 每年200元"
    text = small_pack(texts).replace(_BASE, _BASE + _OWN.format(name=own))
    return compile_pack(text.encode())


@pytest.mark.parametrize("own", ["jia", "yi"])
def test_a_bill_counts_towards_the_deductible_of_the_identity_that_covers_it(
    own: str,
) -> None:
    """The first listed gives nothing here; below the second's deductible, it counts.

    The same whichever of the two has a base of its own.
    """
    pack = pack_with({"jia": "value: 不享受", "yi": "value: 80%"}, own=own)
    result = pack.adjudicate(bill_of(), ["jia", "yi"], {}, None)
    assert (result.reason, result.category) == ("MA-2003", "yi")
    [posting] = result.postings
    assert posting.key == AccumulatorKey(2026, "deductible")
    assert posting.amount_fen == 10_000


def test_of_two_that_cover_the_care_the_first_listed_counts() -> None:
    """Both have their deductible before them, and nothing is posted twice."""
    cells = {"jia": "value: 80%", "yi": "value: 80%"}
    pack = pack_with(cells, own="yi")
    used = {AccumulatorKey(2026, "outpatient"): 0}
    nothing = bill_of(commercial_fen=10_000, in_policy_fen=10_000)
    result = pack.adjudicate(nothing, ["yi"], used, None)
    assert (result.reason, result.base_fen) == ("MA-2001", 0)
    both = pack.adjudicate(nothing, ["yi", "jia"], used, None)
    assert (both.reason, both.category, both.aid_fen) == ("MA-2000", "jia", 8_000)


def test_an_identity_that_the_pack_does_not_know_changes_nothing() -> None:
    """What declines the known one declines the bill, whoever else the person is."""
    pack = pack_with({"jia": "value: 80%", "yi": "value: 80%"}, own="yi")
    bill = bill_of(medical_aid_fen=10_000)
    alone = pack.adjudicate(bill, ["yi"], {}, None)
    assert (alone.approved, alone.reason) == (False, "MA-2201")
    assert pack.adjudicate(bill, ["yi", "unknown"], {}, None) == alone


def pack_of_three() -> CompiledPack:
    """Jia and bing, who gives more as such, of one base; yi's counts pre-selfpay."""
    cells = dict.fromkeys(
        (("rates", "yi", "outpatient"), ("visit_caps", "yi", "outpatient")),
        "value: 不享受",
    )
    rules = yaml.load(small_pack(cells), Loader=yaml.BaseLoader)  # noqa: S506  # texts only
    for table in ("rates", "deductibles", "visit_caps", "tilt", "year_caps"):
        rules[table]["bing"] = deepcopy(rules[table]["jia"])
    rules["rates"]["bing"]["inpatient"]["value"] = "90%"
    names = {"zh": "丙类", "en": "C"}
    rules["categories"]["bing"] = rules["categories"]["jia"] | {
        "title": names,
        "short": names,
        "aliases": ["丙"],
        "national_codes": [],
    }
    own = {"pre_selfpay": {"value": "计入", "source": "s"}}
    rules["base"]["by_category"] = {"yi": own}
    return compile_pack(json.dumps(rules).encode())


def test_of_groups_that_give_nothing_the_one_with_the_first_listed_says_why() -> None:
    """Not the one whose best identity stands first in the list of the pack.

    The whole cost is paid but for the pre-selfpay, which only yi's base has, and yi
    gets nothing for this care.
    """
    pack = pack_of_three()
    bill = bill_of(basic_insurance_fen=10_000, total_fen=15_000, pre_selfpay_fen=5_000)
    reasons = {
        name: pack.adjudicate(bill, [name], {}, None).reason
        for name in ("jia", "yi", "bing")
    }
    assert reasons == {"jia": "MA-2001", "yi": "MA-2004", "bing": "MA-2001"}
    assert pack.best_category(["jia", "bing"]) == "bing"
    every = pack.adjudicate(bill, ["jia", "yi", "bing"], {}, None)
    assert (every.reason, every.base_fen) == ("MA-2001", 0)
    last = pack.adjudicate(bill, ["yi", "bing"], {}, None)
    assert last.reason == "MA-2004"


_SOURCE = Source("s", Instrument("d", "1", "t", None, None, ""), "1", "q", True, "")


@pytest.mark.parametrize(
    ("figure_fen", "rate_ppm", "whole_yuan", "fen"),
    [
        (49_496, 100_000, False, 4_950),
        (49_496, 100_000, True, 4_900),
        (49_499, 100_000, True, 4_900),
        (49_500, 100_000, True, 5_000),
        (49_500, 100_000, False, 4_950),
        (49, 1_000_000, True, 0),
        (50, 1_000_000, True, 100),
    ],
)
def test_a_share_is_rounded_once(
    figure_fen: int, rate_ppm: int, whole_yuan: bool, fen: int
) -> None:
    """To the fen or to the yuan, half up; never to the fen and then to the yuan."""
    values = {2025: Sourced(figure_fen, _SOURCE), 2026: Sourced(1, _SOURCE)}
    figures = Figures({"i": Indicator("i", Text("", ""), values)}, 2026)
    assert figures.fen(Share(rate_ppm, "i", 1, whole_yuan)) == fen


def test_categories_of_one_formula_are_decided_together() -> None:
    """Of three, two share the common base, in the order in which they are listed."""
    pack = pack_with({"jia": "value: 80%", "yi": "value: 80%"}, own="yi")
    common, own = pack._common, pack._own
    assert by_formula(own, common, ["jia", "yi", "bing"]) == [
        (common, ["jia", "bing"]),
        (own["yi"], ["yi"]),
    ]
    assert by_formula(own, common, []) == [(common, [])]


@pytest.mark.parametrize(
    ("gained", "lost", "counting"),
    [
        ("计入", "计入", ["early", "whole", "late"]),
        ("不计入", "计入", ["early", "whole"]),
        ("计入", "不计入", ["whole", "late"]),
        ("不计入", "不计入", ["whole"]),
    ],
)
def test_an_identity_that_changes_during_a_stay_counts_as_the_pack_says(
    gained: str, lost: str, counting: list[str]
) -> None:
    """One lost on the second day, one held throughout, one gained on the third."""
    rule = f"identity_during_visit: {{gained: {gained}, lost: {lost}, source: s}}\n"
    pack = compile_pack(small_pack().replace("pots:\n", f"{rule}pots:\n", 1).encode())
    days = [date(2026, 3, number) for number in range(1, 5)]
    person = RosterPerson(
        b"t" * 16,
        b"",
        (
            Window("early", days[0], days[1], ""),
            Window("whole", days[0], days[3], ""),
            Window("late", days[2], None, ""),
            Window("before", date(2025, 1, 1), date(2026, 2, 28), ""),
            Window("after", date(2026, 3, 5), None, ""),
        ),
    )
    stay = bill_of(service_start=days[0], service_end=days[3])
    windows = pack.identity_windows(person, stay)
    assert [window.category for window in windows] == counting

"""The worked cases of the shipped rules, run one by one; and each number matters."""

from __future__ import annotations

import re
from collections import Counter

import pytest
import yaml

from settlement import alert_rules
from settlement.domain.watch.rules import read_rules
from settlement.domain.watch.worked_cases import RuleCaseResult, run_cases
from tests.watch.watched import document, rules

_RESULTS = [
    (name, result)
    for name in alert_rules.names()
    for result in run_cases(read_rules(alert_rules.read(name)))
]


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(result, id=f"{name}-{result.detector}-{result.name}")
        for name, result in _RESULTS
    ],
)
def test_worked_case_comes_out(result: RuleCaseResult) -> None:
    """Exactly the signals that the document says, with exactly their claims."""
    assert result.found == result.expected
    assert result.passed


def test_every_detector_has_cases_that_raise_and_near_misses() -> None:
    """Two of each at least; some pattern spans the end of a year, some of a month."""
    raised, quiet = Counter[str](), Counter[str]()
    for result in run_cases(rules()):
        (raised if result.expected else quiet)[result.detector] += 1
    for name, rule in rules().detectors.items():
        assert raised[name] >= 2, name
        assert quiet[name] >= 2, name
        days = [claim.service_start for case in rule.cases for claim in case.claims]
        assert not days or {day.year for day in days} == {2025, 2026}, name


#: Detector, number as it is written (`*`: any share), and what makes a case fail.
BROKEN = [
    ("same-day-hospitals", "hospitals: {value: 3家", "hospitals: {value: 4家"),
    ("same-day-hospitals", "hospitals: {value: 3家", "hospitals: {value: 2家"),
    ("same-day-hospitals", "near_same: {value: 90%", "near_same: {value: 91%"),
    ("same-day-hospitals", "near: {value: 2%", "near: {value: 0.5%"),
    ("same-day-hospitals", "near_from: {value: 200元", "near_from: {value: 500元"),
    ("too-frequent", "within: 1天, visits: 4次", "within: 1天, visits: 5次"),
    ("too-frequent", "visits: 6次, per_course: 2次", "visits: 7次, per_course: 2次"),
    ("too-frequent", "visits: 6次, per_course: 2次", "visits: 6次, per_course: 3次"),
    ("too-frequent", "within: 7天, visits: 6次", "within: 8天, visits: 6次"),
    ("too-frequent", "[emergency], within: 7天", "[emergency], within: 6天"),
    ("too-frequent", "visits: 7次, per_course: 7次", "visits: 8次, per_course: 7次"),
    ("too-frequent", "visits: 9次, per_course: 9次", "visits: 10次, per_course: 9次"),
    ("too-frequent", "visits: 9次, per_course: 9次", "visits: 8次, per_course: 9次"),
    ("too-frequent", "visits: 9次, per_course: 4次", "visits: 10次, per_course: 4次"),
    ("too-frequent", "visits: 9次, per_course: 4次", "visits: 9次, per_course: 5次"),
    (
        "too-frequent",
        "visits: 27次, per_course: 27次",
        "visits: 28次, per_course: 28次",
    ),
    ("too-frequent", "[inpatient], within: 31天", "[inpatient], within: 30天"),
    ("too-soon", "hospital: other, within: 5天", "hospital: other, within: 6天"),
    ("too-soon", "hospital: other, within: 5天", "hospital: other, within: 1天"),
    ("too-soon", "hospital: same, within: 5天", "hospital: same, within: 6天"),
    ("too-soon", "same, within: 2天", "same, within: 1天"),
    ("too-soon", "same, within: 2天", "same, within: 3天"),
    ("too-soon", "same, within: 2天, least: *", "same, within: 2天, least: 6%"),
    ("too-soon", "most: 1.3倍", "most: 1.2倍"),
    ("too-soon", "most: 1.3倍", "most: 1.4倍"),
    ("too-soon", "same, within: 5天, least: *", "same, within: 5天, least: 50%"),
    ("too-soon", "same, within: 5天, least: *", "same, within: 5天, least: 13%"),
    ("too-soon", "within: 13天, least: *", "within: 14天, least: 65%"),
    ("too-soon", "within: 13天, least: *", "within: 13天, least: 71%"),
    ("too-soon", "within: 13天, least: *", "within: 13天, least: 40%"),
    ("too-soon", "course: {value: 3天", "course: {value: 5天"),
    ("too-soon", "course_within: {value: 20天", "course_within: {value: 1天"),
    ("too-soon", "course_near: {value: 2%", "course_near: {value: 70%"),
    ("too-soon", "busy: {value: 4次", "busy: {value: 5次"),
    ("too-soon", "busy: {value: 4次", "busy: {value: 3次"),
    ("too-soon", "busy_within: {value: 30天", "busy_within: {value: 29天"),
    ("too-soon", "busy_within: {value: 30天", "busy_within: {value: 31天"),
    ("too-soon", "busy_near: {value: 2%", "busy_near: {value: 5%"),
    ("too-soon", "busy_near: {value: 2%", "busy_near: {value: 1%"),
    ("too-soon", "long: {value: 14天", "long: {value: 29天"),
    ("too-soon", "used: {value: 55%", "used: {value: 80%"),
    ("too-soon", "used: {value: 55%", "used: {value: 20%"),
    ("during-stay", "longest: {value: 35天", "longest: {value: 8天"),
    ("during-stay", "longest: {value: 35天", "longest: {value: 36天"),
    ("overlapping-stays", "nights: {value: 1晚", "nights: {value: 2晚"),
    ("overlapping-stays", "near: {value: 2%", "near: {value: 60%"),
    ("overlapping-stays", "longest: {value: 92天", "longest: {value: 3天"),
    ("split-bills", "care: {value: [outpatient,", "care: {value: [outpatient_special,"),
    ("split-bills", "share: 50%, within: 1天", "share: 89%, within: 1天"),
    ("split-bills", "within: 1天, bills: 2张", "within: 1天, bills: 3张"),
    ("split-bills", "limit: 300元, share: 20%", "limit: 301元, share: 20%"),
    ("split-bills", "share: 40%, within: 3天", "share: 41%, within: 3天"),
    ("split-bills", "within: 3天, bills: 4张", "within: 2天, bills: 4张"),
    ("split-bills", "limit: 500元, share: 80%", "limit: 500元, share: 78%"),
    ("split-bills", "limit: 1000元, share: 80%", "limit: 1000元, share: 89%"),
    ("split-bills", "limit: 2000元, share: 20%", "limit: 2000元, share: 22%"),
    (
        "split-bills",
        "total, limit: 500元, share: 50%",
        "total, limit: 500元, share: 51%",
    ),
    ("reversal-loop", "within: {value: 7天", "within: {value: 1天"),
    ("reversal-loop", "reversals: {value: 3次", "reversals: {value: 2次"),
    ("reversal-loop", "reversals: {value: 3次", "reversals: {value: 4次"),
    ("operator-burst", "within: {value: 10分钟", "within: {value: 7分钟"),
    ("operator-burst", "cards: {value: 6张", "cards: {value: 7张"),
    ("operator-burst", "cards: {value: 6张", "cards: {value: 5张"),
    ("ended-card", "reasons: {value: [MA-2102]", "reasons: {value: [MA-2101]"),
    ("ended-card", "attempts: {value: 1次", "attempts: {value: 2次"),
    ("ended-card", "within: {value: 31天", "within: {value: 1天"),
    ("limit-edge", "care: {value: [outpatient,", "care: {value: [emergency,"),
    ("limit-edge", "limit: 500元, edge: 5%", "limit: 500元, edge: 4.9%"),
    ("limit-edge", "limit: 500元, edge: 5%", "limit: 500元, edge: 5.2%"),
    ("limit-edge", "limit: 500元, edge: 5%", "limit: 500.01元, edge: 5%"),
    ("limit-edge", "limit: 300元, edge: 5%", "limit: 299元, edge: 5%"),
    ("limit-edge", "limit: 1000元, edge: 2%", "limit: 1000元, edge: 1%"),
    ("limit-edge", "within: 92天, times: 4次", "within: 60天, times: 4次"),
    ("limit-edge", "within: 92天, times: 4次", "within: 92天, times: 5次"),
    ("limit-edge", "within: 92天, times: 4次", "within: 92天, times: 3次"),
    ("facility-outlier", "claims: {value: 50笔", "claims: {value: 10笔"),
    ("facility-outlier", "peers: {value: 5家", "peers: {value: 6家"),
    ("facility-outlier", "deviations: {value: 3.5倍", "deviations: {value: 0.5倍"),
    ("operator-outlier", "points: {value: 25%", "points: {value: 5%"),
    ("operator-outlier", "hits: {value: 20笔", "hits: {value: 19笔"),
    ("household-lockstep", "members: {value: 2人", "members: {value: 3人"),
    ("household-lockstep", "minutes: {value: 10分钟", "minutes: {value: 3分钟"),
    ("household-lockstep", "minutes: {value: 10分钟", "minutes: {value: 64分钟"),
    ("household-lockstep", "days: {value: 4天", "days: {value: 5天"),
    ("household-lockstep", "days: {value: 4天", "days: {value: 3天"),
    ("household-lockstep", "within: {value: 45天", "within: {value: 8天"),
    ("impossible-travel", "minutes: {value: 30分钟", "minutes: {value: 31分钟"),
    ("impossible-travel", "minutes: {value: 30分钟", "minutes: {value: 24分钟"),
]


@pytest.mark.parametrize(("detector", "number", "broken"), BROKEN)
def test_case_fails_under_another_number(
    detector: str, number: str, broken: str
) -> None:
    """Each number is held by a case: change it, and one comes out differently."""
    before, _, own = document().decode().partition(f"\n  {detector}:\n")
    pattern = re.escape(number).replace(r"\*", "[0-9.]+%")
    own, count = re.subn(pattern, broken, own, count=1)
    assert count == 1
    changed = f"{before}\n  {detector}:\n{own}"
    results = run_cases(read_rules(changed.encode()))

    assert {result.detector for result in results if not result.passed} == {detector}


#: What the reader of summaries needs, and no detector decides by.
_OF_CALLERS = {"window", "repeat_within"}


def test_every_number_is_tried() -> None:
    """No number of the document is left out above."""
    tried = {
        (detector.replace("facility-", "operator-"), key)
        for detector, number, _ in BROKEN
        for key in re.findall(r"([a-z_]+): ?[{\[0-9*]", number)
    }
    for name, rule in yaml.safe_load(document())["detectors"].items():
        numbers = rule.keys() - {"action", "score", "cases"} - _OF_CALLERS
        for table in numbers & {"limits", "again"}:
            words = {key for row in rule[table] for key in row}
            words -= {"source", "care", "of", "hospital"}
            numbers = numbers - {table} | words
        for number in numbers:
            assert (name.replace("facility-", "operator-"), number) in tried

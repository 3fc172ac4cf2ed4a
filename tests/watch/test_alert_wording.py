"""What people read of a signal: both languages, and at the desk nothing of others."""

from __future__ import annotations

import re

import pytest

from settlement.domain.watch.detecting import (
    find_outliers,
    find_signals,
    signals_about,
)
from settlement.domain.watch.detectors import DETECTORS
from settlement.domain.watch.detectors.outliers import Outlier
from settlement.domain.watch.history import History
from settlement.domain.watch.rule_cases import RuleCase
from settlement.domain.watch.signal import Signal, Subject, SubjectKind
from settlement.domain.watch.wording import desk_text_of, text_of, title_of
from tests.watch.watched import rules, seen


def _signals(case: RuleCase, name: str) -> list[Signal]:
    detector = rules().detectors[name].detector
    if isinstance(detector, Outlier):
        return list(detector.outliers(case.peers))
    history = History.of(Subject(detector.kind), case.claims, rules().reading)
    return list(detector.find(history))


SIGNALS = [
    pytest.param(signal, case, id=f"{name}-{case.name}-{number}")
    for name, rule in rules().detectors.items()
    for case in rule.cases
    for number, signal in enumerate(_signals(case, name), start=1)
]
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize(("signal", "case"), SIGNALS)
def test_signal_speaks_both_languages(signal: Signal, case: RuleCase) -> None:
    """One Chinese and one English sentence, without tokens."""
    for text in (text_of(signal), desk_text_of(signal)):
        assert _CHINESE.search(text.zh)
        assert text.zh.endswith("。")
        assert text.en.endswith(".")
        assert not _CHINESE.search(text.en)
        for claim in case.claims:
            assert (claim.person or b"").decode() not in text.zh


@pytest.mark.parametrize(("signal", "case"), SIGNALS)
def test_desk_is_told_nothing_of_other_hospitals(
    signal: Signal, case: RuleCase
) -> None:
    """Where a signal spans hospitals, no number of it but a count of days is shown."""
    facts = dict(signal.facts)
    if facts.get("hospitals", facts.get("places", 1)) == 1 and not facts.get(
        "elsewhere"
    ):
        return
    own = {str(facts.get(key)) for key in ("days", "day", "prescribed")}
    shown = set(re.findall(r"[0-9][0-9,.-]*[0-9]|[0-9]", desk_text_of(signal).zh))

    assert shown <= own


@pytest.mark.parametrize("name", DETECTORS)
def test_detector_has_a_title(name: str) -> None:
    """Chinese for the queue's column, English beside it."""
    title = title_of(name)

    assert _CHINESE.search(title.zh)
    assert title.en
    assert DETECTORS[name].name == name


@pytest.mark.parametrize(
    ("name", "case"),
    [
        pytest.param(name, case, id=f"{name}-{case.name}")
        for name, rule in rules().detectors.items()
        for case in rule.cases
        if rule.detector.kind is SubjectKind.PERSON
    ],
)
def test_desk_finds_every_worked_case(name: str, case: RuleCase) -> None:
    """Whichever claim of a case comes last, the desk is told of its signals."""
    everything = find_signals(SubjectKind.PERSON, case.claims, rules())
    for claim in case.claims:
        history = [other for other in case.claims if other.id != claim.id]
        about = signals_about(claim, history, rules())

        assert about == [s for s in everything if claim.id in s.claims]
        told = {signal.detector for signal in about}
        assert name in told or not any(claim.id in ids for ids in case.expect)


@pytest.mark.parametrize("kind", [SubjectKind.HOUSEHOLD, SubjectKind.OPERATOR])
def test_signal_says_whom_it_is_about(kind: SubjectKind) -> None:
    """The household's token, or the hospital and its operator."""
    rule = next(r for r in rules().detectors.values() if r.detector.kind is kind)
    (signal,) = find_signals(kind, rule.cases[0].claims, rules())
    claim = rule.cases[0].claims[0]
    expected = {
        SubjectKind.HOUSEHOLD: Subject(kind, token=claim.household),
        SubjectKind.OPERATOR: Subject(
            kind, facility=claim.facility, operator=claim.operator
        ),
    }

    assert signal.subject == expected[kind]
    assert find_signals(SubjectKind.FACILITY, [claim], rules()) == []


def test_long_pattern_lists_its_ends() -> None:
    """An alert of thousands of claims would help nobody; its facts say how many."""
    claims = [
        seen(f"c{number:03d}", total_fen=10_000 + number, diagnoses=(f"D{number}",))
        for number in range(300)
    ]
    (signal,) = [
        found
        for found in find_signals(SubjectKind.PERSON, claims, rules())
        if found.detector == "too-frequent"
    ]

    assert len(signal.claims) == 200
    assert signal.claims[0] == b"c000"
    assert signal.claims[-1] == signal.latest == b"c299"
    assert dict(signal.facts)["visits"] == 300
    assert signal.score == 100


def test_outliers_of_both_kinds_are_told_apart() -> None:
    """Hospitals are compared with hospitals, operators with operators."""
    (hospital,) = rules().detectors["facility-outlier"].cases[:1]
    (operator,) = rules().detectors["operator-outlier"].cases[:1]
    found = find_outliers([*operator.peers, *hospital.peers], rules())

    assert [(s.detector, s.subject.kind, s.claims) for s in found] == [
        ("facility-outlier", SubjectKind.FACILITY, (b"a",)),
        ("operator-outlier", SubjectKind.OPERATOR, (b"a",)),
    ]
    assert find_outliers([], rules()) == []

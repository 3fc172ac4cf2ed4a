"""Worked cases of alert rules: what the detectors make of them, and what they must."""

from __future__ import annotations

from dataclasses import dataclass

from settlement.domain.watch.detectors.outliers import Outlier
from settlement.domain.watch.history import History
from settlement.domain.watch.rule_cases import RuleCase
from settlement.domain.watch.rules import AlertRules, DetectorRule
from settlement.domain.watch.signal import Signal, Subject


@dataclass(frozen=True, slots=True)
class RuleCaseResult:
    """How one case came out."""

    detector: str
    name: str
    line: int
    expected: tuple[tuple[str, ...], ...]
    """The ids of each signal, sorted."""
    found: tuple[tuple[str, ...], ...]

    @property
    def passed(self) -> bool:
        """Whether exactly the expected signals were found."""
        return self.expected == self.found


def run_cases(rules: AlertRules) -> list[RuleCaseResult]:
    """Run all worked cases of a document, those of detectors that are off, too."""
    return [
        RuleCaseResult(
            rule.name,
            case.name,
            case.line,
            _sorted(case.expect),
            _sorted([frozenset(signal.claims) for signal in _found(rules, rule, case)]),
        )
        for rule in rules.detectors.values()
        for case in rule.cases
    ]


def _found(rules: AlertRules, rule: DetectorRule, case: RuleCase) -> list[Signal]:
    detector = rule.detector
    if isinstance(detector, Outlier):
        return list(detector.outliers(case.peers))
    history = History.of(Subject(detector.kind), case.claims, rules.reading)
    return list(detector.find(history))


def _sorted(
    groups: tuple[frozenset[bytes], ...] | list[frozenset[bytes]],
) -> tuple[tuple[str, ...], ...]:
    return tuple(sorted(tuple(sorted(map(bytes.decode, ids))) for ids in groups))

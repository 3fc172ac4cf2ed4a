"""Alert rules: a dated YAML document that says what detectors look for.

`read_rules` reads bytes and gives `AlertRules`, or a `RulesError` that holds every
fault with its line, field and remedy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum

from settlement.domain.decision import Text
from settlement.domain.policy.faults import FaultList, PolicyError, PolicyFault
from settlement.domain.policy.section import IDENTIFIER, Section
from settlement.domain.policy.tree import read_tree
from settlement.domain.watch.detector import Detector
from settlement.domain.watch.detectors import DETECTORS
from settlement.domain.watch.detectors.outliers import Outlier
from settlement.domain.watch.history import ClockTime, Reading
from settlement.domain.watch.numbers import (
    WRONG_SCORE,
    Numbers,
    NumberSource,
    SourceTable,
    parse_score,
)
from settlement.domain.watch.rule_cases import RuleCase, read_cases
from settlement.domain.watch.signal import SubjectKind

SCHEMA = "medaid-alert-rules/1"

#: Shanghai is eight hours before UTC, all year.
_SHANGHAI_HOURS = 8


class Action(StrEnum):
    """What a detector's signal does to a claim at the desk."""

    DENY = "deny"
    HOLD = "hold"
    """The cashier must confirm with a reason."""
    ALERT = "alert"
    OFF = "off"


class RulesError(PolicyError):
    """Alert rules cannot be used; carries all faults that were found, `MA-74xx`."""


@dataclass(frozen=True, slots=True)
class DetectorRule:
    """One detector as a document sets it."""

    name: str
    action: Action
    detector: Detector
    """With its numbers."""
    cases: tuple[RuleCase, ...]


@dataclass(frozen=True, slots=True)
class AlertRules:
    """One document of alert rules. Never changes: a correction is a new version."""

    id: str
    version: str
    in_force_from: date
    known_since: date
    """The day since which it is public."""
    sha256: str
    """Lower-case hex of the document's exact bytes."""
    title: Text
    is_fictional: bool
    sources: Mapping[str, NumberSource]
    reading: Reading
    detectors: Mapping[str, DetectorRule]
    """All detectors by name, those that are off, too."""
    _active: Mapping[SubjectKind, tuple[Detector, ...]] = field(init=False)
    """Those that are not off, by what they are about: picked once, for speed."""

    def __post_init__(self) -> None:
        """Pick the detectors that are not off."""
        chosen = {kind: tuple(self._chosen(kind)) for kind in SubjectKind}
        object.__setattr__(self, "_active", chosen)

    @property
    def at_desk(self) -> tuple[Detector, ...]:
        """Those about persons that are not off."""
        return self._active[SubjectKind.PERSON]

    def active(self, kind: SubjectKind) -> tuple[Detector, ...]:
        """The detectors about such subjects that are not off."""
        return self._active[kind]

    def _chosen(self, kind: SubjectKind) -> Iterator[Detector]:
        for rule in self.detectors.values():
            if rule.detector.kind is kind and rule.action is not Action.OFF:
                yield rule.detector


def read_rules(text: bytes) -> AlertRules:
    """The rules that a document states. Raises `RulesError` with every fault.

    The worked cases are read, not run: `settlement.domain.watch.worked_cases`.
    """
    try:
        return _read(text)
    except PolicyError as error:
        raise RulesError(tuple(map(_renumbered, error.faults))) from None


def in_force(
    known: Sequence[tuple[AlertRules, datetime]], day: date, known_at: datetime
) -> AlertRules | None:
    """Of the rules in force on a day, the latest known at the instant.

    Each comes with the instant since which it was known and approved. Of those known
    at one instant the one that begins later; `None` without any.
    """
    best: tuple[datetime, date, str] | None = None
    chosen = None
    for rules, since in known:
        if rules.in_force_from <= day and since <= known_at:
            rank = (since, rules.in_force_from, rules.version)
            if best is None or rank > best:
                best, chosen = rank, rules
    return chosen


def _renumbered(fault: PolicyFault) -> PolicyFault:
    """The tree's and sections' codes are those of packs; rules have their own."""
    return replace(fault, code=fault.code.replace("MA-70", "MA-74"))


def _read(text: bytes) -> AlertRules:
    faults = FaultList()
    root = Section(read_tree(text), "", faults)
    if root.text("schema") not in {SCHEMA, ""}:
        root.fault(
            "MA-7014", "schema",
            zh=f"本程序读取的格式是 {SCHEMA}。", en=f"This program reads {SCHEMA}.",
        )  # fmt: skip
    found = _read_sources(root)
    sources = SourceTable(found)
    rules = AlertRules(
        id=root.text("id", IDENTIFIER),
        version=root.text("version"),
        in_force_from=root.day("in_force_from"),
        known_since=root.day("known_since"),
        sha256=hashlib.sha256(text).hexdigest(),
        title=root.both("title"),
        is_fictional=root.choice("fictional", {"是": True, "否": False}, default=True),
        sources=found,
        reading=_read_reading(Numbers(root, sources)),
        detectors=_read_detectors(root.section("detectors"), sources),
    )
    for key in sources.uncited():
        root.fault_below(
            "MA-7019", "sources", key,
            zh="没有任何数字引用此出处，请引用或删除。",
            en="No number rests on this source. Cite it or remove it.",
        )  # fmt: skip
    root.close()
    faults.raise_if_any()
    return rules


_KINDS = {"published": "published", "measured": "measured", "choice": "choice"}


def _read_sources(root: Section) -> Mapping[str, NumberSource]:
    found = {}
    for key, section in root.sections("sources"):
        kind = section.choice("kind", _KINDS, "choice")
        found[key] = NumberSource(kind, section.title())
    return found


def _read_reading(numbers: Numbers) -> Reading:
    return Reading(
        counted_declines=frozenset(numbers.words("counted_declines", None)),
        unknown_times=frozenset(map(_in_utc, numbers.clock_times("unknown_times"))),
    )


def _in_utc(shanghai: ClockTime) -> ClockTime:
    hour, minute = shanghai
    return ((hour - _SHANGHAI_HOURS) % 24, minute)


_ACTIONS = {action.value: action for action in Action}


def _read_detectors(group: Section, sources: SourceTable) -> Mapping[str, DetectorRule]:
    rules = {}
    for name, detector in DETECTORS.items():
        section = group.section(name)
        rules[name] = DetectorRule(
            name,
            section.choice("action", _ACTIONS, Action.ALERT),
            detector.read(
                section.parsed("score", parse_score, 0, WRONG_SCORE),
                Numbers(section, sources),
            ),
            read_cases(section, detector.kind, peers=issubclass(detector, Outlier)),
        )
        section.close()
    group.close()
    return rules

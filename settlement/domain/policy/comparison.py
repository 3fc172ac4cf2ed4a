"""Two packs beside each other: what is stated otherwise, and which cases come out so.

Pure; the dates on which the packs are in force are compared, but not applied: the
cases of one are run under the rules of the other as though it had been in force.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from settlement.domain.policy.amounts import years_known
from settlement.domain.policy.cases import outcomes_under
from settlement.domain.policy.document import Source, WorkedCase
from settlement.domain.policy.facts import Fact, facts_of
from settlement.domain.policy.pack import CompiledPack


class Kind(StrEnum):
    """What became of a statement."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    RESOURCED = "resourced"
    """The same words, from another place in the decrees."""


@dataclass(frozen=True, slots=True)
class Change:
    """One statement in which two packs differ."""

    kind: Kind
    path: str
    title: str
    old: str
    """Empty where it is added."""
    new: str
    """Empty where it is removed."""
    old_source: str
    new_source: str


@dataclass(frozen=True, slots=True)
class CaseChange:
    """A worked case of the old pack that comes out otherwise under the new one."""

    name: str
    line: int
    """In the old pack's document."""
    outcomes: tuple[tuple[str, str, str], ...]
    """Name of the outcome, old and new."""


#: What a person looks at in a case; `in_force` is a matter of dates.
_LOOKED_AT = ("decision", "reason", "category", "base", "aid", "tilt", "patient_pays")
_NOT_COMPUTABLE = "不能计算"


def changes(old: CompiledPack, new: CompiledPack) -> list[Change]:
    """Every statement that is not the same in both, in the new pack's order.

    What was removed comes after. Packs that state the same give an empty list, even
    where their bytes differ.
    """
    before = {fact.path: fact for fact in facts_of(old.document)}
    after = {fact.path: fact for fact in facts_of(new.document)}
    found = [_change(before.get(path), fact) for path, fact in after.items()]
    found += [
        Change(Kind.REMOVED, path, fact.title, fact.words, "", _place(fact), "")
        for path, fact in before.items()
        if path not in after
    ]
    return [change for change in found if change is not None]


def _change(old: Fact | None, new: Fact) -> Change | None:
    if old is None:
        return Change(Kind.ADDED, new.path, new.title, "", new.words, "", _place(new))
    if old.words != new.words:
        kind = Kind.CHANGED
    elif _place(old) != _place(new):
        kind = Kind.RESOURCED
    else:
        return None
    return Change(
        kind, new.path, new.title, old.words, new.words, _place(old), _place(new)
    )


def _place(fact: Fact) -> str:
    """Document and article; that it is unconfirmed belongs to it."""
    source: Source | None = fact.source
    return "" if source is None else source.label


def case_changes(old: CompiledPack, new: CompiledPack) -> Iterator[CaseChange]:
    """The old pack's worked cases that come out otherwise under the new rules."""
    for case in old.document.cases:
        before, after = _outcomes(old, case), _outcomes(new, case)
        differing = tuple(
            (name, before.get(name, ""), after.get(name, _NOT_COMPUTABLE))
            for name in _LOOKED_AT
            if name in before and before[name] != after.get(name)
        )
        if differing:
            yield CaseChange(case.name, case.line, differing)


def _outcomes(pack: CompiledPack, case: WorkedCase) -> dict[str, str]:
    """Nothing where a figure of the case's year is not in the document."""
    known = years_known(pack.document)
    year = pack.year_of(pack.policy_day(case.bill))
    if known is not None and year not in known:
        return {}
    return outcomes_under(pack, case)

"""Worked cases: what a pack makes of them, compared with what it says it must."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from settlement.domain.decision import AccumulatorKey, Adjudication
from settlement.domain.money import yuan_text
from settlement.domain.policy.document import WorkedCase

if TYPE_CHECKING:
    from settlement.domain.policy.pack import CompiledPack


@dataclass(frozen=True, slots=True)
class Difference:
    """One outcome that is not what the case says."""

    outcome: str
    expected: str
    actual: str


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How one worked case came out; passed when there is no difference."""

    name: str
    line: int
    differences: tuple[Difference, ...]

    @property
    def passed(self) -> bool:
        """Whether every expected outcome came out, to the fen."""
        return not self.differences


def run_cases(pack: CompiledPack) -> list[CaseResult]:
    """Run all worked cases of a pack, in its order."""
    return [_run(pack, case) for case in pack.document.cases]


def _run(pack: CompiledPack, case: WorkedCase) -> CaseResult:
    actual = _actual(pack, case)
    return CaseResult(
        case.name,
        case.line,
        tuple(
            Difference(outcome, expected, actual.get(outcome, ""))
            for outcome, expected in case.expect.items()
            if actual.get(outcome, "") != expected
        ),
    )


def _actual(pack: CompiledPack, case: WorkedCase) -> dict[str, str]:
    if not pack.covers(pack.policy_day(case.bill)):
        return {"in_force": "否"}
    return outcomes_under(pack, case) | {"in_force": "是"}


def outcomes_under(pack: CompiledPack, case: WorkedCase) -> dict[str, str]:
    """What comes out of a case under any pack, as though it were in force.

    Raises `KeyError` where the pack lacks a published figure for the case's year.
    """
    if case.on_application:
        pack = pack.applications
    year = pack.year_of(pack.policy_day(case.bill))
    used_fen = {
        AccumulatorKey(year, pot): amount for pot, amount in case.used_fen.items()
    }
    result = pack.adjudicate(
        case.bill,
        case.categories,
        used_fen,
        case.facility_level,
        settled_on=case.settled_on,
    )
    return _outcomes(result, case.used_fen)


def _outcomes(result: Adjudication, used_fen: Mapping[str, int]) -> dict[str, str]:
    amounts = {
        "base": result.base_fen,
        "aid": result.aid_fen,
        "tilt": sum(part.amount_fen for part in result.aid if part.kind == "tilt"),
        "patient_pays": result.patient_pays_fen,
        "cash": result.cash_fen,
        "account_return": result.account_return_fen,
    }
    after = dict(used_fen)
    for posting in result.postings:
        pot = posting.key.pot
        after[pot] = after.get(pot, 0) + posting.amount_fen
    amounts.update({f"used_after.{pot}": fen for pot, fen in after.items()})
    outcomes = {name: f"{yuan_text(fen)}元" for name, fen in amounts.items()}
    outcomes["decision"] = "批准" if result.approved else "不予救助"
    outcomes["reason"] = result.reason
    outcomes["category"] = result.category or ""
    return outcomes


def cells_without_case(pack: CompiledPack) -> list[tuple[str, str]]:
    """Category and kind of care of each cell that no worked case touches."""
    touched = {
        (category, case.bill.care_type)
        for case in pack.document.cases
        for category in case.categories
    }
    return [cell for cell in pack.document.benefits if cell not in touched]

"""From the steps of a computation to the result that is stored and answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from settlement.domain.adjudicate import Steps, Terms, Used, reason_of, work_out
from settlement.domain.bill import Bill
from settlement.domain.decision import (
    AccumulatorKey,
    Adjudication,
    AidPart,
    ExplanationLine,
    Posting,
    PotQuota,
)
from settlement.domain.policy.compiled import Rule, YearKeys
from settlement.domain.policy.document import DEDUCTIBLE_POT, TILT_POT
from settlement.domain.policy.narration import benefit_lines, best_line, patient_line


class Visit(NamedTuple):
    """One bill with the running totals that it meets."""

    bill: Bill
    owed_fen: int
    keys: YearKeys
    used_fen: Mapping[AccumulatorKey, int]


class Benefit(NamedTuple):
    """What one category would give on a bill."""

    rule: Rule
    terms: Terms
    used: Used
    steps: Steps


class Nothing(NamedTuple):
    """Why a bill gets no aid."""

    reason: str
    lines: Sequence[ExplanationLine]
    base_fen: int = 0
    approved: bool = True


def best_benefit(
    rules: Sequence[Rule], visit: Visit, base_fen: int, *, referred: bool
) -> Benefit | None:
    """The benefit with the most aid, of equal ones the first listed; never two.

    `None` where no category gets anything for this kind of care.
    """
    best: Benefit | None = None
    for rule in rules:
        terms = rule.terms
        if terms is None:
            continue
        used = _used(visit, rule.pot, terms)
        steps = work_out(terms, base_fen, used, referred=referred)
        if best is None or steps.aid > best.steps.aid:
            best = Benefit(rule, terms, used, steps)
    return best


def _used(visit: Visit, pot: str, terms: Terms) -> Used:
    keys, used_fen = visit.keys, visit.used_fen
    return Used(
        used_fen.get(keys[pot], 0),
        used_fen.get(keys[DEDUCTIBLE_POT], 0) if terms.deductible_yearly else 0,
        used_fen.get(keys[TILT_POT], 0) if terms.tilt is not None else 0,
    )


def approved(
    visit: Visit,
    benefit: Benefit,
    lines: list[ExplanationLine],
    *,
    several: bool,
    source: str,
) -> Adjudication:
    """The result of a bill that a category covers, with aid or, for a reason, none."""
    rule, _, used, steps = benefit
    bill, owed_fen = visit.bill, visit.owed_fen
    aid_fen = steps.aid
    patient_pays_fen = owed_fen - aid_fen
    account_fen = bill.personal_account_fen
    lines.extend(benefit_lines(rule.phrases, steps, used))
    if several:
        lines.append(best_line(rule.phrases.best, steps.base, aid_fen))
    lines.append(patient_line(source, owed_fen, aid_fen, patient_pays_fen))
    return Adjudication(
        approved=True,
        reason=reason_of(steps),
        category=rule.category,
        aid_fen=aid_fen,
        aid=_aid_parts(steps),
        base_fen=steps.base,
        patient_pays_fen=patient_pays_fen,
        cash_fen=max(0, patient_pays_fen - account_fen),
        account_return_fen=max(0, account_fen - patient_pays_fen),
        postings=_postings(benefit, visit.keys),
        explanation=tuple(lines),
        quota=quota_of(rule, visit.keys, visit.used_fen, steps),
    )


def without_aid(
    visit: Visit, nothing: Nothing, rule: Rule | None, source: str
) -> Adjudication:
    """The result of a bill that gets nothing and touches no accumulator."""
    bill, owed_fen = visit.bill, visit.owed_fen
    account_fen = bill.personal_account_fen
    return Adjudication(
        approved=nothing.approved,
        reason=nothing.reason,
        category=None if rule is None else rule.category,
        aid_fen=0,
        aid=(),
        base_fen=nothing.base_fen,
        patient_pays_fen=owed_fen,
        cash_fen=owed_fen - account_fen,
        account_return_fen=0,
        postings=(),
        explanation=(*nothing.lines, patient_line(source, owed_fen, 0, owed_fen)),
        quota=() if rule is None else quota_of(rule, visit.keys, visit.used_fen, None),
    )


def _postings(benefit: Benefit, keys: YearKeys) -> tuple[Posting, ...]:
    """What the bill adds to the person's accumulators; only amounts above 0."""
    rule, terms, _, steps = benefit
    postings = []
    if terms.deductible_yearly and steps.deducted:
        postings.append(
            Posting(keys[DEDUCTIBLE_POT], steps.deducted, terms.deductible_fen)
        )
    if steps.basic:
        postings.append(Posting(keys[rule.pot], steps.basic, terms.year_cap_fen))
    if terms.tilt is not None and steps.tilt:
        postings.append(Posting(keys[TILT_POT], steps.tilt, terms.tilt.year_cap_fen))
    return tuple(postings)


def _aid_parts(steps: Steps) -> tuple[AidPart, ...]:
    """The aid by kind; only amounts above 0."""
    if not steps.tilt:
        return (AidPart("basic", steps.basic),) if steps.basic else ()
    tilt = AidPart("tilt", steps.tilt)
    return (AidPart("basic", steps.basic), tilt) if steps.basic else (tilt,)


def quota_of(
    rule: Rule,
    keys: YearKeys,
    used_fen: Mapping[AccumulatorKey, int],
    steps: Steps | None,
) -> tuple[PotQuota, ...]:
    """The category's pots, with what this bill draws on them already counted."""
    drawn = (0, 0, 0) if steps is None else (0, steps.basic, steps.tilt)
    year = keys.year
    return tuple(
        [
            PotQuota(
                row.pot,
                year,
                row.cap_fen,
                used_fen.get(keys[row.pot], 0) + drawn[row.draws],
            )
            for row in rule.quota
        ]
    )

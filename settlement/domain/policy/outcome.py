"""From the steps of a computation to the result that is stored and answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from settlement.domain.adjudicate import (
    Steps,
    Terms,
    TiltTerms,
    Used,
    reason_of,
    work_out,
)
from settlement.domain.bill import Bill
from settlement.domain.decision import (
    AccumulatorKey,
    Adjudication,
    AidPart,
    CodedLine,
    Posting,
)
from settlement.domain.policy.compiled import Rule, YearKeys
from settlement.domain.policy.document import (
    BANDED_POT,
    BURDEN_POT,
    DEDUCTIBLE_POT,
    TILT_POT,
)
from settlement.domain.policy.narration import BillPhrases, add_benefit_lines


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
    lines: Sequence[CodedLine]
    base_fen: int = 0
    approved: bool = True


def best_benefit(rules: Sequence[Rule], visit: Visit, base_fen: int) -> Benefit | None:
    """The benefit with the most aid, of equal ones the first listed; never two.

    `None` where no category gets anything for this kind of care.
    """
    best: Benefit | None = None
    for rule in rules:
        terms = rule.terms
        if terms is None:
            continue
        used = _used(visit, rule)
        steps = work_out(terms, base_fen, used)
        if best is None or steps.aid > best.steps.aid:
            best = Benefit(rule, terms, used, steps)
    return best


def _used(visit: Visit, rule: Rule) -> Used:
    """The totals that the rule may look at; the year's others only where it does."""
    keys, used_fen = visit.keys, visit.used_fen
    pots_fen = tuple([used_fen.get(keys[pot], 0) for pot in rule.drawn])
    if not rule.looks_at_year:
        return Used(pots_fen)
    return Used(
        pots_fen,
        used_fen.get(keys[DEDUCTIBLE_POT], 0),
        used_fen.get(keys[TILT_POT], 0),
        used_fen.get(keys[BANDED_POT], 0),
        used_fen.get(keys[BURDEN_POT], 0),
    )


def approved(
    visit: Visit,
    benefit: Benefit,
    lines: list[CodedLine],
    phrases: BillPhrases,
    *,
    several: bool,
) -> Adjudication:
    """The result of a bill that a category covers, with aid or, for a reason, none."""
    rule, terms, used, steps = benefit
    bill, owed_fen = visit.bill, visit.owed_fen
    aid_fen = steps.aid
    patient_pays_fen = owed_fen - aid_fen
    account_fen = bill.personal_account_fen
    add_benefit_lines(lines, rule.phrases, terms, steps, used)
    if several:
        lines.append(("best_identity", rule.phrases.best, steps.base, aid_fen, 0))
    lines.append(("patient_pays", phrases.patient, owed_fen, patient_pays_fen, aid_fen))
    to_pay_fen = patient_pays_fen - account_fen
    cash_fen, back_fen = (to_pay_fen, 0) if to_pay_fen >= 0 else (0, -to_pay_fen)
    return Adjudication(
        True,  # noqa: FBT003  # by position, which is twice as fast
        reason_of(steps),
        rule.category,
        aid_fen,
        _aid_parts(steps),
        steps.base,
        patient_pays_fen,
        cash_fen,
        back_fen,
        _postings(benefit, visit.keys),
        tuple(lines),
        pots_of(rule, visit.keys, visit.used_fen, steps),
    )


def without_aid(
    visit: Visit, nothing: Nothing, rule: Rule | None, phrases: BillPhrases
) -> Adjudication:
    """The result of a bill that gets nothing and touches no accumulator."""
    bill, owed_fen = visit.bill, visit.owed_fen
    account_fen = bill.personal_account_fen
    line = ("patient_pays", phrases.patient, owed_fen, owed_fen, 0)
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
        coded=(*nothing.lines, line),
        pots=() if rule is None else pots_of(rule, visit.keys, visit.used_fen, None),
    )


def _postings(benefit: Benefit, keys: YearKeys) -> tuple[Posting, ...]:
    """What the bill adds to the person's accumulators; only amounts above 0."""
    rule, terms, _, steps = benefit
    postings = []
    if terms.deductible_yearly and steps.deducted:
        postings.append(
            Posting(keys[DEDUCTIBLE_POT], steps.deducted, terms.deductible_fen)
        )
    if terms.schedule.yearly and steps.after_deductible:
        postings.append(Posting(keys[BANDED_POT], steps.after_deductible, None))
    if steps.basic:
        for number, pot in enumerate(rule.drawn):
            cap_fen = terms.year_caps_fen[number]
            postings.append(Posting(keys[pot], steps.basic, cap_fen))
    if terms.tilt is not None:
        postings.extend(_tilt_postings(terms.tilt, steps, keys))
    return tuple(postings)


def _tilt_postings(tilt: TiltTerms, steps: Steps, keys: YearKeys) -> Iterator[Posting]:
    burden_fen = steps.base - steps.basic
    if tilt.yearly and burden_fen:
        yield Posting(keys[BURDEN_POT], burden_fen, None)
    if steps.tilt:
        yield Posting(keys[TILT_POT], steps.tilt, tilt.year_cap_fen)


def _aid_parts(steps: Steps) -> tuple[AidPart, ...]:
    """The aid by kind; only amounts above 0."""
    if not steps.tilt:
        return (AidPart("basic", steps.basic),) if steps.basic else ()
    tilt = AidPart("tilt", steps.tilt)
    return (AidPart("basic", steps.basic), tilt) if steps.basic else (tilt,)


def pots_of(
    rule: Rule,
    keys: YearKeys,
    used_fen: Mapping[AccumulatorKey, int],
    steps: Steps | None,
) -> tuple[tuple[str, int, int | None, int], ...]:
    """The category's pots, with what this bill draws on them already counted."""
    drawn = (0, 0, 0) if steps is None else (0, steps.basic, steps.tilt)
    year = keys.year
    return tuple(
        [
            (pot, year, cap_fen, used_fen.get(keys[pot], 0) + drawn[draws])
            for pot, cap_fen, draws in rule.quota
        ]
    )

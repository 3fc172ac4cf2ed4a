"""Every edge that a pack's numbers make, and how near each worked case comes to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import NamedTuple

from settlement.domain.adjudicate import (
    Schedule,
    Steps,
    Terms,
    TiltTerms,
    Used,
    aidable_base,
    costs_in_scope,
    paid_before,
    within,
    work_out,
)
from settlement.domain.bill import CareType
from settlement.domain.policy import CompiledPack
from settlement.domain.policy.amounts import years_known
from settlement.domain.policy.compiled import Rule
from settlement.domain.policy.document import (
    BANDED_POT,
    BURDEN_POT,
    DEDUCTIBLE_POT,
    TILT_POT,
    PackDocument,
    WorkedCase,
)
from settlement.domain.policy.formula import bill_terms
from settlement.domain.policy.tables import compile_rules

#: One fen below, at, and one fen above; the day before, and the day itself.
SIDES = (-1, 0, 1)
DAY_SIDES = (-1, 0)

ANY_YEAR = 2025


class Edge(NamedTuple):
    """A number at which the rule changes. Equal numbers of one kind are one edge."""

    kind: str
    value: int
    """Fen, or a day's ordinal."""
    pot: str = ""


class Touch(NamedTuple):
    """A case that comes within one of an edge."""

    edge: Edge
    side: int


def edges_of(pack: CompiledPack) -> set[Touch]:
    """Every edge of the document, from each side."""
    document = pack.document
    days = {Edge("in force", document.in_force_from.toordinal())}
    if document.in_force_to is not None:
        days.add(Edge("in force", document.in_force_to.toordinal() + 1))
    days.update(Edge("figures", day.toordinal()) for day in _days_of_figures(document))
    found = {Touch(edge, side) for edge in days for side in DAY_SIDES}
    limit = document.filing_limit_days.value
    if limit is not None:
        found |= {Touch(Edge("filing limit", limit), side) for side in (0, 1)}
    years = years_known(document) or {ANY_YEAR}
    for year in years:
        for on_application in (False, True):
            for rule, _, _ in _rules(document, year, on_application=on_application):
                for edge in _edges_of_rule(rule):
                    found |= {Touch(edge, side) for side in SIDES}
    return found


def _days_of_figures(document: PackDocument) -> Iterator[date]:
    """First days of years from which, or until which, all figures are known."""
    years = years_known(document) or frozenset[int]()
    for year in years:
        begins = date(year, document.year.month, document.year.day)
        ends = date(year + 1, document.year.month, document.year.day)
        if year - 1 not in years:
            yield begins
        if year + 1 not in years:
            yield ends


def _rules(
    document: PackDocument, year: int, *, on_application: bool
) -> Iterator[tuple[Rule, CareType, int]]:
    standings = compile_rules(document, year, on_application=on_application)
    for standing, by_care in enumerate(standings):
        for care_type, by_category in zip(CareType, by_care, strict=True):
            for rule in by_category.values():
                yield rule, care_type, standing


def _edges_of_rule(rule: Rule) -> Iterator[Edge]:
    terms = rule.terms
    if terms is None:
        return
    if terms.deductible_fen:
        yield _deductible(terms)
    yield from _bands("band", terms.schedule)
    if terms.visit_cap_fen is not None:
        yield Edge("visit cap", terms.visit_cap_fen)
    for pot, cap_fen in zip(rule.drawn, terms.year_caps_fen, strict=True):
        if cap_fen is not None:
            yield Edge("year cap", cap_fen, pot)
    if terms.tilt is not None:
        yield from _edges_of_tilt(terms.tilt)


def _edges_of_tilt(tilt: TiltTerms) -> Iterator[Edge]:
    yield Edge("tilt threshold", tilt.threshold_fen)
    yield from _bands("tilt band", tilt.schedule)
    if tilt.year_cap_fen is not None:
        yield Edge("tilt cap", tilt.year_cap_fen)


def _bands(kind: str, schedule: Schedule) -> Iterator[Edge]:
    for bracket in schedule.brackets:
        if bracket.up_to_fen is not None:
            yield Edge(kind, bracket.up_to_fen)


def _deductible(terms: Terms) -> Edge:
    kind = "yearly deductible" if terms.deductible_yearly else "visit deductible"
    return Edge(kind, terms.deductible_fen)


def touched_by(pack: CompiledPack, case: WorkedCase) -> Iterator[Touch]:
    """The edges that a case lies at, or one fen or one day beside."""
    document = pack.document
    view = pack.applications if case.on_application else pack
    day = view.policy_day(case.bill)
    marks = {document.in_force_from: "in force"}
    if document.in_force_to is not None:
        marks[document.in_force_to + timedelta(days=1)] = "in force"
    marks |= dict.fromkeys(_days_of_figures(document), "figures")
    for mark, kind in marks.items():
        yield Touch(Edge(kind, mark.toordinal()), (day - mark).days)
    limit = document.filing_limit_days.value
    if limit is not None:
        late = (case.settled_on - case.bill.service_end).days
        yield Touch(Edge("filing limit", limit), late - limit)
    if not view.covers(day):
        return
    referred = case.bill.referred
    standing = 2 * (case.facility_level or 0) + referred
    year = view.year_of(day)
    for rule, care_type, number in _rules(
        document, year, on_application=case.on_application
    ):
        mine = rule.category in case.categories and care_type == case.bill.care_type
        if mine and number == standing:
            yield from _touched_in_rule(document, rule, case)


def _touched_in_rule(
    document: PackDocument, rule: Rule, case: WorkedCase
) -> Iterator[Touch]:
    terms, bill, before = rule.terms, case.bill, case.used_fen
    if terms is None:
        return
    base = bill_terms(document, document.base.of(rule.category)).base
    base_fen = aidable_base(
        costs_in_scope(base, bill),
        paid_before(base, bill, bill.funds_fen),
        bill.owed_fen,
    )
    used = _used(terms, rule, before)
    steps = work_out(terms, base_fen, used)
    for edge, amount in _amounts(terms, rule, steps, used):
        yield Touch(edge, amount - edge.value)


def _used(terms: Terms, rule: Rule, before: Mapping[str, int]) -> Used:
    tilt = terms.tilt
    return Used(
        tuple(before.get(pot, 0) for pot in rule.drawn),
        before.get(DEDUCTIBLE_POT, 0) if terms.deductible_yearly else 0,
        before.get(TILT_POT, 0),
        before.get(BANDED_POT, 0) if terms.schedule.yearly else 0,
        before.get(BURDEN_POT, 0) if tilt is not None and tilt.yearly else 0,
    )


def _amounts(
    terms: Terms, rule: Rule, steps: Steps, used: Used
) -> Iterator[tuple[Edge, int]]:
    """What each edge of the rule is compared with."""
    left = steps.after_visit_cap
    drawn: dict[str, int] = {}
    for number, pot in enumerate(rule.drawn):
        drawn[pot] = left + used.pots_fen[number]
        left = within(left, terms.year_caps_fen[number], used.pots_fen[number])
    remaining = steps.base - steps.basic + used.burden_fen
    compared = {
        "yearly deductible": steps.base + used.deductible_fen,
        "visit deductible": steps.base,
        "band": steps.after_deductible + used.banded_fen,
        "visit cap": steps.rated,
        "tilt threshold": remaining,
        "tilt band": remaining - (terms.tilt.threshold_fen if terms.tilt else 0),
        "tilt cap": steps.tilt_rated + used.tilt_fen,
    }
    for edge in _edges_of_rule(rule):
        amount = drawn[edge.pot] if edge.kind == "year cap" else compared[edge.kind]
        yield edge, amount

"""A compiled pack: the document turned into look-ups made once, then pure arithmetic.

`CompiledPack` satisfies `settlement.service.ports.Pack`. It keeps no state between
bills but the tables of each year, which depend on nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from functools import cached_property

from settlement.domain.adjudicate import (
    aidable_base,
    costs_in_scope,
    paid_before,
)
from settlement.domain.bill import Bill, CareType
from settlement.domain.calendar import SHANGHAI
from settlement.domain.decision import (
    AccumulatorKey,
    Adjudication,
    CodedLine,
    PolicyRef,
    PotQuota,
)
from settlement.domain.eligibility import RosterPerson, Window, windows_during
from settlement.domain.errors import require
from settlement.domain.policy.amounts import years_known
from settlement.domain.policy.cases import run_cases
from settlement.domain.policy.compiled import Rule, YearKeys
from settlement.domain.policy.document import (
    RESERVED_POTS,
    PackDocument,
    Referral,
)
from settlement.domain.policy.faults import FaultList
from settlement.domain.policy.formula import BillTerms, bill_terms, by_formula
from settlement.domain.policy.outcome import (
    Nothing,
    Visit,
    approved,
    best_benefit,
    pots_of,
    without_aid,
)
from settlement.domain.policy.reading import read_document
from settlement.domain.policy.spelling import normal_spelling, spellings
from settlement.domain.policy.tables import (
    CareTerms,
    YearTables,
    accumulators_read,
    compile_rules,
    ranks,
)

_OUTPATIENT = list(CareType).index(CareType.OUTPATIENT)
#: How near a category without aid is to giving any.
_COVERING = {"MA-2004": 0, "MA-2005": 1}
_COVERS = 2


class CompiledPack:
    """One policy document, ready to adjudicate bills. Immutable, deterministic."""

    def __init__(self, document: PackDocument, *, on_application: bool = False) -> None:
        """Lay the tables out. The document must have come from `read_document`.

        `on_application`: of its categories those that give on application, not those
        that give when a bill is settled.
        """
        self.document = document
        self._on_application = on_application
        self.ref = PolicyRef(document.id, document.version, document.sha256)
        self.known_since = datetime.combine(document.known_since, time(), SHANGHAI)
        """The first instant at which the document could be known."""
        self.spellings = {
            normal_spelling(spelling): category.id
            for category in document.categories
            for spelling in spellings(category)
        }
        self._titles = {
            category.id: (category.title.zh, category.title.en)
            for category in document.categories
        }
        self._common = bill_terms(document, document.base)
        self._cares = self._common.cares
        self._own = {
            category.id: bill_terms(document, document.base.of(category.id))
            for category in document.categories
            if category.id in document.base.by_category
            and (category.on_application is not None) == on_application
        }
        self._places = {
            place: referral.value for place, referral in document.places.items()
        }
        self._filing_limit_days = document.filing_limit_days.value
        self._pots = frozenset({*document.pots, *RESERVED_POTS})
        self._ranks = ranks(document)
        self._listed = {
            category.id: place for place, category in enumerate(document.categories)
        }
        self._by_calendar = (document.year.month, document.year.day) == (1, 1)
        self._years_known = years_known(document)
        self._years: dict[int, YearTables] = {}

    @cached_property
    def applications(self) -> CompiledPack:
        """The same document as whoever decides applications applies it.

        The desk's categories give nothing there. Never used to settle a bill.
        """
        return CompiledPack(self.document, on_application=True)

    def covers(self, day: date) -> bool:
        """Whether the pack is in force on the day, both ends included.

        It is not where an amount is a share of a figure that the document does not
        have for the year: then the bureau must decide, not the program.
        """
        last = self.document.in_force_to
        if day < self.document.in_force_from or (last is not None and day > last):
            return False
        return self._years_known is None or self.year_of(day) in self._years_known

    def year_of(self, day: date) -> int:
        """The year of caps and deductibles that a day belongs to."""
        return day.year if self._by_calendar else self.document.year.of(day)

    def identity_windows(self, person: RosterPerson, bill: Bill) -> tuple[Window, ...]:
        """The roster windows whose identities count for the bill's visit."""
        rule = self.document.identity_rule
        return windows_during(
            person,
            bill.service_start,
            bill.service_end,
            gained=rule.gained,
            lost=rule.lost,
        )

    def policy_day(self, bill: Bill) -> date:
        """The day of the bill that picks pack version and cap year."""
        by_end = self._cares[bill.care_type].by_end
        return bill.service_end if by_end else bill.service_start

    def fields_needed(self, bill: Bill) -> tuple[str, ...]:
        """Fields that the rules rest on and that the bill leaves out."""
        every = (self._common, *self._own.values())
        needed = not all(terms.base.deductible_in for terms in every)
        if needed and bill.deductible_fen is None:
            return ("deductible_fen",)
        return ()

    def accumulator_keys(
        self, bill: Bill, categories: Sequence[str]
    ) -> tuple[AccumulatorKey, ...]:
        """Every accumulator that adjudicating the bill reads or posts to, sorted."""
        care = self._cares[bill.care_type]
        day = bill.service_end if care.by_end else bill.service_start
        read = self._tables(self.year_of(day)).read[care.number]
        if len(categories) == 1:
            return read.get(categories[0], ())
        keys = {key for category in categories for key in read.get(category, ())}
        return tuple(sorted(keys, key=lambda key: key.pot))

    def best_category(self, categories: Sequence[str]) -> str | None:
        """The category with the highest benefits as such, apart from any bill.

        `None` where the pack knows none of them.
        """
        known = [category for category in categories if category in self._ranks]
        return min(known, key=self._ranks.__getitem__, default=None)

    def quota(
        self,
        categories: Sequence[str],
        day: date,
        used_fen: Mapping[AccumulatorKey, int],
    ) -> tuple[PotQuota, ...]:
        """Pots of the best category in the year of the day."""
        best = self.best_category(categories)
        if best is None:
            return ()
        tables = self._tables(self.year_of(day))
        rule = tables.rules[0][_OUTPATIENT][best]
        pots = pots_of(rule, tables.keys, used_fen, None)
        return tuple([PotQuota._make(pot) for pot in pots])

    def quota_keys(
        self, categories: Sequence[str], day: date
    ) -> tuple[AccumulatorKey, ...]:
        """The accumulators that `quota` reads."""
        best = self.best_category(categories)
        if best is None:
            return ()
        tables = self._tables(self.year_of(day))
        rule = tables.rules[0][_OUTPATIENT][best]
        return tuple([tables.keys[row.pot] for row in rule.quota])

    def category_text(self, category: str) -> tuple[str, str]:
        """The category's name in Chinese and English; the id itself if unknown."""
        return self._titles.get(category, (category, category))

    def adjudicate(
        self,
        bill: Bill,
        categories: Sequence[str],
        used_fen: Mapping[AccumulatorKey, int],
        facility_level: int | None,
        *,
        settled_on: date | None = None,
    ) -> Adjudication:
        """What the bill gets; keys absent from `used_fen` count as 0.

        The bill must be free of `bill_faults`, and the pack cover its day.
        `settled_on`, the Shanghai day of the instant of settling, is needed where
        the pack has a filing limit.
        """
        if not self._own:
            return self._decide(
                self._common, bill, categories, used_fen, facility_level, settled_on
            )
        count = len(categories)
        known = [category for category in categories if category in self._listed]
        ordered = sorted(known, key=self._listed.__getitem__)
        offers = [
            (
                self._decide(
                    terms, bill, group, used_fen, facility_level, settled_on, count
                ),
                group,
            )
            for terms, group in by_formula(self._own, self._common, ordered)
        ]
        best, _ = max(offers, key=self._preference)
        return best

    def _preference(
        self, offer: tuple[Adjudication, Sequence[str]]
    ) -> tuple[int, bool, int, int]:
        """The most aid; of equal ones an approval, one that covers the care, the first.

        A category that covers the care may have used up a deductible, which counts
        in the year although it gives nothing yet. Where none covers it, the first of
        each group speaks for it: the category that a result without aid names is the
        best one apart from any bill, which is no reason to prefer its group.
        """
        result, group = offer
        covering = _COVERING.get(result.reason, _COVERS) if result.base_fen else 0
        speaks = result.category if covering == _COVERS else next(iter(group), None)
        place = self._listed.get(speaks or "", len(self._listed))
        return result.aid_fen, result.approved, covering, -place

    def _decide(
        self,
        terms: BillTerms,
        bill: Bill,
        categories: Sequence[str],
        used_fen: Mapping[AccumulatorKey, int],
        facility_level: int | None,
        settled_on: date | None,
        identities: int = 0,
    ) -> Adjudication:
        """What the bill gets for categories of one base formula."""
        funds_fen, care = bill.funds_fen, terms.cares[bill.care_type]
        referred = self._is_referred(bill)
        day = bill.service_end if care.by_end else bill.service_start
        tables = self._tables(self.year_of(day))
        rules = tables.rules[2 * (facility_level or 0) + referred][care.number]
        visit = Visit(bill, bill.total_fen - funds_fen, tables.keys, used_fen)
        refusal = self._refusal(bill, terms, care, settled_on, referred=referred)
        if refusal is not None:
            return self._without_aid(visit, refusal, rules, care, categories)
        scope_fen = costs_in_scope(terms.base, bill)
        paid_fen = paid_before(terms.base, bill, funds_fen)
        base_fen = aidable_base(scope_fen, paid_fen, visit.owed_fen)
        phrases = care.phrases
        lines: list[CodedLine] = [("base", phrases.base, scope_fen, base_fen, paid_fen)]
        if base_fen == 0:
            nothing = Nothing("MA-2001", lines)
            return self._without_aid(visit, nothing, rules, care, categories)
        mine = _rules_of(rules, categories)
        best = best_benefit(mine, visit, base_fen)
        if best is None:
            nothing = _uncovered(mine, lines, base_fen)
            return self._without_aid(visit, nothing, rules, care, categories)
        several = len(mine) > 1 or identities > 1
        return approved(visit, best, lines, phrases, several=several)

    def _without_aid(
        self,
        visit: Visit,
        nothing: Nothing,
        rules: Mapping[str, Rule],
        care: CareTerms,
        categories: Sequence[str],
    ) -> Adjudication:
        best = self.best_category(categories)
        rule = None if best is None else rules[best]
        return without_aid(visit, nothing, rule, care.phrases)

    def _refusal(
        self,
        bill: Bill,
        terms: BillTerms,
        care: CareTerms,
        settled_on: date | None,
        *,
        referred: bool,
    ) -> Nothing | None:
        """Why the bill is declined, whoever brings it; `None` where it is not."""
        phrases = care.phrases
        if bill.medical_aid_fen > 0 and not terms.top_up:
            paid = ("already_paid", phrases.already_paid, bill.medical_aid_fen, 0, 0)
            return Nothing("MA-2201", (paid,), approved=False)
        days = self._filing_limit_days
        if days is not None:
            require(settled_on is not None, "a filing limit needs the day of settling")
            if settled_on is not None and (settled_on - bill.service_end).days > days:
                late = ("filing_limit", phrases.filing_limit, bill.total_fen, 0, 0)
                return Nothing("MA-2207", (late,), approved=False)
        if care.referral_required and not referred:
            unreferred = ("referral", phrases.referral, bill.total_fen, 0, 0)
            return Nothing("MA-2206", (unreferred,), approved=False)
        return None

    def _is_referred(self, bill: Bill) -> bool:
        rule = self._places[bill.place]
        if rule is Referral.AS_BILLED:
            return bill.referred
        return rule is Referral.REFERRED

    def _tables(self, year: int) -> YearTables:
        """The tables of a year; the same for all years where no figure is needed."""
        tables = self._years.get(year)
        if tables is None:
            keys = YearKeys(year, self._pots)
            if self._years_known is None and self._years:
                rules = next(iter(self._years.values())).rules
            else:
                rules = compile_rules(
                    self.document, year, on_application=self._on_application
                )
            read = accumulators_read(keys, rules)
            tables = self._years[year] = YearTables(keys, rules, read)
        return tables


def _uncovered(
    rules: Sequence[Rule], lines: Sequence[CodedLine], base_fen: int
) -> Nothing:
    """Why no category gives anything: one that gives on application is named first."""
    if not rules:
        return Nothing("MA-2004", lines, base_fen)
    rule = next((rule for rule in rules if rule.nothing != "MA-2004"), rules[0])
    line = ("not_covered", rule.phrases.rate, base_fen, 0, 0)
    return Nothing(rule.nothing, (*lines, line), base_fen)


def _rules_of(rules: Mapping[str, Rule], categories: Sequence[str]) -> list[Rule]:
    """The categories that the pack knows, in its own order."""
    if len(categories) == 1:
        rule = rules.get(categories[0])
        return [] if rule is None else [rule]
    return [rule for category, rule in rules.items() if category in categories]


def compile_pack(document: bytes) -> CompiledPack:
    """Read, check and compile a pack, and run its worked cases.

    Raises `PolicyError` with all faults; a worked case that comes out differently is
    a fault too (MA-7017), so that no such pack can be used.
    """
    pack = CompiledPack(read_document(document))
    faults = FaultList()
    for result in run_cases(pack):
        for difference in result.differences:
            faults.add(
                "MA-7017", result.line, f"cases: {result.name}",
                zh=f"算例不符：{difference.outcome} 应为 {difference.expected}，"
                f"实际为 {difference.actual}。请核对规则或算例。",
                en=f"The worked case fails: {difference.outcome} should be "
                f"{difference.expected} but is {difference.actual}. "
                "Correct the rules or the case.",
            )  # fmt: skip
    faults.raise_if_any()
    return pack


def canonical_category(pack: CompiledPack, spelling: str) -> str | None:
    """The id of the category that a roster spells so; `None` for an unknown one.

    Ids, titles, aliases and national codes count; width, case and spaces do not.
    """
    return pack.spellings.get(normal_spelling(spelling))

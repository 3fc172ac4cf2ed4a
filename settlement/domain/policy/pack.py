"""A compiled pack: the document turned into look-ups made once, then pure arithmetic.

`CompiledPack` satisfies `settlement.service.ports.Pack`. It keeps no state between
bills but accumulator keys by year, which depend on nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time

from settlement.domain.adjudicate import (
    BaseTerms,
    aidable_base,
    costs_in_scope,
    paid_before,
)
from settlement.domain.bill import Bill, CareType
from settlement.domain.calendar import SHANGHAI
from settlement.domain.decision import (
    AccumulatorKey,
    Adjudication,
    PolicyRef,
    PotQuota,
)
from settlement.domain.errors import require
from settlement.domain.policy.cases import run_cases
from settlement.domain.policy.compiled import Rule, YearKeys, compile_rule
from settlement.domain.policy.document import (
    DEDUCTIBLE_POT,
    TILT_POT,
    PackDocument,
    Referral,
)
from settlement.domain.policy.faults import FaultList
from settlement.domain.policy.narration import (
    already_paid_line,
    base_line,
    bill_phrases,
    filing_limit_line,
    referral_line,
    uncovered_line,
)
from settlement.domain.policy.outcome import (
    Nothing,
    Visit,
    approved,
    best_benefit,
    quota_of,
    without_aid,
)
from settlement.domain.policy.reading import read_document
from settlement.domain.policy.spelling import normal_spelling, spellings


class CompiledPack:
    """One policy document, ready to adjudicate bills. Immutable, deterministic."""

    def __init__(self, document: PackDocument) -> None:
        """Lay the tables out. The document must have come from `read_document`."""
        self.document = document
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
        self._rules = {
            care_type: {
                category.id: compile_rule(document, category, care_type)
                for category in document.categories
            }
            for care_type in CareType
        }
        self._phrases = {
            care_type: bill_phrases(document, care)
            for care_type, care in document.cares.items()
        }
        self._by_end = {
            care_type: care.day.value == "service_end"
            for care_type, care in document.cares.items()
        }
        self._referral_required = {
            care_type: care.referral_required.value
            for care_type, care in document.cares.items()
        }
        self._places = {
            place: referral.value for place, referral in document.places.items()
        }
        base = document.base
        self._base = BaseTerms(
            pre_selfpay_in=base.pre_selfpay_in.value,
            commercial_off=base.commercial_off.value,
            charity_off=base.charity_off.value,
        )
        self._top_up = base.top_up.value
        self._filing_limit_days = document.filing_limit_days.value
        self._pots = frozenset({*document.pots, DEDUCTIBLE_POT, TILT_POT})
        self._ranks = _ranks(document)
        self._year_keys: dict[int, YearKeys] = {}

    def covers(self, day: date) -> bool:
        """Whether the pack is in force on the day, both ends included."""
        last = self.document.in_force_to
        return self.document.in_force_from <= day and (last is None or day <= last)

    def policy_day(self, bill: Bill) -> date:
        """The day of the bill that picks pack version and cap year."""
        return bill.service_end if self._by_end[bill.care_type] else bill.service_start

    def accumulator_keys(
        self, bill: Bill, categories: Sequence[str]
    ) -> tuple[AccumulatorKey, ...]:
        """Every accumulator that adjudicating the bill reads or posts to, sorted."""
        keys = self._keys_of(self.policy_day(bill).year)
        rules = self._rules[bill.care_type]
        if len(categories) == 1:
            rule = rules.get(categories[0])
            return () if rule is None else tuple([keys[pot] for pot in rule.pots])
        pots = {
            pot
            for category in categories
            if category in rules
            for pot in rules[category].pots
        }
        return tuple([keys[pot] for pot in sorted(pots)])

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
        rule = self._rules[CareType.OUTPATIENT][best]
        return quota_of(rule, self._keys_of(day.year), used_fen, None)

    def quota_keys(
        self, categories: Sequence[str], day: date
    ) -> tuple[AccumulatorKey, ...]:
        """The accumulators that `quota` reads."""
        best = self.best_category(categories)
        if best is None:
            return ()
        keys = self._keys_of(day.year)
        return tuple(
            keys[row.pot] for row in self._rules[CareType.OUTPATIENT][best].quota
        )

    def category_text(self, category: str) -> tuple[str, str]:
        """The category's name in Chinese and English; the id itself if unknown."""
        return self._titles.get(category, (category, category))

    def adjudicate(
        self,
        bill: Bill,
        categories: Sequence[str],
        used_fen: Mapping[AccumulatorKey, int],
        facility_level: int | None,  # noqa: ARG002
        *,
        settled_on: date | None = None,
    ) -> Adjudication:
        """What the bill gets; keys absent from `used_fen` count as 0.

        The bill must be free of `bill_faults`. `settled_on`, the Shanghai day of the
        instant of settling, is needed where the pack has a filing limit. Rates do
        not depend on the facility's level in this version of the format.
        """
        funds_fen = bill.funds_fen
        keys = self._keys_of(self.policy_day(bill).year)
        visit = Visit(bill, bill.total_fen - funds_fen, keys, used_fen)
        referred = self._is_referred(bill)
        refusal = self._refusal(bill, settled_on, referred=referred)
        if refusal is not None:
            return self._without_aid(visit, refusal, categories)
        scope_fen = costs_in_scope(self._base, bill)
        paid_fen = paid_before(self._base, bill, funds_fen)
        base_fen = aidable_base(scope_fen, paid_fen, visit.owed_fen)
        phrases = self._phrases[bill.care_type]
        lines = [base_line(phrases.base, scope_fen, paid_fen, base_fen)]
        if base_fen == 0:
            return self._without_aid(visit, Nothing("MA-2001", lines), categories)
        rules = self._rules_of(bill.care_type, categories)
        best = best_benefit(rules, visit, base_fen, referred=referred)
        if best is None:
            lines.extend(uncovered_line(rule.phrases, base_fen) for rule in rules[:1])
            nothing = Nothing("MA-2004", lines, base_fen)
            return self._without_aid(visit, nothing, categories)
        return approved(
            visit, best, lines, several=len(rules) > 1, source=phrases.base.source
        )

    def _without_aid(
        self, visit: Visit, nothing: Nothing, categories: Sequence[str]
    ) -> Adjudication:
        best = self.best_category(categories)
        care_type = visit.bill.care_type
        rule = None if best is None else self._rules[care_type][best]
        source = self._phrases[care_type].base.source
        return without_aid(visit, nothing, rule, source)

    def _refusal(
        self, bill: Bill, settled_on: date | None, *, referred: bool
    ) -> Nothing | None:
        """Why the bill is declined, whoever brings it; `None` where it is not."""
        phrases = self._phrases[bill.care_type]
        if bill.medical_aid_fen > 0 and not self._top_up:
            line = already_paid_line(phrases, bill.medical_aid_fen)
            return Nothing("MA-2201", (line,), approved=False)
        days = self._filing_limit_days
        if days is not None:
            require(settled_on is not None, "a filing limit needs the day of settling")
            if settled_on is not None and (settled_on - bill.service_end).days > days:
                line = filing_limit_line(phrases, days, bill.total_fen)
                return Nothing("MA-2207", (line,), approved=False)
        if self._referral_required[bill.care_type] and not referred:
            line = referral_line(phrases, bill.total_fen)
            return Nothing("MA-2206", (line,), approved=False)
        return None

    def _is_referred(self, bill: Bill) -> bool:
        rule = self._places[bill.place]
        if rule is Referral.AS_BILLED:
            return bill.referred
        return rule is Referral.REFERRED

    def _rules_of(self, care_type: CareType, categories: Sequence[str]) -> list[Rule]:
        """The categories that the pack knows, in its own order."""
        rules = self._rules[care_type]
        if len(categories) == 1:
            rule = rules.get(categories[0])
            return [] if rule is None else [rule]
        return [rule for category, rule in rules.items() if category in categories]

    def _keys_of(self, year: int) -> YearKeys:
        keys = self._year_keys.get(year)
        if keys is None:
            keys = self._year_keys[year] = YearKeys(year, self._pots)
        return keys


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


def _ranks(document: PackDocument) -> dict[str, tuple[int, int]]:
    """Order of the categories by benefits as such: sum of rates, then as listed."""
    ranks = {}
    for place, category in enumerate(document.categories):
        rates = [
            document.benefits[category.id, care_type].rate_ppm.value or 0
            for care_type in CareType
        ]
        ranks[category.id] = (-sum(rates), place)
    return ranks

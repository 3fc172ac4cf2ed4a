"""The tables of a pack: one look-up by kind of care, standing and category each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from settlement.domain.bill import CareType
from settlement.domain.decision import AccumulatorKey
from settlement.domain.policy.amounts import Figures
from settlement.domain.policy.compiled import (
    Rule,
    Standing,
    YearKeys,
    compile_rule,
    elsewhere,
)
from settlement.domain.policy.document import LEVELS, BaseFormula, PackDocument
from settlement.domain.policy.narration import BillPhrases, bill_phrases


class CareTerms(NamedTuple):
    """What holds for one kind of care, whoever the patient is."""

    number: int
    """Place of the kind of care in tables."""
    by_end: bool
    """Whether the visit's last day picks year and version, not its first."""
    referral_required: bool
    phrases: BillPhrases


#: By kind of care, then by category.
Rules = list[dict[str, Rule]]


class YearTables(NamedTuple):
    """What one year's bills are decided by."""

    keys: YearKeys
    rules: list[Rules]
    """By twice the facility's level, and one more for referred."""
    read: list[dict[str, tuple[AccumulatorKey, ...]]]
    """What a category may read or post to, in whatever standing; sorted by pot."""


def care_terms(document: PackDocument, base: BaseFormula) -> dict[CareType, CareTerms]:
    """All of a kind of care under one key: the hash of an enum's member is dear."""
    return {
        care_type: CareTerms(
            number,
            document.cares[care_type].day.value == "service_end",
            document.cares[care_type].referral_required.value,
            bill_phrases(document, base, document.cares[care_type]),
        )
        for number, care_type in enumerate(CareType)
    }


def compile_rules(
    document: PackDocument, year: int, *, on_application: bool
) -> list[Rules]:
    """The rules of one year, in the order of `YearTables.rules`.

    Of the categories, those that give at the desk, or those that give on application.
    """
    figures = Figures(document.indicators, year)
    standings = [
        Standing(level, referred) for level in LEVELS for referred in (False, True)
    ]
    return [
        [
            {
                category.id: compile_rule(
                    document, category, care_type, standing, figures
                )
                if (category.on_application is not None) == on_application
                else elsewhere(document, category, care_type, figures)
                for category in document.categories
            }
            for care_type in CareType
        ]
        for standing in standings
    ]


def accumulators_read(
    keys: YearKeys, standings: Sequence[Rules]
) -> list[dict[str, tuple[AccumulatorKey, ...]]]:
    """The accumulators of each category and kind of care, over all standings."""
    read = []
    for number, by_category in enumerate(standings[0]):
        pots = {
            category: {
                pot for rules in standings for pot in rules[number][category].pots
            }
            for category in by_category
        }
        read.append(
            {
                category: tuple(keys[pot] for pot in sorted(names))
                for category, names in pots.items()
            }
        )
    return read


def ranks(document: PackDocument) -> dict[str, tuple[int, int]]:
    """Order of the categories by benefits as such: sum of rates, then as listed.

    Those that give on application come last: a desk shows no quota of theirs.
    """
    found = {}
    for place, category in enumerate(document.categories):
        rates = [
            max(band.rates[0, True] for band in rate.bands)
            for care_type in CareType
            if (rate := document.benefits[category.id, care_type].rate.value)
        ]
        at_desk = category.on_application is None
        found[category.id] = (-sum(rates) if at_desk else 1, place)
    return found

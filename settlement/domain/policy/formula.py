"""The formulas of a pack's base: the common one, and those of single categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from settlement.domain.adjudicate import BaseTerms
from settlement.domain.bill import CareType
from settlement.domain.policy.document import BaseFormula, PackDocument
from settlement.domain.policy.tables import CareTerms, care_terms


class BillTerms(NamedTuple):
    """What holds by one formula of the base."""

    base: BaseTerms
    top_up: bool
    """Whether a bill on which aid was paid before may get more."""
    cares: Mapping[CareType, CareTerms]


def bill_terms(document: PackDocument, base: BaseFormula) -> BillTerms:
    """Lay one formula out, with the sentences that speak of it."""
    terms = BaseTerms(
        pre_selfpay_in=base.pre_selfpay_in.value,
        commercial_off=base.commercial_off.value,
        charity_off=base.charity_off.value,
        deductible_in=base.deductible_in is None or base.deductible_in.value,
    )
    return BillTerms(terms, base.top_up.value, care_terms(document, base))


def by_formula(
    own: Mapping[str, BillTerms], common: BillTerms, categories: Sequence[str]
) -> list[tuple[BillTerms, list[str]]]:
    """The categories, together where one formula holds; without any, the common one."""
    groups: list[tuple[BillTerms, list[str]]] = []
    for category in categories:
        terms = own.get(category, common)
        same = next((group for formula, group in groups if formula is terms), None)
        if same is None:
            groups.append((terms, [category]))
        else:
            same.append(category)
    return groups or [(common, [])]

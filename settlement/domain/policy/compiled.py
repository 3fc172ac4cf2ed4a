"""A document's tables, laid out for one look-up per bill."""

from __future__ import annotations

from dataclasses import dataclass

from settlement.domain.adjudicate import Terms, TiltTerms
from settlement.domain.bill import CareType
from settlement.domain.decision import AccumulatorKey
from settlement.domain.policy.document import (
    DEDUCTIBLE_POT,
    TILT_POT,
    Benefit,
    Category,
    PackDocument,
    Tilt,
)
from settlement.domain.policy.narration import Phrases, benefit_phrases

_FROM_BASIC = 1
_FROM_TILT = 2


@dataclass(frozen=True, slots=True)
class QuotaRow:
    """One pot of a category, and which part of the aid draws on it."""

    pot: str
    cap_fen: int | None
    draws: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One category for one kind of care."""

    category: str
    terms: Terms | None
    """`None`: nothing for this kind of care."""
    phrases: Phrases
    pot: str
    pots: tuple[str, ...]
    """Every accumulator that is read or posted to, sorted."""
    quota: tuple[QuotaRow, ...]


class YearKeys(dict[str, AccumulatorKey]):
    """The accumulator keys of one year by pot; made once."""

    def __init__(self, year: int, pots: frozenset[str]) -> None:
        super().__init__({pot: AccumulatorKey(year, pot) for pot in pots})
        self.year = year


def compile_rule(pack: PackDocument, category: Category, care_type: CareType) -> Rule:
    """Lay out what one category gets for one kind of care."""
    care = pack.cares[care_type]
    benefit = pack.benefits[category.id, care_type]
    quota = _quota_rows(pack, category.id, care.pot.value)
    terms = _terms(benefit, pack.year_caps[category.id, care.pot.value].value.cap_fen)
    pots = {row.pot for row in quota}
    if terms is not None and terms.deductible_yearly:
        pots.add(DEDUCTIBLE_POT)
    return Rule(
        category=category.id,
        terms=terms,
        phrases=benefit_phrases(pack, category, care, benefit),
        pot=care.pot.value,
        pots=tuple(sorted(pots)),
        quota=quota,
    )


def _terms(benefit: Benefit, year_cap_fen: int | None) -> Terms | None:
    rate_ppm = benefit.rate_ppm.value
    if rate_ppm is None:
        return None
    deductible, tilt = benefit.deductible.value, benefit.tilt.value
    return Terms(
        rate_ppm=rate_ppm,
        deductible_fen=0 if deductible is None else deductible.amount_fen,
        deductible_yearly=deductible is not None and deductible.yearly,
        visit_cap_fen=benefit.visit_cap.value.cap_fen,
        year_cap_fen=year_cap_fen,
        tilt=None if tilt is None else _tilt_terms(tilt),
    )


def _tilt_terms(tilt: Tilt) -> TiltTerms:
    return TiltTerms(
        threshold_fen=tilt.threshold_fen,
        rate_ppm=tilt.rate_ppm,
        year_cap_fen=tilt.year_cap_fen,
        needs_referral=tilt.needs_referral,
    )


def _quota_rows(pack: PackDocument, category: str, pot: str) -> tuple[QuotaRow, ...]:
    """The pots from which the category may get anything, the tilt's last."""
    rows = [
        QuotaRow(name, cap.value.cap_fen, _FROM_BASIC if name == pot else 0)
        for name in pack.pots
        if (cap := pack.year_caps[category, name]).value.covered
    ]
    tilts = [
        tilt
        for care_type in CareType
        if (tilt := pack.benefits[category, care_type].tilt.value) is not None
    ]
    rows.extend(QuotaRow(TILT_POT, tilt.year_cap_fen, _FROM_TILT) for tilt in tilts[:1])
    return tuple(rows)

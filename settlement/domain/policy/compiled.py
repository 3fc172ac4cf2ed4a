"""A document's tables, laid out for one look-up per bill."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from settlement.domain.adjudicate import Bracket, Schedule, Terms, TiltTerms
from settlement.domain.bill import CareType
from settlement.domain.decision import AccumulatorKey
from settlement.domain.policy.amounts import Figures
from settlement.domain.policy.document import (
    BANDED_POT,
    BURDEN_POT,
    DEDUCTIBLE_POT,
    TILT_POT,
    Benefit,
    Category,
    PackDocument,
    Rate,
    Tilt,
)
from settlement.domain.policy.narration import (
    Phrases,
    application_phrase,
    benefit_phrases,
)

_FROM_BASIC = 1
_FROM_TILT = 2


@dataclass(frozen=True, slots=True)
class Standing:
    """What a rate may depend on beside category and care."""

    level: int
    """Of the facility, 1 to 3; 0: not graded, or not known."""
    referred: bool

    @property
    def key(self) -> tuple[int, bool]:
        """As documents hold rates by it."""
        return self.level, self.referred


class QuotaRow(NamedTuple):
    """One pot of a category, and which part of the aid draws on it."""

    pot: str
    cap_fen: int | None
    draws: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One category for one kind of care, in one year and standing."""

    category: str
    terms: Terms | None
    """`None`: nothing for this kind of care."""
    phrases: Phrases
    drawn: tuple[str, ...]
    """The pots that the aid draws on, innermost first."""
    pots: tuple[str, ...]
    """Every accumulator that is read or posted to, sorted."""
    quota: tuple[QuotaRow, ...]
    nothing: str = "MA-2004"
    """The reason of a bill for which it gives nothing."""
    looks_at_year: bool = False
    """Whether a running total beside the pots decides, such as the deductible's."""


class YearKeys(dict[str, AccumulatorKey]):
    """The accumulator keys of one year by pot; made once."""

    def __init__(self, year: int, pots: frozenset[str]) -> None:
        super().__init__({pot: AccumulatorKey(year, pot) for pot in pots})
        self.year = year


def chain(pack: PackDocument, pot: str) -> tuple[str, ...]:
    """A pot and those that it lies within, innermost first; ends at a cycle."""
    pots: list[str] = []
    name: str | None = pot
    while name is not None and name not in pots:
        pots.append(name)
        name = pack.pots[name].within if name in pack.pots else None
    return tuple(pots)


def compile_rule(
    pack: PackDocument,
    category: Category,
    care_type: CareType,
    standing: Standing,
    figures: Figures,
) -> Rule:
    """Lay out what one category gets for one kind of care."""
    care = pack.cares[care_type]
    benefit = pack.benefits[category.id, care_type]
    drawn = chain(pack, care.pot_of(category.id).value)
    quota = tuple(_quota_rows(pack, category.id, drawn, figures))
    caps = [pack.year_caps[category.id, pot].value.amount for pot in drawn]
    terms = _terms(pack, benefit, standing, figures)
    if terms is not None:
        year_caps_fen = tuple(figures.limit(cap) for cap in caps)
        terms = replace(terms, year_caps_fen=year_caps_fen)
    reserved = set(_reserved(terms))
    return Rule(
        category=category.id,
        terms=terms,
        phrases=benefit_phrases(
            pack, category, care, benefit, standing.key, figures, drawn
        ),
        drawn=drawn,
        pots=tuple(sorted({row.pot for row in quota} | reserved)),
        quota=quota,
        looks_at_year=bool(reserved),
    )


def elsewhere(
    pack: PackDocument, category: Category, care_type: CareType, figures: Figures
) -> Rule:
    """A category that gets nothing here: at the desk, or on application.

    It reads and posts to no accumulator, and no quota of it is shown.
    """
    phrases = benefit_phrases(
        pack,
        category,
        pack.cares[care_type],
        pack.benefits[category.id, care_type],
        (0, False),
        figures,
        (),
    )
    application = category.on_application
    if application is None:
        return Rule(category.id, None, phrases, (), (), ())
    phrases = replace(phrases, rate=application_phrase(category, application))
    return Rule(category.id, None, phrases, (), (), (), nothing="MA-2005")


def _terms(
    pack: PackDocument, benefit: Benefit, standing: Standing, figures: Figures
) -> Terms | None:
    """All but the yearly caps; `None` where nothing is given in this standing."""
    rate = benefit.rate.value
    if rate is None or not any(band.rates[standing.key] for band in rate.bands):
        return None
    deductible, tilt = benefit.deductible.value, benefit.tilt.value
    applies = tilt is not None and (standing.referred or not tilt.needs_referral)
    return Terms(
        schedule=_schedule(rate, standing),
        deductible_fen=0 if deductible is None else figures.fen(deductible.amount),
        deductible_yearly=deductible is not None and deductible.yearly,
        visit_cap_fen=figures.limit(benefit.visit_cap.value.amount),
        year_caps_fen=(),
        tilt=_tilt_terms(tilt, standing, figures) if tilt and applies else None,
        rounding=pack.rounding.value,
    )


def _schedule(rate: Rate, standing: Standing) -> Schedule:
    brackets = tuple(
        Bracket(band.to_fen, band.rates[standing.key]) for band in rate.bands
    )
    return Schedule.of(brackets, yearly=rate.yearly)


def _tilt_terms(tilt: Tilt, standing: Standing, figures: Figures) -> TiltTerms:
    return TiltTerms(
        threshold_fen=figures.fen(tilt.threshold),
        schedule=_schedule(tilt.rate, standing),
        yearly=tilt.yearly,
        year_cap_fen=figures.limit(tilt.year_cap),
    )


def _reserved(terms: Terms | None) -> Iterator[str]:
    """The reserved accumulators that the terms read or post to."""
    if terms is None:
        return
    if terms.deductible_yearly:
        yield DEDUCTIBLE_POT
    if terms.schedule.yearly:
        yield BANDED_POT
    if terms.tilt is not None:
        yield TILT_POT
        if terms.tilt.yearly:
            yield BURDEN_POT


def _quota_rows(
    pack: PackDocument, category: str, drawn: tuple[str, ...], figures: Figures
) -> Iterator[QuotaRow]:
    """The pots from which the category may get anything, the tilt's last."""
    for name in pack.pots:
        cap = pack.year_caps[category, name].value
        if cap.covered:
            draws = _FROM_BASIC if name in drawn else 0
            yield QuotaRow(name, figures.limit(cap.amount), draws)
    for care_type in CareType:
        tilt = pack.benefits[category, care_type].tilt.value
        if tilt is not None:
            yield QuotaRow(TILT_POT, figures.limit(tilt.year_cap), _FROM_TILT)
            return

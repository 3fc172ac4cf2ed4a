"""The deduction itself: one bill, one category, integers only, each step sourced.

Every function is pure. Amounts are fen, rates parts per million; fractions of a fen
are rounded as the pack says, once for the basic aid and once for the tilt. What
comes out satisfies 0 <= basic + tilt <= base <= owed, whatever was used before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from settlement.domain.bill import Bill
from settlement.domain.money import HALF_UP, WHOLE_PPM


class Bracket(NamedTuple):
    """One band of a schedule: what lies below a limit and above the band before."""

    up_to_fen: int | None
    """Upper limit, inclusive; `None`: all that is left."""
    rate_ppm: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """A rate, or rates bracket by bracket (超额累进)."""

    brackets: tuple[Bracket, ...]
    """Ascending, the last without a limit; a flat rate is one bracket."""
    yearly: bool
    """Whether the brackets count what the year has brought before."""
    flat_ppm: int | None
    """The one rate, where there is one: the short way."""

    @classmethod
    def of(cls, brackets: tuple[Bracket, ...], *, yearly: bool) -> Schedule:
        """A schedule of at least one bracket."""
        flat_ppm = brackets[0].rate_ppm if len(brackets) == 1 else None
        return cls(brackets, yearly and flat_ppm is None, flat_ppm)


@dataclass(frozen=True, slots=True)
class TiltTerms:
    """Further aid on what the basic aid leaves of the base."""

    threshold_fen: int
    schedule: Schedule
    """Its brackets count from the threshold."""
    yearly: bool
    """Whether the threshold is one of the year's burden, not of each bill's."""
    year_cap_fen: int | None


@dataclass(frozen=True, slots=True)
class Terms:
    """What one category gets for one kind of care, year, facility and referral."""

    schedule: Schedule
    deductible_fen: int
    """0: none."""
    deductible_yearly: bool
    visit_cap_fen: int | None
    year_caps_fen: tuple[int | None, ...]
    """Of the pot and of those that it lies within, innermost first."""
    tilt: TiltTerms | None
    rounding: int = HALF_UP


class Used(NamedTuple):
    """What the person has used in the year before this bill, in fen."""

    pots_fen: tuple[int, ...]
    """In the order of `Terms.year_caps_fen`."""
    deductible_fen: int = 0
    tilt_fen: int = 0
    banded_fen: int = 0
    """What has gone through the brackets of a yearly schedule."""
    burden_fen: int = 0
    """What basic aid has left of the bases of the year."""


class Steps(NamedTuple):
    """Each intermediate amount, in fen, in the order in which it comes about."""

    base: int
    deducted: int
    """What the deductible takes off the base."""
    after_deductible: int
    rated: int
    after_visit_cap: int
    basic: int
    """The basic aid, after the yearly caps."""
    tilt_rated: int
    tilt: int
    """The tilt aid, after its yearly cap."""
    aid: int
    """All aid on the bill: basic and tilt."""


@dataclass(frozen=True, slots=True)
class BaseTerms:
    """What counts towards the base and what comes off it."""

    pre_selfpay_in: bool
    commercial_off: bool
    charity_off: bool
    deductible_in: bool = True
    """Whether what lies below the insurers' own deductible counts."""


def costs_in_scope(terms: BaseTerms, bill: Bill) -> int:
    """The costs on the bill that the policy looks at, before anyone paid."""
    scope_fen = bill.in_policy_fen
    if terms.pre_selfpay_in:
        scope_fen += bill.pre_selfpay_fen
    if not terms.deductible_in:
        scope_fen = max(0, scope_fen - (bill.deductible_fen or 0))
    return scope_fen


def paid_before(terms: BaseTerms, bill: Bill, funds_fen: int) -> int:
    """What comes off the costs: all funds, and other payers where the pack says so."""
    paid_fen = funds_fen
    if terms.commercial_off:
        paid_fen += bill.commercial_fen
    if terms.charity_off:
        paid_fen += bill.charity_fen
    return paid_fen


def aidable_base(scope_fen: int, paid_fen: int, owed_fen: int) -> int:
    """min(owed, max(0, costs in scope - paid before)): all that aid may touch."""
    base_fen = scope_fen - paid_fen
    # Here and in `within` without `min` and `max`, which cost more than all the rest.
    if base_fen <= 0:
        return 0
    if base_fen <= owed_fen:
        return base_fen
    return owed_fen


def work_out(terms: Terms, base_fen: int, used: Used) -> Steps:
    """The steps from the base to the aid of one category."""
    deducted = 0
    if terms.deductible_fen:
        left = terms.deductible_fen
        if terms.deductible_yearly:
            left = max(0, left - used.deductible_fen)
        deducted = min(base_fen, left)
    after_deductible = base_fen - deducted
    rated = rate(terms.schedule, used.banded_fen, after_deductible, terms.rounding)
    basic = after_visit_cap = within(rated, terms.visit_cap_fen, 0)
    for number, cap_fen in enumerate(terms.year_caps_fen):
        basic = within(basic, cap_fen, used.pots_fen[number])
    tilt_rated = tilt = 0
    if terms.tilt is not None:
        tilt_rated = _tilt(terms.tilt, used.burden_fen, base_fen - basic, terms)
        tilt = within(tilt_rated, terms.tilt.year_cap_fen, used.tilt_fen)
    return Steps(
        base_fen, deducted, after_deductible, rated, after_visit_cap, basic,
        tilt_rated, tilt, basic + tilt,
    )  # fmt: skip


def rate(schedule: Schedule, before_fen: int, amount_fen: int, rounding: int) -> int:
    """The aid on an amount; `before_fen` has gone through yearly brackets already.

    Rounded once, however many brackets the amount touches. Never above the amount
    for rates of at most 100 %.
    """
    if schedule.flat_ppm is not None:
        return (amount_fen * schedule.flat_ppm + rounding) // WHOLE_PPM
    lower = before_fen if schedule.yearly else 0
    exact_ppm = _through(schedule.brackets, lower, lower + amount_fen)
    return (exact_ppm + rounding) // WHOLE_PPM


def _through(brackets: Sequence[Bracket], lower: int, upper: int) -> int:
    """Each bracket's part of the stretch from `lower` to `upper`, times its rate."""
    exact_ppm = 0
    for limit, rate_ppm in brackets:
        end = upper if limit is None else min(upper, limit)
        if end > lower:
            exact_ppm += (end - lower) * rate_ppm
            lower = end
    return exact_ppm


def _tilt(tilt: TiltTerms, burden_fen: int, left_fen: int, terms: Terms) -> int:
    """The tilt on what is left, above the threshold of the bill or of the year."""
    before = max(0, burden_fen - tilt.threshold_fen) if tilt.yearly else 0
    carried = burden_fen if tilt.yearly else 0
    over = max(0, carried + left_fen - tilt.threshold_fen) - before
    return rate(tilt.schedule, before, over, terms.rounding)


def within(amount_fen: int, cap_fen: int | None, used_fen: int) -> int:
    """As much of an amount as a cap still has room for; `None`: no limit."""
    if cap_fen is None:
        return amount_fen
    left_fen = cap_fen - used_fen
    if amount_fen <= left_fen:
        return amount_fen
    return max(0, left_fen)


def reason_of(steps: Steps) -> str:
    """The reason of an approved bill with a base above 0."""
    if steps.aid > 0:
        return "MA-2000"
    if steps.after_deductible == 0:
        return "MA-2003"
    if steps.rated > 0:
        return "MA-2002"
    return "MA-2001"

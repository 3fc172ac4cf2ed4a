"""The deduction itself: one bill, one category, integers only, each step sourced.

Every function is pure. Amounts are fen, rates parts per million, half a fen is
rounded up, once for the basic aid and once for the tilt. What comes out satisfies
0 <= basic + tilt <= base <= owed, whatever was used before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from settlement.domain.bill import Bill
from settlement.domain.money import share_half_up


@dataclass(frozen=True, slots=True)
class TiltTerms:
    """Further aid on what the basic aid leaves of the base."""

    threshold_fen: int
    rate_ppm: int
    year_cap_fen: int | None
    needs_referral: bool


@dataclass(frozen=True, slots=True)
class Terms:
    """What one category gets for one kind of care."""

    rate_ppm: int
    deductible_fen: int
    """0: none."""
    deductible_yearly: bool
    visit_cap_fen: int | None
    year_cap_fen: int | None
    tilt: TiltTerms | None


class Used(NamedTuple):
    """What the person has used in the year before this bill, in fen."""

    pot_fen: int
    deductible_fen: int
    tilt_fen: int


class Steps(NamedTuple):
    """Each intermediate amount, in fen, in the order in which it comes about."""

    base: int
    deducted: int
    """What the deductible takes off the base."""
    after_deductible: int
    rated: int
    after_visit_cap: int
    basic: int
    """The basic aid, after the yearly cap."""
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


def costs_in_scope(terms: BaseTerms, bill: Bill) -> int:
    """The costs on the bill that the policy looks at, before anyone paid."""
    if terms.pre_selfpay_in:
        return bill.in_policy_fen + bill.pre_selfpay_fen
    return bill.in_policy_fen


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
    return min(owed_fen, max(0, scope_fen - paid_fen))


def work_out(terms: Terms, base_fen: int, used: Used, *, referred: bool) -> Steps:
    """The steps from the base to the aid of one category."""
    deducted = 0
    if terms.deductible_fen:
        left = terms.deductible_fen
        if terms.deductible_yearly:
            left = max(0, left - used.deductible_fen)
        deducted = min(base_fen, left)
    after_deductible = base_fen - deducted
    rated = share_half_up(after_deductible, terms.rate_ppm)
    after_visit_cap = within(rated, terms.visit_cap_fen, 0)
    basic = within(after_visit_cap, terms.year_cap_fen, used.pot_fen)
    tilt_rated = tilt = 0
    if terms.tilt is not None and (referred or not terms.tilt.needs_referral):
        over = max(0, base_fen - basic - terms.tilt.threshold_fen)
        tilt_rated = share_half_up(over, terms.tilt.rate_ppm)
        tilt = within(tilt_rated, terms.tilt.year_cap_fen, used.tilt_fen)
    return Steps(
        base_fen, deducted, after_deductible, rated, after_visit_cap, basic,
        tilt_rated, tilt, basic + tilt,
    )  # fmt: skip


def within(amount_fen: int, cap_fen: int | None, used_fen: int) -> int:
    """As much of an amount as a cap still has room for; `None`: no limit."""
    if cap_fen is None:
        return amount_fen
    return min(amount_fen, max(0, cap_fen - used_fen))


def reason_of(steps: Steps) -> str:
    """The reason of an approved bill with a base above 0."""
    if steps.aid > 0:
        return "MA-2000"
    if steps.after_deductible == 0:
        return "MA-2003"
    if steps.rated > 0:
        return "MA-2002"
    return "MA-2001"

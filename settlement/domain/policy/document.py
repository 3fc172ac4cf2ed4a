"""A policy pack as the document states it: typed, complete, each number sourced.

Values here are what a decree says; `settlement.domain.policy.pack` compiles them
into what a settlement needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from settlement.domain.bill import Bill, CareType, Place
from settlement.domain.decision import Text

SCHEMA = "medaid-pack/1"

#: Accumulators that every pack may use beside the pots that it names itself.
DEDUCTIBLE_POT = "deductible"
TILT_POT = "tilt"
BANDED_POT = "banded"
"""What has gone through a yearly schedule's brackets."""
BURDEN_POT = "burden"
"""What basic aid has left of the year's bases, where the tilt looks at the year."""
RESERVED_POTS = (DEDUCTIBLE_POT, TILT_POT, BANDED_POT, BURDEN_POT)

#: Levels of facilities; 0: 未定级, not graded, or not known.
LEVELS = (0, 1, 2, 3)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Instrument:
    """A decree: document number, title, and when it became known."""

    key: str
    number: str
    title: str
    issued: date | None
    published: date | None
    address: str
    """Where the text was published; empty where no address is known."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where one rule or number stands: document, article, its own words."""

    key: str
    instrument: Instrument
    article: str
    quote: str
    """The sentence itself; empty only where `confirmed` is false."""
    confirmed: bool
    """False where the text does not say it, or was not at hand."""
    note: str

    @property
    def label(self) -> str:
        """Document and article on one line, as explanations carry it."""
        label = f"{self.instrument.number} {self.article}".rstrip()
        return label if self.confirmed else f"{label}（未经证实 unconfirmed）"


@dataclass(frozen=True, slots=True)
class Sourced(Generic[T]):
    """A value with the place in the decree that it comes from."""

    value: T
    source: Source


@dataclass(frozen=True, slots=True)
class Indicator:
    """A published figure by year, such as an income per head; in fen."""

    key: str
    title: Text
    values: Mapping[int, Sourced[int]]


class Share(NamedTuple):
    """An amount as a share of a published figure: 10 % of last year's income."""

    rate_ppm: int
    indicator: str
    years_back: int
    """0: the figure of the bill's own year; 1: of the year before."""
    whole_yuan: bool
    """Whether it is rounded half up to the yuan, not to the fen."""


Amount: TypeAlias = int | Share
"""Fen, or a share of an indicator that becomes fen for a year."""


@dataclass(frozen=True, slots=True)
class Pot:
    """A yearly running total with a cap; what it pays counts in the outer pot too."""

    key: str
    title: Text
    within: str | None
    """The pot that it lies within, or `None`."""


@dataclass(frozen=True, slots=True)
class Year:
    """When the year of caps begins; named by the calendar year of its first day."""

    month: int
    day: int
    source: Source

    def of(self, day: date) -> int:
        """The year that a day belongs to."""
        begins = (day.month, day.day) >= (self.month, self.day)
        return day.year if begins else day.year - 1


@dataclass(frozen=True, slots=True)
class OnApplication:
    """Aid that is given on application later, never while a bill is settled."""

    how: Text
    """Where the patient applies, and with what; said at the desk."""
    source: Source


@dataclass(frozen=True, slots=True)
class Category:
    """An aid category: how it is called, spelled and numbered."""

    id: str
    title: Text
    short: Text
    aliases: tuple[str, ...]
    national_codes: tuple[str, ...]
    source: Source
    on_application: OnApplication | None = None
    """`None`: what it gives is given when a bill is settled."""


@dataclass(frozen=True, slots=True)
class Care:
    """A kind of care: how it is called, and which pot its aid draws on."""

    care_type: CareType
    title: Text
    pot: Sourced[str]
    day: Sourced[str]
    """`service_start` or `service_end`: picks pack version and cap year."""
    referral_required: Sourced[bool]
    pots_by_category: Mapping[str, Sourced[str]] = field(default_factory=dict)
    """Categories that draw on another pot."""

    def pot_of(self, category: str) -> Sourced[str]:
        """The pot that a category's aid draws on."""
        return self.pots_by_category.get(category, self.pot)


class Referral(StrEnum):
    """Whether a bill from a place counts as referred by the rules."""

    AS_BILLED = "as_billed"
    REFERRED = "referred"
    UNREFERRED = "unreferred"


@dataclass(frozen=True, slots=True)
class BaseFormula:
    """What aid may touch; see `settlement.domain.adjudicate.aidable_base`."""

    costs: Source
    """Costs within the policy, less what all funds have paid."""
    pre_selfpay_in: Sourced[bool]
    commercial_off: Sourced[bool]
    charity_off: Sourced[bool]
    top_up: Sourced[bool]
    """Whether a bill on which aid was already paid may get more."""
    deductible_in: Sourced[bool] | None
    """Whether costs below the insurers' own deductible count; `None`: they do."""
    by_category: Mapping[str, BaseFormula] = field(default_factory=dict)
    """Categories of which the decree says otherwise."""

    def of(self, category: str) -> BaseFormula:
        """The formula that holds for a category."""
        return self.by_category.get(category, self)


@dataclass(frozen=True, slots=True)
class IdentityRule:
    """Whether an identity that changes during a visit counts for it."""

    gained: bool
    """One that begins after the visit's first day."""
    lost: bool
    """One that ends before the visit's last day."""
    source: Source | None
    """`None` where the document does not say: both count."""


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that aid may be, on a visit or in a year from a pot."""

    covered: bool
    """False: the category gets nothing here at all."""
    amount: Amount | None
    """`None`: no limit."""


@dataclass(frozen=True, slots=True)
class Deductible:
    """What the person bears before aid begins."""

    amount: Amount
    yearly: bool
    """True: once a year over all bills; False: on every bill anew."""


class Band(NamedTuple):
    """One bracket of a schedule: amounts above `from_fen` up to `to_fen`."""

    from_fen: int
    to_fen: int | None
    """Inclusive; `None`: all that is above."""
    rates: Mapping[tuple[int, bool], int]
    """Rate in ppm by (level of the facility, referred), all of them; 0: nothing."""


@dataclass(frozen=True, slots=True)
class Rate:
    """One rate, or rates bracket by bracket; each may differ by level and referral."""

    bands: tuple[Band, ...]
    """Without holes, from 0 to no limit; a flat rate is one band."""
    yearly: bool
    """Whether the brackets count the year's amounts or each bill's."""

    @property
    def flat_ppm(self) -> int | None:
        """The rate where there is only one, whatever the bill."""
        rates = set(self.bands[0].rates.values())
        return rates.pop() if len(self.bands) == 1 and len(rates) == 1 else None


@dataclass(frozen=True, slots=True)
class Tilt:
    """Further aid on what is still left of the base after the basic aid."""

    threshold: Amount
    rate: Rate
    """Its brackets count from the threshold."""
    year_cap: Amount | None
    needs_referral: bool
    yearly: bool
    """Whether the threshold is one of the year's burden, not of each bill's."""


@dataclass(frozen=True, slots=True)
class Benefit:
    """What one category gets for one kind of care; a rate of `None`: nothing."""

    rate: Sourced[Rate | None]
    deductible: Sourced[Deductible | None]
    visit_cap: Sourced[Cap]
    tilt: Sourced[Tilt | None]


@dataclass(frozen=True, slots=True)
class WorkedCase:
    """A bill and what must come out of it, written by hand."""

    name: str
    line: int
    bill: Bill
    categories: tuple[str, ...]
    used_fen: Mapping[str, int]
    """What was used before, by pot, in the year of the bill."""
    settled_on: date
    expect: Mapping[str, str]
    """Amounts as `64.00元`, words as written; keys of `cases.OUTCOMES`."""
    facility_level: int | None = None
    on_application: bool = False
    """Whether the amounts are applied for later, not settled at the desk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackDocument:
    """One decree's full state of rules, in force for a stretch of days."""

    id: str
    version: str
    sha256: str
    title: Text
    scheme: Text
    jurisdiction: str
    fictional: bool
    in_force_from: date
    in_force_to: date | None
    known_since: date
    """First day on which the rules could be known: publication."""
    instruments: tuple[Instrument, ...]
    sources: tuple[Source, ...]
    year: Year
    indicators: Mapping[str, Indicator]
    pots: Mapping[str, Pot]
    categories: tuple[Category, ...]
    cares: Mapping[CareType, Care]
    places: Mapping[Place, Sourced[Referral]]
    base: BaseFormula
    identities: Source
    """Several identities: the best one, never two."""
    identity_rule: IdentityRule
    rounding: Sourced[int]
    """`HALF_UP` or `DOWN` to the fen, once for the basic aid and once for the tilt."""
    filing_limit_days: Sourced[int | None]
    benefits: Mapping[tuple[str, CareType], Benefit]
    year_caps: Mapping[tuple[str, str], Sourced[Cap]]
    cases: tuple[WorkedCase, ...]

"""A policy pack as the document states it: typed, complete, each number sourced.

Values here are what a decree says; `settlement.domain.policy.pack` compiles them
into what a settlement needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Generic, TypeVar

from settlement.domain.bill import Bill, CareType, Place
from settlement.domain.decision import Text

SCHEMA = "medaid-pack/1"

#: Accumulators that every pack may use beside the pots that it names itself.
DEDUCTIBLE_POT = "deductible"
TILT_POT = "tilt"

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
class Category:
    """An aid category: how it is called, spelled and numbered."""

    id: str
    title: Text
    short: Text
    aliases: tuple[str, ...]
    national_codes: tuple[str, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class Care:
    """A kind of care: how it is called, and which pot its aid draws on."""

    care_type: CareType
    title: Text
    pot: Sourced[str]
    day: Sourced[str]
    """`service_start` or `service_end`: picks pack version and cap year."""
    referral_required: Sourced[bool]


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


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that aid may be, on a visit or in a year from a pot."""

    covered: bool
    """False: the category gets nothing here at all."""
    cap_fen: int | None
    """`None`: no limit."""


@dataclass(frozen=True, slots=True)
class Deductible:
    """What the person bears before aid begins."""

    amount_fen: int
    yearly: bool
    """True: once a year over all bills; False: on every bill anew."""


@dataclass(frozen=True, slots=True)
class Tilt:
    """Further aid on what is still left of the base after the basic aid."""

    threshold_fen: int
    rate_ppm: int
    year_cap_fen: int | None
    needs_referral: bool


@dataclass(frozen=True, slots=True)
class Benefit:
    """What one category gets for one kind of care; a rate of `None`: nothing."""

    rate_ppm: Sourced[int | None]
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
    pots: Mapping[str, Text]
    categories: tuple[Category, ...]
    cares: Mapping[CareType, Care]
    places: Mapping[Place, Sourced[Referral]]
    base: BaseFormula
    identities: Source
    """Several identities: the best one, never two."""
    rounding: Source
    """Half up to the fen, once for the basic aid and once for the tilt."""
    filing_limit_days: Sourced[int | None]
    benefits: Mapping[tuple[str, CareType], Benefit]
    year_caps: Mapping[tuple[str, str], Sourced[Cap]]
    cases: tuple[WorkedCase, ...]

"""A second, slow and independent adjudication: fractions of yuan, straight from YAML.

Shares no code with the program: it reads the document by itself, computes in exact
yuan and rounds by its own rule. It follows `docs/formats/policy.md`, section "What is
computed", word for word, and looks everything up anew for each bill.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from typing import Any

import yaml

from settlement.domain.bill import Bill

NOTHING = Fraction(0)
#: More than any bill: stands for 不限.
BOUNDLESS = Fraction(10**12)
LEVELS = ("未定级", "一级", "二级", "三级")
#: All scalars as texts; the one of libyaml where it is there, which is faster.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True)
class Expected:
    """What the oracle says of a bill; yuan."""

    approved: bool
    reason: str
    base: Fraction = NOTHING
    basic: Fraction = NOTHING
    tilt: Fraction = NOTHING
    category: str | None = None
    """`None`: nobody gives anything, and it does not matter who does not."""
    posted: Mapping[str, Fraction] = field(default_factory=dict)
    """What is added to the year's running totals, by name; only amounts above 0."""

    @property
    def aid(self) -> Fraction:
        """All aid."""
        return self.basic + self.tilt

    @property
    def order(self) -> tuple[Fraction, bool, int]:
        """Most aid first, then an approval, then who covers the care at all."""
        covering = 2 if self.category else int(self.reason == "MA-2005")
        return self.aid, self.approved, covering


@dataclass(frozen=True)
class Facts:
    """One bill with all that its rules may depend on."""

    bill: Bill
    year: int
    used: Mapping[str, Fraction]
    level: int
    settled_on: date

    @property
    def care(self) -> str:
        """The kind of care, as documents name it."""
        return self.bill.care_type.value


class Oracle:
    """The rules of one document, read and applied independently."""

    def __init__(self, document: bytes, *, on_application: bool = False) -> None:
        self.rules: dict[str, Any] = yaml.load(document, Loader=_LOADER)  # noqa: S506  # texts only
        self.on_application = on_application

    def year(self, bill: Bill) -> int:
        """The year of caps that the bill belongs to."""
        days = {"service_start": bill.service_start, "service_end": bill.service_end}
        day = days[self.rules["care"][bill.care_type.value]["day"]["value"]]
        begins = self.rules["year"]["value"]
        if begins == "calendar_year":
            return day.year
        month, start = int(begins[2:4]), int(begins[5:7])
        return day.year - ((day.month, day.day) < (month, start))

    def adjudicate(
        self,
        bill: Bill,
        categories: Sequence[str],
        used_fen: Mapping[str, int],
        level: int | None = None,
        settled_on: date | None = None,
    ) -> Expected:
        """What the bill gets, `used_fen` by pot."""
        used = {pot: Fraction(fen, 100) for pot, fen in used_fen.items()}
        on = settled_on or bill.service_end
        facts = Facts(bill, self.year(bill), used, level or 0, on)
        known = [name for name in self.rules["categories"] if name in categories]
        offers = [self._offer(name, facts) for name in known]
        return max(offers or [self._for_nobody(facts)], key=lambda offer: offer.order)

    def _for_nobody(self, facts: Facts) -> Expected:
        """A person of no category that the document knows."""
        declined = self._declined(self.rules["base"], facts)
        if declined:
            return Expected(False, declined)
        base = self._base(self.rules["base"], facts.bill)
        return Expected(True, "MA-2004" if base else "MA-2001", base)

    def _offer(self, category: str, facts: Facts) -> Expected:
        """What one category gives on the bill, all alone."""
        common = self.rules["base"]
        gives_here = self.on_application == (
            "on_application" in self.rules["categories"][category]
        )
        own = common.get("by_category", {}).get(category, {}) if gives_here else {}
        formula = {**common, **own}
        declined = self._declined(formula, facts)
        if declined:
            return Expected(False, declined)
        base = self._base(formula, facts.bill)
        if base == 0:
            return Expected(True, "MA-2001")
        if not gives_here:
            later = "MA-2004" if self.on_application else "MA-2005"
            return Expected(True, later, base)
        bands = self._bands(self.rules["rates"][category][facts.care], facts)
        if not any(share for _, share in bands):
            return Expected(True, "MA-2004", base)
        return self._benefit(category, facts, base, bands)

    def _declined(self, formula: Any, facts: Facts) -> str:
        bill, limit = facts.bill, self.rules["filing_limit"]["value"]
        if bill.medical_aid_fen and formula["top_up"]["value"] == "不允许":
            return "MA-2201"
        if limit != "无":
            late = facts.settled_on.toordinal() - bill.service_end.toordinal()
            if late > int(limit.removesuffix("天")):
                return "MA-2207"
        rule = self.rules["care"][facts.care]["referral"]["value"]
        if rule == "要求" and not self._referred(bill):
            return "MA-2206"
        return ""

    def _referred(self, bill: Bill) -> bool:
        word = self.rules["places"][bill.place.value]["value"]
        return {"按账单": bill.referred, "视为已转诊": True, "视为未转诊": False}[word]

    def _base(self, formula: Any, bill: Bill) -> Fraction:
        """What aid may touch: costs in scope less what others paid, up to the owed."""
        funds = (
            bill.basic_insurance_fen
            + bill.serious_illness_fen
            + bill.other_funds_fen
            + bill.medical_aid_fen
        )
        base = bill.in_policy_fen - funds
        if formula["pre_selfpay"]["value"] == "计入":
            base += bill.pre_selfpay_fen
        if formula.get("insurance_deductible", {}).get("value") == "不计入":
            base -= min(bill.deductible_fen or 0, base + funds)
        if formula["commercial"]["value"] == "扣除":
            base -= bill.commercial_fen
        if formula["charity"]["value"] == "扣除":
            base -= bill.charity_fen
        return Fraction(min(bill.total_fen - funds, max(0, base)), 100)

    def _bands(self, cell: Any, facts: Facts) -> list[tuple[Fraction, Fraction]]:
        """Upper edge and share of each band for the bill's level and referral."""
        if "bands" not in cell:
            graded = cell.get("value", cell.get("rate"))
            return [(BOUNDLESS, self._share(graded, facts))]
        return [
            (limit(band["to"]), self._share(band["rate"], facts))
            for band in cell["bands"]
        ]

    def _share(self, graded: Any, facts: Facts) -> Fraction:
        if isinstance(graded, str):
            return NOTHING if graded == "不享受" else percent(graded)
        if "levels" in graded:
            return self._share(graded["levels"][LEVELS[facts.level]], facts)
        referred = "referred" if self._referred(facts.bill) else "unreferred"
        return self._share(graded[referred], facts)

    def _benefit(
        self, category: str, facts: Facts, base: Fraction, bands: Any
    ) -> Expected:
        rules, care, used = self.rules, facts.care, facts.used
        posted: dict[str, Fraction] = {}
        left, text = base, rules["deductibles"][category][care]["value"]
        if text != "无":
            amount = self._amount(text[2:], facts)
            if text.startswith("每年"):
                amount = max(NOTHING, amount - used.get("deductible", NOTHING))
                posted["deductible"] = min(base, amount)
            left = base - min(base, amount)
        cell, before = rules["rates"][category][care], NOTHING
        if is_yearly(cell) and len(bands) > 1:
            before, posted["banded"] = used.get("banded", NOTHING), left
        rated = self._rounded(through(bands, before, before + left))
        visit_cap = rules["visit_caps"][category][care]["value"]
        basic = min(rated, self._limit(visit_cap, facts))
        pots = self._chain(category, care)
        for pot in pots:
            cap = self._limit(rules["year_caps"][category][pot]["value"], facts)
            basic = min(basic, max(NOTHING, cap - used.get(pot, NOTHING)))
        posted.update(dict.fromkeys(pots, basic))
        tilt, burden = self._tilt(rules["tilt"][category][care], facts, base - basic)
        posted.update(tilt=tilt, burden=burden)
        offer = Expected(True, "MA-2000", base, basic, tilt, category)
        if offer.aid == 0:
            reason = "MA-2003" if left == 0 else "MA-2002" if rated else "MA-2001"
            offer = replace(offer, reason=reason)
        kept = {pot: amount for pot, amount in posted.items() if amount}
        return replace(offer, posted=kept)

    def _chain(self, category: str, care: str) -> list[str]:
        """The pot that aid comes from, and all that it lies within."""
        drawn = self.rules["care"][care]["pot"]
        own = drawn.get("by_category", {}).get(category)
        pots = [own["value"] if own else drawn["value"]]
        while "within" in self.rules["pots"][pots[-1]]:
            pots.append(self.rules["pots"][pots[-1]]["within"])
        return pots

    def _tilt(
        self, cell: Any, facts: Facts, left: Fraction
    ) -> tuple[Fraction, Fraction]:
        """The tilt, and what of the burden counts for the year."""
        if cell.get("value") == "不享受":
            return NOTHING, NOTHING
        if cell["referral"] == "要求" and not self._referred(facts.bill):
            return NOTHING, NOTHING
        carried = facts.used.get("burden", NOTHING) if is_yearly(cell) else NOTHING
        threshold = self._amount(cell["threshold"], facts)
        begin = max(NOTHING, carried - threshold)
        end = max(NOTHING, carried + left - threshold)
        tilt = self._rounded(through(self._bands(cell, facts), begin, end))
        cap = self._limit(cell["year_cap"], facts)
        room = max(NOTHING, cap - facts.used.get("tilt", NOTHING))
        return min(tilt, room), left if is_yearly(cell) else NOTHING

    def _rounded(self, exact: Fraction) -> Fraction:
        """To the fen, as the document says."""
        if self.rules["rounding"]["value"] == "down":
            return Fraction(math.floor(exact * 100), 100)
        return rounded(exact)

    def _limit(self, text: str, facts: Facts) -> Fraction:
        return BOUNDLESS if text == "不限" else self._amount(text, facts)

    def _amount(self, text: str, facts: Facts) -> Fraction:
        """An amount, or a share of a figure of this year or the one before."""
        if text[:2] not in ("上年", "本年"):
            return money(text)
        share, _, to_yuan = text[2:].partition("，")
        name, _, part = share.rpartition("的")
        [indicator] = [
            item
            for key, item in self.rules["indicators"].items()
            if name in (key, item["title"]["zh"])
        ]
        year = facts.year - (text[:2] == "上年")
        exact = money(indicator["values"][str(year)]["value"]) * percent(part)
        return (
            Fraction(math.floor(exact + Fraction(1, 2))) if to_yuan else rounded(exact)
        )


def through(
    bands: Sequence[tuple[Fraction, Fraction]], begin: Fraction, end: Fraction
) -> Fraction:
    """The shares of each band's part of the stretch, added up without rounding."""
    total, lower = NOTHING, NOTHING
    for upper, share in bands:
        part = min(end, upper) - max(begin, lower)
        total += max(NOTHING, part) * share
        lower = upper
    return total


def is_yearly(cell: Any) -> bool:
    """Whether a rate's bands, or a tilt, count what the year brought before."""
    return bool(cell.get("per") == "每年")


def rounded(amount: Fraction) -> Fraction:
    """To the fen, half a fen up."""
    return Fraction(math.floor(amount * 100 + Fraction(1, 2)), 100)


def money(text: str) -> Fraction:
    """Yuan of `64.50元`."""
    return Fraction(text.removesuffix("元"))


def percent(text: str) -> Fraction:
    """Share of `80%`."""
    return Fraction(text.removesuffix("%")) / 100


def limit(text: str) -> Fraction:
    """Yuan of a band's edge; more than any bill for 不限."""
    return BOUNDLESS if text == "不限" else money(text)

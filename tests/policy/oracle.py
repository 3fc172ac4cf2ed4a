"""A second, slow and independent adjudication: fractions of yuan, straight from YAML.

Shares no code with the program: it reads the document by itself, computes in exact
yuan and rounds by its own rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import yaml

from settlement.domain.bill import Bill

YUAN = Fraction(100)


@dataclass(frozen=True)
class Expected:
    """What the oracle says of a bill; yuan."""

    approved: bool
    reason: str
    base: Fraction
    basic: Fraction
    tilt: Fraction
    category: str | None
    deducted: Fraction

    @property
    def aid(self) -> Fraction:
        """All aid."""
        return self.basic + self.tilt


class Oracle:
    """The rules of one document, read and applied independently."""

    def __init__(self, document: bytes) -> None:
        self.rules: dict[str, Any] = yaml.load(document, Loader=yaml.BaseLoader)  # noqa: S506

    def adjudicate(
        self, bill: Bill, categories: Sequence[str], used_fen: Mapping[str, int]
    ) -> Expected:
        """What the bill gets, `used_fen` by pot."""
        rules = self.rules
        care = rules["care"][bill.care_type.value]
        funds = sum(
            Fraction(fen, 100)
            for fen in (
                bill.basic_insurance_fen,
                bill.serious_illness_fen,
                bill.other_funds_fen,
                bill.medical_aid_fen,
            )
        )
        declined = self._declined(bill, care)
        if declined:
            return Expected(
                False,
                declined,
                Fraction(0),
                Fraction(0),
                Fraction(0),
                None,
                Fraction(0),
            )
        base = Fraction(bill.in_policy_fen, 100) - funds
        if rules["base"]["pre_selfpay"]["value"] == "计入":
            base += Fraction(bill.pre_selfpay_fen, 100)
        if rules["base"]["commercial"]["value"] == "扣除":
            base -= Fraction(bill.commercial_fen, 100)
        if rules["base"]["charity"]["value"] == "扣除":
            base -= Fraction(bill.charity_fen, 100)
        owed = Fraction(bill.total_fen, 100) - funds
        base = min(owed, max(Fraction(0), base))
        if base == 0:
            return Expected(
                True, "MA-2001", base, Fraction(0), Fraction(0), None, Fraction(0)
            )
        used = {pot: Fraction(fen, 100) for pot, fen in used_fen.items()}
        offers = [
            self._offer(category, bill, base, used)
            for category in rules["categories"]
            if category in categories
            and "on_application" not in rules["categories"][category]
            and rules["rates"][category][bill.care_type.value]["value"] != "不享受"
        ]
        if not offers:
            applied = any(
                "on_application" in rules["categories"].get(category, {})
                for category in categories
            )
            reason = "MA-2005" if applied else "MA-2004"
            return Expected(
                True, reason, base, Fraction(0), Fraction(0), None, Fraction(0)
            )
        return max(offers, key=lambda offer: offer.aid)

    def _declined(self, bill: Bill, care: Any) -> str:
        rules = self.rules
        if bill.medical_aid_fen and rules["base"]["top_up"]["value"] == "不允许":
            return "MA-2201"
        if care["referral"]["value"] == "要求" and not self._referred(bill):
            return "MA-2206"
        return ""

    def _referred(self, bill: Bill) -> bool:
        word = self.rules["places"][bill.place.value]["value"]
        return {"按账单": bill.referred, "视为已转诊": True, "视为未转诊": False}[word]

    def _offer(
        self, category: str, bill: Bill, base: Fraction, used: Mapping[str, Fraction]
    ) -> Expected:
        rules, care = self.rules, bill.care_type.value
        pot = rules["care"][care]["pot"]["value"]
        left, deducted = base, Fraction(0)
        text = rules["deductibles"][category][care]["value"]
        if text != "无":
            amount = money(text[2:])
            if text.startswith("每年"):
                amount = max(Fraction(0), amount - used.get("deductible", Fraction(0)))
            deducted = min(base, amount)
            left = base - deducted
        rated = rounded(left * percent(rules["rates"][category][care]["value"]))
        basic = min(rated, limit(rules["visit_caps"][category][care]["value"]))
        cap = limit(rules["year_caps"][category][pot]["value"])
        basic = min(basic, max(Fraction(0), cap - used.get(pot, Fraction(0))))
        tilt = self._tilt(category, bill, base - basic, used)
        if basic + tilt > 0:
            reason = "MA-2000"
        elif deducted > 0 and left == 0:
            reason = "MA-2003"
        else:
            reason = "MA-2002" if rated > 0 else "MA-2001"
        return Expected(True, reason, base, basic, tilt, category, deducted)

    def _tilt(
        self, category: str, bill: Bill, burden: Fraction, used: Mapping[str, Fraction]
    ) -> Fraction:
        cell = self.rules["tilt"][category][bill.care_type.value]
        if cell.get("value") == "不享受":
            return Fraction(0)
        if cell["referral"] == "要求" and not self._referred(bill):
            return Fraction(0)
        over = max(Fraction(0), burden - money(cell["threshold"]))
        tilt = rounded(over * percent(cell["rate"]))
        room = limit(cell["year_cap"]) - used.get("tilt", Fraction(0))
        return min(tilt, max(Fraction(0), room))


def rounded(amount: Fraction) -> Fraction:
    """To the fen, half a fen up."""
    return Fraction(math.floor(amount * YUAN + Fraction(1, 2)), 100)


def money(text: str) -> Fraction:
    """Yuan of `64.50元`."""
    return Fraction(text.removesuffix("元"))


def percent(text: str) -> Fraction:
    """Share of `80%`."""
    return Fraction(text.removesuffix("%")) / 100


def limit(text: str) -> Fraction:
    """Yuan of a cap; more than any bill for 不限."""
    return Fraction(10**12) if text == "不限" else money(text)

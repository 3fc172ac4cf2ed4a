"""Amounts that a document states as shares of published figures, turned into fen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from settlement.domain.money import WHOLE_PPM, share, yuan_text
from settlement.domain.policy.document import Amount, Indicator, PackDocument, Share

_FEN_PER_YUAN = 100
_WHOLE_YUAN = _FEN_PER_YUAN * WHOLE_PPM
_HALF_YUAN = _WHOLE_YUAN // 2


@dataclass(frozen=True, slots=True)
class Figures:
    """The indicators of a document as one year's bills see them."""

    indicators: Mapping[str, Indicator]
    year: int

    def fen(self, amount: Amount) -> int:
        """The amount in fen; raises `KeyError` where its figure is not published."""
        if isinstance(amount, int):
            return amount
        values = self.indicators[amount.indicator].values
        figure_fen = values[self.year - amount.years_back].value
        if amount.whole_yuan:
            # In one step: rounded to the fen first, 49.496 yuan would become 50.
            exact_ppm = figure_fen * amount.rate_ppm
            return (exact_ppm + _HALF_YUAN) // _WHOLE_YUAN * _FEN_PER_YUAN
        return share(figure_fen, amount.rate_ppm)

    def limit(self, amount: Amount | None) -> int | None:
        """The same for a cap, where `None` is no limit."""
        return None if amount is None else self.fen(amount)

    def text(self, amount: Amount) -> str:
        """The amount as explanations say it, without the unit."""
        return yuan_text(self.fen(amount))


def amounts_of(pack: PackDocument) -> Iterator[Amount]:
    """Every amount of the document that may depend on the year."""
    for benefit in pack.benefits.values():
        if benefit.deductible.value is not None:
            yield benefit.deductible.value.amount
        if benefit.visit_cap.value.amount is not None:
            yield benefit.visit_cap.value.amount
        tilt = benefit.tilt.value
        if tilt is not None:
            yield tilt.threshold
            if tilt.year_cap is not None:
                yield tilt.year_cap
    for cap in pack.year_caps.values():
        if cap.value.amount is not None:
            yield cap.value.amount


def years_known(pack: PackDocument) -> frozenset[int] | None:
    """Years for which every figure is published; `None`: no amount needs one."""
    shares = {amount for amount in amounts_of(pack) if isinstance(amount, Share)}
    if not shares:
        return None
    years = [
        {year + share_.years_back for year in pack.indicators[share_.indicator].values}
        for share_ in shares
    ]
    return frozenset(set.intersection(*years))

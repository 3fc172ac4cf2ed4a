"""One hospital's or operator's month in counts, and how far it lies from its peers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from settlement.domain.money import WHOLE_PPM
from settlement.domain.watch.signal import Subject, SubjectKind

#: What makes the median absolute deviation of normal values their standard deviation.
_MAD_SCALE = 14_826
_MAD_UNIT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSummary:
    """What one hospital or operator settled in a window of days that counts."""

    kind: SubjectKind
    """`FACILITY` or `OPERATOR`."""
    facility: int
    operator: str | None = None
    claims: int
    """All that count, aided or not."""
    persons: int
    repeats: int
    """Claims of persons seen at the same hospital within some days before."""
    at_cap: int
    """Claims whose aid a cap cut off, or left no more."""
    repeat_claims: tuple[bytes, ...] = ()
    """Ids of repeats in the order of `by_time`; the caller may list fewer than all."""
    at_cap_claims: tuple[bytes, ...] = ()

    @property
    def subject(self) -> Subject:
        """Whom an alert is about."""
        return Subject(self.kind, facility=self.facility, operator=self.operator)


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of the peers' rates, and how far they lie around it. In ppm."""

    median_ppm: int
    mad_ppm: int
    """Median of the absolute deviations from the median."""

    @classmethod
    def of(cls, rates_ppm: Sequence[int]) -> Spread:
        """Of at least one rate."""
        median = _median(rates_ppm)
        return cls(median, _median([abs(rate - median) for rate in rates_ppm]))

    def is_far(self, hits: int, claims: int, tenths: int) -> bool:
        """Whether a rate lies more than `tenths`/10 deviations above the middle.

        By two measures, both of which must say so: the spread of the peers (median
        and MAD, which up to half of the peers cannot move), and chance (a funnel: how
        far the count of so many claims strays from the median rate by itself).
        """
        rate = rate_ppm(hits, claims)
        above = rate - self.median_ppm
        if above * 10 * _MAD_UNIT <= tenths * _MAD_SCALE * self.mad_ppm:
            return False
        excess = hits * WHOLE_PPM - claims * self.median_ppm
        variance = claims * self.median_ppm * (WHOLE_PPM - self.median_ppm)
        return excess > 0 and excess * excess * 100 > tenths * tenths * variance


def rate_ppm(hits: int, claims: int) -> int:
    """The share in parts per million, cut off."""
    return hits * WHOLE_PPM // claims


def _median(values: Sequence[int]) -> int:
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) // 2

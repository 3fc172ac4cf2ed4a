"""The national floor: what a national decree demands of every local pack.

A floor is a document of checks of a closed list of kinds, each with its source. It
computes no aid, so it refuses nothing at the desk; it speaks while a pack is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from settlement.domain.bill import CareType
from settlement.domain.decision import Text
from settlement.domain.money import WHOLE_PPM, percent_text
from settlement.domain.policy.compiled import chain
from settlement.domain.policy.document import (
    Category,
    Deductible,
    PackDocument,
    Rate,
    Share,
    Source,
)
from settlement.domain.policy.notation import deductible_words
from settlement.domain.policy.spelling import normal_spelling, spellings


@dataclass(frozen=True, slots=True)
class Group:
    """Persons whom the floor speaks of, found in a pack by how it spells them."""

    key: str
    title: Text
    spellings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One demand; which of the numbers count depends on the kind."""

    key: str
    kind: str
    is_error: bool
    source: Source
    groups: tuple[Group, ...] = ()
    cares: tuple[CareType, ...] = tuple(CareType)
    than: Group | None = None
    least_ppm: int = 0
    most_ppm: int = WHOLE_PPM


@dataclass(frozen=True, slots=True)
class Floor:
    """All demands of one national decree."""

    id: str
    title: Text
    sha256: str
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One demand that a pack does not meet, with both numbers."""

    check: Check
    field: str
    """Path of the cell in the pack."""
    found: Text
    demanded: Text

    @property
    def is_error(self) -> bool:
        """Whether it refuses the pack: only where the quote has been confirmed."""
        return self.check.is_error and self.check.source.confirmed

    @property
    def text(self) -> Text:
        """What the pack says, what the floor demands, and on whose word."""
        label = self.check.source.label
        return Text(
            f"文件写 {self.found.zh}，底线要求{self.demanded.zh}（{label}）。",
            f"The pack says {self.found.en}; the floor demands "
            f"{self.demanded.en} ({label}).",
        )


def floor_findings(floor: Floor, pack: PackDocument) -> tuple[Finding, ...]:
    """Every demand that the pack does not meet, in the floor's order.

    A fictional pack is exempt: it is no district's.
    """
    if pack.fictional:
        return ()
    return tuple(
        finding for check in floor.checks for finding in KINDS[check.kind](check, pack)
    )


def _members(group: Group, pack: PackDocument) -> list[Category]:
    names = {normal_spelling(name) for name in group.spellings}
    return [
        category
        for category in pack.categories
        if names & {normal_spelling(name) for name in spellings(category)}
    ]


def _covered(check: Check, pack: PackDocument) -> Iterator[tuple[Category, CareType]]:
    """The cells that a check is about, where the category gets anything."""
    for group in check.groups:
        for category in _members(group, pack):
            for care_type in check.cares:
                if pack.benefits[category.id, care_type].rate.value is not None:
                    yield category, care_type


def _share_ppm(pack: PackDocument, deductible: Deductible) -> int | None:
    """A deductible as a share of a year's income; `None` where that is not known.

    A plain amount is compared with the latest figure of the pack's only indicator.
    """
    amount = deductible.amount
    if isinstance(amount, Share):
        return amount.rate_ppm
    if len(pack.indicators) != 1:
        return None
    [indicator] = pack.indicators.values()
    latest = indicator.values[max(indicator.values)].value
    return amount * WHOLE_PPM // latest


def _deductible_text(pack: PackDocument, deductible: Deductible) -> Text:
    words = deductible_words(pack, deductible)
    share = _share_ppm(pack, deductible)
    if share is None:
        return Text(
            f"{words}（没有收入指标，无法比较）", f"{words} (no figure of income)"
        )
    percent = percent_text(share)
    return Text(f"{words}（{percent}%）", f"{words} ({percent} %)")


def _no_deductible(check: Check, pack: PackDocument) -> Iterator[Finding]:
    most = percent_text(check.most_ppm)
    demanded = Text(
        f"无，或不高于上年人均可支配收入的 {most}%",
        f"none, or at most {most} % of last year's income per head",
    )
    yield from _deductibles(check, pack, demanded)


def _deductible_share(check: Check, pack: PackDocument) -> Iterator[Finding]:
    least, most = percent_text(check.least_ppm), percent_text(check.most_ppm)
    demanded = Text(
        f"上年人均可支配收入的 {least}% 至 {most}%",
        f"{least} % to {most} % of last year's income per head",
    )
    yield from _deductibles(check, pack, demanded)


def _deductibles(check: Check, pack: PackDocument, demanded: Text) -> Iterator[Finding]:
    """Deductibles outside the range; none at all is never below it."""
    for category, care_type in _covered(check, pack):
        deductible = pack.benefits[category.id, care_type].deductible.value
        if deductible is None:
            continue
        share = _share_ppm(pack, deductible)
        if share is None or not check.least_ppm <= share <= check.most_ppm:
            field = f"deductibles.{category.id}.{care_type}"
            yield Finding(check, field, _deductible_text(pack, deductible), demanded)


def _rates_ppm(rate: Rate) -> list[int]:
    """Every rate of a bill that was sought as the rules demand."""
    return [
        rate_ppm
        for band in rate.bands
        for (_, referred), rate_ppm in band.rates.items()
        if referred
    ]


def _percent(rate_ppm: int) -> Text:
    percent = percent_text(rate_ppm)
    return Text(f"{percent}%", f"{percent} %")


def _rate_at_least(check: Check, pack: PackDocument) -> Iterator[Finding]:
    least = _percent(check.least_ppm)
    demanded = Text(f"不低于 {least.zh}", f"at least {least.en}")
    for group in check.groups:
        for category in _members(group, pack):
            for care_type in check.cares:
                rate = pack.benefits[category.id, care_type].rate.value
                lowest = 0 if rate is None else min(_rates_ppm(rate))
                if lowest < check.least_ppm:
                    field = f"rates.{category.id}.{care_type}"
                    yield Finding(check, field, _percent(lowest), demanded)


def _rate_below(check: Check, pack: PackDocument) -> Iterator[Finding]:
    for other in _members(check.than, pack) if check.than else ():
        for category, care_type in _covered(check, pack):
            theirs = pack.benefits[other.id, care_type].rate.value
            mine = pack.benefits[category.id, care_type].rate.value
            if theirs is None or mine is None:
                continue
            limit, rate_ppm = min(_rates_ppm(theirs)), max(_rates_ppm(mine))
            if rate_ppm >= limit:
                than = _percent(limit)
                demanded = Text(
                    f"低于{other.short.zh}的 {than.zh}",
                    f"less than {other.short.en}'s {than.en}",
                )
                field = f"rates.{category.id}.{care_type}"
                yield Finding(check, field, _percent(rate_ppm), demanded)


def _shared_cap(check: Check, pack: PackDocument) -> Iterator[Finding]:
    drawn = [pack.cares[care_type].pot.value for care_type in check.cares]
    chains = [set(chain(pack, pot)) for pot in drawn]
    if set.intersection(*chains):
        return
    cares = [pack.cares[care_type].title for care_type in check.cares]
    pots = [pack.pots[pot].title for pot in drawn]
    pairs = list(zip(cares, pots, strict=True))
    found = Text(
        "、".join(f"{care.zh}计入“{pot.zh}”" for care, pot in pairs),
        ", ".join(f"{care.en} draws on {pot.en}" for care, pot in pairs),
    )
    demanded = Text("共用一个年度限额", "one yearly cap for them")
    yield Finding(check, f"care.{check.cares[0]}.pot", found, demanded)


def _tilt_referral(check: Check, pack: PackDocument) -> Iterator[Finding]:
    found = Text("倾斜救助“不要求”转诊", "tilt aid without a referral")
    demanded = Text("规范转诊", "a proper referral")
    for (category, care_type), benefit in pack.benefits.items():
        tilt = benefit.tilt.value
        if tilt is not None and not tilt.needs_referral:
            yield Finding(check, f"tilt.{category}.{care_type}", found, demanded)


#: The closed list of kinds of checks.
KINDS: Mapping[str, Callable[[Check, PackDocument], Iterator[Finding]]] = (
    MappingProxyType(
        {
            "no_deductible": _no_deductible,
            "deductible_share": _deductible_share,
            "rate_at_least": _rate_at_least,
            "rate_below": _rate_below,
            "shared_cap": _shared_cap,
            "tilt_referral": _tilt_referral,
        }
    )
)

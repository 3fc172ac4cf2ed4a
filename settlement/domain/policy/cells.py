"""Single cells of a pack: a value in the decree's own notation, with its source."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from settlement.domain.money import WHOLE_PPM, parse_percent, parse_yuan
from settlement.domain.policy.document import (
    Amount,
    Cap,
    Deductible,
    Instrument,
    Share,
    Source,
    Sourced,
)
from settlement.domain.policy.section import Section, Wrong

T = TypeVar("T")

NO_SOURCE = Source("", Instrument("", "", "", None, None, ""), "", "", True, "")  # noqa: FBT003

#: Stands in for an amount that could not be read.
NO_AMOUNT: Amount = 0

NOT_COVERED = "不享受"
NO_LIMIT = "不限"
NONE = "无"

WRONG_RATE: Wrong = (
    "MA-7011",
    "比例写成 80% 或 33.3333%，大于 0%、不超过 100%；不享受时写“不享受”。",
    "write a rate as 80% or 33.3333%, above 0 % and at most 100 %, or 不享受 for none.",
)
WRONG_AMOUNT: Wrong = (
    "MA-7010",
    "金额写成 8000元 或 64.50元，不带逗号，最多两位小数；或 上年<指标>的10%。",
    "write an amount as 8000元 or 64.50元 (two decimals), or 上年INDICATOR的10%.",
)
WRONG_LIMIT: Wrong = (
    "MA-7010",
    "限额写成 8000元（大于 0）或 上年<指标>的100%；无限额写“不限”，不享受写“不享受”。",
    "write a cap as 8000元 or 上年INDICATOR的100%, 不限 for none, 不享受 for no cover.",
)
WRONG_DEDUCTIBLE: Wrong = (
    "MA-7010",
    "起付标准写成 每年1000元、每次300元 或 每年上年<指标>的10%；没有时写“无”。",
    "write a deductible as 每年1000元, 每次300元, 每年上年INDICATOR的10%, or 无.",
)
WRONG_DAYS: Wrong = (
    "MA-7009",
    "期限写成 180天；没有时写“无”。",
    "write the limit as 180天 (days), or 无 for none.",
)

_DAYS = re.compile(r"([1-9][0-9]{0,3})天")
_SHARE = re.compile(r"(上年|本年)(.+)的([0-9.]+%)(，取整到元)?")


class SourceBook:
    """The sources of a document, and which of them something rests on.

    Also its indicators, by key and by Chinese title: amounts may be shares of them.
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources
        self._cited: set[str] = set()
        self.indicators: dict[str, str] = {}
        """Key of an indicator, by its key and by its Chinese title."""
        self._used_indicators: set[str] = set()

    def amount(self, text: str) -> Amount | None:
        """`8000元` above 0, or `上年居民收入的10%`; `None` for anything else."""
        match = _SHARE.fullmatch(text)
        if match is None:
            return parse_yuan(text) or None
        year, name, percent, to_yuan = match.groups()
        rate_ppm, key = parse_percent(percent), self.indicators.get(name)
        if not rate_ppm or key is None:
            return None
        self._used_indicators.add(key)
        return Share(rate_ppm, key, int(year == "上年"), to_yuan is not None)

    def unused_indicators(self) -> list[str]:
        """Indicators that no amount is a share of."""
        return sorted({*self.indicators.values()} - self._used_indicators)

    def cite(self, section: Section) -> Source:
        """The source that a section names, counted as cited."""
        key = section.one_of("source", self._sources, "sources")
        self._cited.add(key)
        return self._sources.get(key, NO_SOURCE)

    def only_kind(self, parent: Section, key: str, only: str) -> Source:
        """A rule of which one kind exists so far, written and sourced all the same."""
        return self.cell(parent, key, word({only: only}, only)).source

    def uncited(self) -> list[str]:
        """Sources that nothing rests on."""
        return [key for key in self._sources if key not in self._cited]

    def cell(
        self, parent: Section, key: str, read: Callable[[Section], T]
    ) -> Sourced[T]:
        """One `{value: ..., source: ...}`; `read` takes the value out."""
        section = parent.section(key)
        cell = Sourced(read(section), self.cite(section))
        section.close()
        return cell


def word(allowed: Mapping[str, T], default: T) -> Callable[[Section], T]:
    """A reader for a value of a closed list of words."""
    return lambda section: section.choice("value", allowed, default)


def cap_reader(book: SourceBook) -> Callable[[Section], Cap]:
    """A reader of `500元`, a share of an indicator, 不限 or 不享受."""

    def read(section: Section) -> Cap:
        text = section.text("value") if section.has("value") else ""
        if text == NOT_COVERED:
            return Cap(covered=False, amount=0)
        return Cap(covered=True, amount=read_limit(section, "value", book))

    return read


def read_limit(section: Section, key: str, book: SourceBook) -> Amount | None:
    """An amount above 0, or `None` for 不限."""
    if section.has(key) and section.text(key) == NO_LIMIT:
        return None
    return section.parsed(key, book.amount, NO_AMOUNT, WRONG_LIMIT)


def deductible_reader(book: SourceBook) -> Callable[[Section], Deductible | None]:
    """A reader of `每年1000元`, `每次300元`, `每年上年居民收入的10%`, or 无."""

    def parse(text: str) -> Deductible | None:
        amount = book.amount(text[2:])
        if amount is None or text[:2] not in PERIODS:
            return None
        return Deductible(amount, yearly=PERIODS[text[:2]])

    def read(section: Section) -> Deductible | None:
        if section.has("value") and section.text("value") == NONE:
            return None
        return section.parsed(
            "value", parse, Deductible(0, yearly=False), WRONG_DEDUCTIBLE
        )

    return read


def read_days(section: Section) -> int | None:
    """`180天`, or `None` for 无."""
    if section.has("value") and section.text("value") == NONE:
        return None
    return section.parsed("value", _days, 0, WRONG_DAYS)


REQUIRED: Mapping[str, bool] = {"要求": True, "不要求": False}
PERIODS: Mapping[str, bool] = {"每年": True, "每次": False}


def parse_rate(text: str) -> int | None:
    """`80%` in parts per million, above 0 % and at most 100 %; `None` otherwise."""
    rate_ppm = parse_percent(text)
    return rate_ppm if rate_ppm is not None and 0 < rate_ppm <= WHOLE_PPM else None


def _days(text: str) -> int | None:
    match = _DAYS.fullmatch(text)
    return int(match[1]) if match else None

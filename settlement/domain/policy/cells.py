"""Single cells of a pack: a value in the decree's own notation, with its source."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from settlement.domain.money import WHOLE_PPM, parse_percent, parse_yuan
from settlement.domain.policy.document import (
    Cap,
    Deductible,
    Instrument,
    Source,
    Sourced,
    Tilt,
)
from settlement.domain.policy.section import Section, Wrong

T = TypeVar("T")

NO_SOURCE = Source("", Instrument("", "", "", None, None, ""), "", "", True, "")  # noqa: FBT003

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
    "金额写成 8000元 或 64.50元，不带逗号，最多两位小数，须大于 0。",
    "write an amount as 8000元 or 64.50元: no separators, two decimals, above 0.",
)
WRONG_LIMIT: Wrong = (
    "MA-7010",
    "限额写成 8000元（大于 0）；没有限额写“不限”，不享受写“不享受”。",
    "write a cap as 8000元 (above 0), 不限 for no limit, 不享受 for no cover.",
)
WRONG_DEDUCTIBLE: Wrong = (
    "MA-7010",
    "起付标准写成 每年1000元 或 每次300元；没有时写“无”。",
    "write a deductible as 每年1000元 (a year) or 每次300元 (a visit), or 无 for none.",
)
WRONG_DAYS: Wrong = (
    "MA-7009",
    "期限写成 180天；没有时写“无”。",
    "write the limit as 180天 (days), or 无 for none.",
)

_DAYS = re.compile(r"([1-9][0-9]{0,3})天")


class SourceBook:
    """The sources of a document, and which of them something rests on."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources
        self._cited: set[str] = set()

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


def read_rate(section: Section) -> int | None:
    """`80%`, or `None` for 不享受."""
    if section.has("value") and section.text("value") == NOT_COVERED:
        return None
    return section.parsed("value", _rate, 0, WRONG_RATE)


def read_cap(section: Section) -> Cap:
    """`500元`, 不限 or 不享受."""
    text = section.text("value") if section.has("value") else ""
    if text == NOT_COVERED:
        return Cap(covered=False, cap_fen=0)
    if text == NO_LIMIT:
        return Cap(covered=True, cap_fen=None)
    return Cap(covered=True, cap_fen=section.parsed("value", _amount, 0, WRONG_LIMIT))


def read_deductible(section: Section) -> Deductible | None:
    """`每年1000元`, `每次300元`, or `None` for 无."""
    if section.has("value") and section.text("value") == NONE:
        return None
    return section.parsed(
        "value", _deductible, Deductible(0, yearly=False), WRONG_DEDUCTIBLE
    )


def read_tilt(section: Section) -> Tilt | None:
    """Threshold, rate, yearly cap and referral; or `None` for 不享受."""
    if section.has("value"):
        section.choice("value", {NOT_COVERED: None}, None)
        return None
    cap_fen = (
        None
        if section.has("year_cap") and section.text("year_cap") == NO_LIMIT
        else section.parsed("year_cap", _amount, 0, WRONG_LIMIT)
    )
    return Tilt(
        threshold_fen=section.parsed("threshold", parse_yuan, 0, WRONG_AMOUNT),
        rate_ppm=section.parsed("rate", _rate, 0, WRONG_RATE),
        year_cap_fen=cap_fen,
        needs_referral=section.choice("referral", REQUIRED, default=True),
    )


def read_days(section: Section) -> int | None:
    """`180天`, or `None` for 无."""
    if section.has("value") and section.text("value") == NONE:
        return None
    return section.parsed("value", _days, 0, WRONG_DAYS)


REQUIRED: Mapping[str, bool] = {"要求": True, "不要求": False}


def _rate(text: str) -> int | None:
    rate_ppm = parse_percent(text)
    return rate_ppm if rate_ppm is not None and 0 < rate_ppm <= WHOLE_PPM else None


def _amount(text: str) -> int | None:
    return parse_yuan(text) or None


def _deductible(text: str) -> Deductible | None:
    amount_fen = _amount(text[2:])
    if amount_fen is None or text[:2] not in {"每年", "每次"}:
        return None
    return Deductible(amount_fen, yearly=text.startswith("每年"))


def _days(text: str) -> int | None:
    match = _DAYS.fullmatch(text)
    return int(match[1]) if match else None

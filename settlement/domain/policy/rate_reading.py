"""Rates as a decree grades them: by band, by level of the facility, by referral."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

from settlement.domain.money import parse_yuan, yuan_text
from settlement.domain.policy.cells import (
    NO_AMOUNT,
    NO_LIMIT,
    NOT_COVERED,
    PERIODS,
    REQUIRED,
    WRONG_AMOUNT,
    WRONG_RATE,
    SourceBook,
    parse_rate,
    read_limit,
)
from settlement.domain.policy.document import LEVELS, Amount, Band, Rate, Tilt
from settlement.domain.policy.section import Section, Wrong
from settlement.domain.policy.tree import MapNode, TextNode

LEVEL_WORDS: Mapping[str, int] = {"未定级": 0, "一级": 1, "二级": 2, "三级": 3}

#: A rate in ppm for each (level of the facility, referred).
Rates = dict[tuple[int, bool], int]

_BILLS = [(level, referred) for level in LEVELS for referred in (True, False)]
_WRONG_EDGE: Wrong = (
    "MA-7021",
    "档的边界写成 0元、30000元；最后一档的 to 写“不限”。",
    "write the edge of a band as 0元 or 30000元, and `to` of the last one as 不限.",
)
_NO_BAND = Band(0, None, dict.fromkeys(_BILLS, 0))


def read_rate(section: Section) -> Rate | None:
    """`value: 80%`, a graded `value`, or `bands`; `None` for 不享受."""
    if section.has("bands"):
        _refuse_both(section, "value")
        return Rate(_bands(section), yearly=_is_yearly(section))
    rates = _graded(section, "value")
    if not any(rates.values()) and _is_written(section, "value", NOT_COVERED):
        return None
    return Rate((Band(0, None, rates),), yearly=False)


def tilt_reader(book: SourceBook) -> Callable[[Section], Tilt | None]:
    """A reader of threshold, rate or bands, yearly cap and referral; or of 不享受."""

    def threshold(text: str) -> Amount | None:
        fen = parse_yuan(text)
        return book.amount(text) if fen is None else fen

    def read(section: Section) -> Tilt | None:
        if section.has("value"):
            section.choice("value", {NOT_COVERED: None}, None)
            return None
        yearly = _is_yearly(section)
        return Tilt(
            threshold=section.parsed("threshold", threshold, NO_AMOUNT, WRONG_AMOUNT),
            rate=_tilt_rate(section, yearly=yearly),
            year_cap=read_limit(section, "year_cap", book),
            needs_referral=section.choice("referral", REQUIRED, default=True),
            yearly=yearly,
        )

    return read


def _tilt_rate(section: Section, *, yearly: bool) -> Rate:
    if section.has("bands"):
        _refuse_both(section, "rate")
        return Rate(_bands(section), yearly)
    return Rate((Band(0, None, _graded(section, "rate")),), yearly=False)


def _refuse_both(section: Section, key: str) -> None:
    """One rate, or bands: which of the two counts must not be a guess."""
    if section.has(key):
        section.fault(
            "MA-7015", key,
            zh=f"{key} 和 bands 只能写一项。请删除其中之一。",
            en=f"Write either `{key}` or `bands`. Remove one of them.",
        )  # fmt: skip


def _is_yearly(section: Section) -> bool:
    return section.has("per") and section.choice("per", PERIODS, default=False)


def _is_written(section: Section, key: str, word: str) -> bool:
    node = section.node.entries.get(key)
    return isinstance(node, TextNode) and node.text.strip() == word


def _graded(section: Section, key: str) -> Rates:
    """One rate for every bill, or by `levels`, or `referred` and `unreferred`."""
    if not isinstance(section.node.entries.get(key), MapNode):
        return dict.fromkeys(_BILLS, _leaf(section, key))
    grades = section.section(key)
    if grades.has("levels"):
        levels = grades.section("levels")
        rates = {
            (number, referred): _graded(levels, word)[number, referred]
            for word, number in LEVEL_WORDS.items()
            for referred in (True, False)
        }
        levels.close()
    else:
        rates = {
            (level, referred): _graded(grades, name)[level, referred]
            for name, referred in (("referred", True), ("unreferred", False))
            for level in LEVELS
        }
    grades.close()
    return rates


def _leaf(section: Section, key: str) -> int:
    if _is_written(section, key, NOT_COVERED):
        section.text(key)
        return 0
    return section.parsed(key, parse_rate, 0, WRONG_RATE)


def _bands(section: Section) -> tuple[Band, ...]:
    """The bands in order; every hole and every overlap is a fault."""
    bands = []
    for item in section.items("bands"):
        begins = item.parsed("from", parse_yuan, 0, _WRONG_EDGE)
        ends = item.parsed("to", _edge, -1, _WRONG_EDGE)
        bands.append((item, Band(begins, _limit(ends), _graded(item, "rate"))))
        item.close()
    if not bands:
        section.fault(
            "MA-7021", "bands",
            zh="至少写一档：从 0元 到“不限”。",
            en="Write at least one band: from 0元 to 不限.",
        )  # fmt: skip
        return (_NO_BAND,)
    _check_edges(section, bands)
    return tuple(band for _, band in bands)


def _edge(text: str) -> int | None:
    return -1 if text == NO_LIMIT else parse_yuan(text)


def _limit(fen: int) -> int | None:
    return None if fen < 0 else fen


def _check_edges(section: Section, bands: list[tuple[Section, Band]]) -> None:
    first, last = bands[0][1], bands[-1][1]
    if first.from_fen != 0 or last.to_fen is not None:
        section.fault(
            "MA-7021", "bands",
            zh="第一档从 0元 开始，最后一档到“不限”。",
            en="The first band begins at 0元 and the last one ends at 不限.",
        )  # fmt: skip
    for (_, below), (item, band) in pairwise(bands):
        if below.to_fen is None or band.from_fen != below.to_fen:
            edge = "不限" if below.to_fen is None else f"{yuan_text(below.to_fen)}元"
            item.fault(
                "MA-7021", "from",
                zh=f"与上一档不衔接：上一档到 {edge}，这一档须从那里开始。",
                en=f"A hole or an overlap: the band before ends at {edge}, so this "
                "one begins there.",
            )  # fmt: skip
    for item, band in bands:
        if band.to_fen is not None and band.to_fen <= band.from_fen:
            item.fault(
                "MA-7021", "to",
                zh="上限须大于下限。", en="The end lies above the beginning.",
            )  # fmt: skip

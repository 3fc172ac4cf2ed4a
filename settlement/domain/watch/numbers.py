"""Numbers of alert rules as people write them, each with the source it rests on."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from settlement.domain.decision import Text
from settlement.domain.money import WHOLE_PPM, parse_percent, parse_yuan
from settlement.domain.policy.section import Section, Wrong
from settlement.domain.policy.tree import ListNode

T = TypeVar("T")

#: No detector looks further: what lies longer ago is another matter.
MOST_DAYS = 366

_DAYS = re.compile(r"(0|[1-9][0-9]{0,2})天")
_MINUTES = re.compile(r"([1-9][0-9]{0,3})分钟")
_COUNT = re.compile(r"([1-9][0-9]{0,5})(.)")
_SCORE = re.compile(r"(0|[1-9][0-9]{0,2})分")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_CODE = re.compile(r"MA-[0-9]{4}")
_TENTHS = re.compile(r"([1-9]?[0-9])(?:\.([0-9]))?倍")

WRONG_DAYS: Wrong = (
    "MA-7009",
    f"写成 7天，不超过 {MOST_DAYS}天。",
    f"write it as 7天 (days), at most {MOST_DAYS}天.",
)
WRONG_MINUTES: Wrong = (
    "MA-7009",
    "写成 15分钟，不超过 1440分钟。",
    "write it as 15分钟 (minutes), at most 1440分钟.",
)
WRONG_SCORE: Wrong = (
    "MA-7009",
    "分值写成 60分，0分 至 100分。",
    "write a score as 60分, from 0分 to 100分.",
)
WRONG_YUAN: Wrong = (
    "MA-7010",
    "金额写成 500元 或 64.50元，大于 0，不带逗号，最多两位小数。",
    "write an amount as 500元 or 64.50元: above 0, no separators, two decimals.",
)
WRONG_PERCENT: Wrong = (
    "MA-7011",
    "比例写成 5% 或 2.5%，不超过 100%。",
    "write a share as 5% or 2.5%, at most 100%.",
)
WRONG_TIMES: Wrong = (
    "MA-7009",
    "倍数写成 3.5倍，大于 0。",
    "write a multiple as 3.5倍, above 0.",
)


@dataclass(frozen=True, slots=True)
class NumberSource:
    """Where numbers of the rules come from."""

    kind: str
    """`published`, `measured` or `choice`."""
    says: Text


class SourceTable:
    """The sources of a document, and which of them a number rests on."""

    def __init__(self, sources: Mapping[str, NumberSource]) -> None:
        self._sources = sources
        self._cited: set[str] = set()

    def cite(self, section: Section) -> None:
        """Read the source that a section names."""
        self._cited.add(section.one_of("source", self._sources, "sources"))

    def uncited(self) -> list[str]:
        """Sources that nothing rests on."""
        return [key for key in self._sources if key not in self._cited]


class Numbers:
    """The numbers of one detector, or of one row of a table of it.

    A number of a detector is written `{value: 7天, source: s}`; a row is one group of
    plain texts with one `source` for all of them.
    """

    def __init__(
        self, section: Section, sources: SourceTable, *, is_row: bool = False
    ) -> None:
        self.section = section
        self._sources = sources
        self._is_row = is_row

    def has(self, key: str) -> bool:
        """Whether the document gives it: for what may be left out."""
        return self.section.has(key)

    def days(self, key: str) -> int:
        """`7天`."""
        return self._take(key, parse_days, 1, WRONG_DAYS)

    def minutes(self, key: str) -> int:
        """`15分钟`."""
        return self._take(key, parse_minutes, 1, WRONG_MINUTES)

    def count(self, key: str, unit: str, at_least: int = 1) -> int:
        """A number of something with its measure word, such as `5次`."""

        def parse(text: str) -> int | None:
            match = _COUNT.fullmatch(text)
            if match is None or match[2] != unit or int(match[1]) < at_least:
                return None
            return int(match[1])

        wrong = (
            "MA-7009",
            f"写成 {at_least}{unit} 或更多。",
            f"write it as {at_least}{unit} or more.",
        )
        return self._take(key, parse, at_least, wrong)

    def percent(self, key: str) -> int:
        """A share in parts per million."""
        return self._take(key, _share, 0, WRONG_PERCENT)

    def yuan(self, key: str) -> int:
        """An amount above 0, in fen."""
        return self._take(key, lambda text: parse_yuan(text) or None, 1, WRONG_YUAN)

    def tenths(self, key: str) -> int:
        """A multiple such as `3.5倍`, in tenths."""
        return self._take(key, parse_tenths, 10, WRONG_TIMES)

    def word(self, key: str, allowed: Mapping[str, T], default: T) -> T:
        """One word of a closed list, in a row."""
        return self.section.choice(key, allowed, default)

    def words(self, key: str, allowed: Collection[str] | None) -> tuple[str, ...]:
        """A list of words of a closed list, or of reason codes; at least one."""
        cell = self.section if self._is_row else self.section.section(key)
        field = key if self._is_row else "value"
        words = cell.texts(field)
        if isinstance(cell.node.entries.get(field), ListNode):
            wrong = [word for word in words or [""] if not _is_word(word, allowed)]
            for word in wrong:
                known = "、".join(allowed or ("MA-2102",))
                cell.fault(
                    "MA-7009", field,
                    zh=f"“{word}”不可用；写成列表，至少一项：{known}。",
                    en=f"`{word}` cannot be used; write a list of at least one of "
                    f"{known.replace('、', ', ')}.",
                )  # fmt: skip
        if not self._is_row:
            self._close(cell)
        return words

    def clock_times(self, key: str) -> frozenset[tuple[int, int]]:
        """A list of times such as `00:00`; may be empty."""
        cell = self.section.section(key)
        texts = cell.texts("value")
        matches = [_CLOCK.fullmatch(text) for text in texts]
        if None in matches:
            cell.fault(
                "MA-7009", "value",
                zh="时刻写成 '08:00'。", en="write a time as '08:00'.",
            )  # fmt: skip
        self._close(cell)
        return frozenset((int(match[1]), int(match[2])) for match in matches if match)

    def rows(self, key: str) -> Iterator[Numbers]:
        """The rows of a table, each closed once it was read; at least one."""
        rows = [
            Numbers(item, self._sources, is_row=True)
            for item in self.section.items(key)
        ]
        if not rows and self.section.has(key):
            self.section.fault(
                "MA-7007", key,
                zh="至少写一行。", en="Write at least one row.",
            )  # fmt: skip
        for row in rows:
            yield row
            row._close(row.section)  # noqa: SLF001  # of the same class

    def _take(
        self, key: str, parse: Callable[[str], T | None], default: T, wrong: Wrong
    ) -> T:
        if self._is_row:
            return self.section.parsed(key, parse, default, wrong)
        cell = self.section.section(key)
        value = cell.parsed("value", parse, default, wrong)
        self._close(cell)
        return value

    def _close(self, cell: Section) -> None:
        self._sources.cite(cell)
        cell.close()


def _is_word(word: str, allowed: Collection[str] | None) -> bool:
    if allowed is None:
        return _CODE.fullmatch(word) is not None
    return word in allowed


def parse_days(text: str) -> int | None:
    """`7天`; `None` for anything else."""
    match = _DAYS.fullmatch(text)
    days = int(match[1]) if match else MOST_DAYS + 1
    return days if days <= MOST_DAYS else None


def parse_minutes(text: str) -> int | None:
    """`15分钟`, no more than a day's; `None` for anything else."""
    match = _MINUTES.fullmatch(text)
    minutes = int(match[1]) if match else 0
    return minutes if 0 < minutes <= 24 * 60 else None


def parse_score(text: str) -> int | None:
    """`60分`, 0 to 100; `None` for anything else."""
    match = _SCORE.fullmatch(text)
    score = int(match[1]) if match else 101
    return score if score <= 100 else None  # noqa: PLR2004  # the scale ends there


def parse_tenths(text: str) -> int | None:
    """`3.5倍` in tenths; `None` for anything else and for 0."""
    match = _TENTHS.fullmatch(text)
    return (int(match[1]) * 10 + int(match[2] or 0)) or None if match else None


def _share(text: str) -> int | None:
    ppm = parse_percent(text)
    return ppm if ppm is not None and ppm <= WHOLE_PPM else None

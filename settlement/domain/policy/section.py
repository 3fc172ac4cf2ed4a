"""Reading typed values off the tree: each fault noted with line, field and remedy.

A reader that finds a fault notes it and returns a harmless value of the right type,
so that reading goes on; the caller raises before any such value can be used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date
from typing import TypeVar

from settlement.domain.decision import Text
from settlement.domain.policy.faults import FaultList
from settlement.domain.policy.tree import ListNode, MapNode, Node, TextNode

T = TypeVar("T")

#: Ids of categories, pots, instruments and sources.
IDENTIFIER = re.compile(r"[a-z][a-z0-9_-]{0,47}")

_MAX_TEXT = 2000


class Section:
    """One mapping of the document, read key by key."""

    def __init__(
        self, node: MapNode, path: str, faults: FaultList, line: int | None = None
    ) -> None:
        self.node = node
        self.path = path
        self.faults = faults
        self.line = node.line if line is None else line
        """The line of the key that the section stands under, or of its first key."""
        self._read: set[str] = set()

    def field(self, key: str) -> str:
        """The full path of a key."""
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        """Whether an optional key is written; makes it a known one."""
        self._read.add(key)
        return key in self.node.entries

    def line_of(self, key: str) -> int:
        """The line of the key, or of the section where the key is missing."""
        return self.node.key_lines.get(key, self.line)

    def fault(self, code: str, key: str, *, zh: str, en: str) -> None:
        """Note a fault at one key."""
        self.faults.add(code, self.line_of(key), self.field(key), zh=zh, en=en)

    def fault_below(self, code: str, *keys: str, zh: str, en: str) -> None:
        """Note a fault at a value some levels below, named by its keys."""
        section, line = self.node, self.line
        for key in keys:
            line = section.key_lines[key]
            below = section.entries[key]
            if isinstance(below, MapNode):
                section = below
        self.faults.add(code, line, ".".join(keys), zh=zh, en=en)

    def close(self) -> None:
        """Note every key that nobody read: the schema is closed."""
        for key in self.node.entries:
            if key not in self._read:
                known = "、".join(sorted(self._read))
                self.fault(
                    "MA-7006", key,
                    zh=f"未知的键。此处可用：{known}。",
                    en=f"Unknown key. Known here: {known.replace('、', ', ')}.",
                )  # fmt: skip

    def node_at(self, key: str) -> Node | None:
        """The value of a key that must be there; `None` after noting a fault."""
        self._read.add(key)
        node = self.node.entries.get(key)
        if node is None:
            self.fault(
                "MA-7007", key, zh="缺少此项，请补写。", en="Missing. Write it down."
            )
        return node

    def section(self, key: str) -> Section:
        """A mapping below this one.

        Where there is none, one fault is noted and the section given is empty and
        silent, so that its missing content is not complained about again.
        """
        node = self.node_at(key)
        if isinstance(node, MapNode):
            return Section(node, self.field(key), self.faults, self.line_of(key))
        if node is not None:
            self._wrong_shape(key, "“键: 值”的组", "a group of `key: value`")
        return Section(MapNode(self.line_of(key)), self.field(key), FaultList())

    def sections(self, key: str) -> Iterator[tuple[str, Section]]:
        """The named mappings below a key, each with its own id."""
        group = self.section(key)
        if not group.node.entries:
            group.faults.add(
                "MA-7007", group.line, group.path,
                zh="至少要有一项。", en="At least one entry is needed.",
            )  # fmt: skip
        for name in group.node.entries:
            if IDENTIFIER.fullmatch(name) is None:
                group.fault(
                    "MA-7009", name,
                    zh="编号只能用小写字母、数字、- 和 _，以字母开头。",
                    en="An id has lower-case letters, digits, - and _, letter first.",
                )  # fmt: skip
            yield name, group.section(name)

    def items(self, key: str) -> Iterator[Section]:
        """The mappings of a list below a key."""
        node = self.node_at(key)
        if node is None:
            return
        if not isinstance(node, ListNode):
            self._wrong_shape(key, "以 - 开头的列表", "a list of `- ` entries")
            return
        for number, item in enumerate(node.items, start=1):
            path = f"{self.field(key)}[{number}]"
            if isinstance(item, MapNode):
                yield Section(item, path, self.faults)
            else:
                self.faults.add(
                    "MA-7008", item.line, path,
                    zh="应为“键: 值”的组。", en="Write a group of `key: value`.",
                )  # fmt: skip

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of short texts; may be empty."""
        node = self.node_at(key)
        if node is None:
            return ()
        if isinstance(node, ListNode):
            texts = tuple(
                item.text
                for item in node.items
                if isinstance(item, TextNode) and item.text
            )
            if len(texts) == len(node.items):
                return texts
        self._wrong_shape(key, "文字的列表，如 [甲, 乙]", "a list of texts: [a, b]")
        return ()

    def text(self, key: str, pattern: re.Pattern[str] | None = None) -> str:
        """One text, not empty, in the given form."""
        node = self.node_at(key)
        if node is None:
            return ""
        if not isinstance(node, TextNode):
            self._wrong_shape(key, "一段文字", "one text")
            return ""
        text = node.text.strip()
        if not text or len(text) > _MAX_TEXT:
            self.fault(
                "MA-7009", key,
                zh=f"应有 1 至 {_MAX_TEXT} 个字。",
                en=f"Write 1 to {_MAX_TEXT} characters.",
            )  # fmt: skip
        elif pattern is not None and pattern.fullmatch(text) is None:
            self.fault(
                "MA-7009", key,
                zh=f"“{text}”格式不符（{pattern.pattern}）。",
                en=f"`{text}` has not the form {pattern.pattern}.",
            )  # fmt: skip
        return text

    def optional_text(self, key: str) -> str:
        """One text, or empty where the key is not written."""
        return self.text(key) if self.has(key) else ""

    def both(self, key: str) -> Text:
        """A text in Chinese and English."""
        return self.section(key).title()

    def title(self) -> Text:
        """This section as a text in Chinese and English, and nothing else."""
        text = Text(self.text("zh"), self.text("en"))
        self.close()
        return text

    def choice(self, key: str, allowed: Mapping[str, T], default: T) -> T:
        """One word of a closed list; `default` after noting a fault."""
        word = self.text(key)
        if word in allowed:
            return allowed[word]
        if word:
            words = "、".join(allowed)
            self.fault(
                "MA-7009", key,
                zh=f"“{word}”不在可选值中：{words}。",
                en=f"`{word}` is not one of {words.replace('、', ', ')}.",
            )  # fmt: skip
        return default

    def parsed(
        self, key: str, parse: Callable[[str], T | None], default: T, fault: Wrong
    ) -> T:
        """One text turned into a value; `parse` gives `None` for a wrong one."""
        text = self.text(key)
        if not text:
            return default
        value = parse(text)
        if value is None:
            code, zh, en = fault
            self.fault(code, key, zh=f"“{text}”：{zh}", en=f"`{text}`: {en}")
            return default
        return value

    def day(self, key: str) -> date:
        """A day as `2026-01-31`."""
        return self.parsed(key, parse_day, date.min, WRONG_DAY)

    def one_of(self, key: str, known: Iterable[str], what: str) -> str:
        """The id of something that the document defines elsewhere."""
        name = self.text(key)
        if name and name not in known:
            self.fault(
                "MA-7013", key,
                zh=f"没有定义“{name}”，请在 {what} 下写明。",
                en=f"`{name}` is not defined; write it under {what}.",
            )  # fmt: skip
        return name

    def names(self, key: str, known: Collection[str], what: str) -> tuple[str, ...]:
        """A list of ids that the document defines elsewhere, at least one."""
        names = self.texts(key)
        unknown = [name for name in names if name not in known]
        if unknown or not names:
            self.fault(
                "MA-7013", key,
                zh=f"应为 {what} 下已定义的编号：{'、'.join(known)}。",
                en=f"Write ids defined under {what}: {', '.join(known)}.",
            )  # fmt: skip
        return names

    def _wrong_shape(self, key: str, zh: str, en: str) -> None:
        self.fault("MA-7008", key, zh=f"应为{zh}。", en=f"Write {en}.")


#: Code, and what to write instead in Chinese and English.
Wrong = tuple[str, str, str]

WRONG_DAY: Wrong = (
    "MA-7012",
    "不是有效日期，请写成 2026-01-31。",
    "no valid day; write it as 2026-01-31.",
)

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_day(text: str) -> date | None:
    """The day of a text such as `2026-01-31`; `None` for anything else."""
    if _DAY.fullmatch(text) is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None

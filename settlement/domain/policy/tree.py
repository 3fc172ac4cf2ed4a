"""YAML as a tree of texts with line numbers: the small, safe part of the language.

Every scalar stays the text that the officer wrote, so nothing turns into a float,
a boolean or an octal number. Anchors, aliases, tags, duplicate keys and keys that
are no plain text are refused; aliases are never expanded, so no small document can
grow large. Size, depth and number of nodes are limited.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import yaml
from yaml.error import Mark

from settlement.domain.policy.faults import FaultList

if TYPE_CHECKING:
    from yaml._yaml import Mark as CMark

#: A city's pack with all its worked cases has some 60 kB.
MAX_BYTES = 512 * 1024
#: The deepest rule is a band's rate by level and referral: nine groups, one in another.
MAX_DEPTH = 9
MAX_NODES = 50_000


@dataclass(frozen=True, slots=True)
class TextNode:
    """One value as written."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list, in order."""

    line: int
    items: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MapNode:
    """Keys with their values, in the order of the document."""

    line: int
    entries: dict[str, Node] = field(default_factory=dict)
    key_lines: dict[str, int] = field(default_factory=dict)


Node: TypeAlias = TextNode | ListNode | MapNode


def read_tree(document: bytes) -> MapNode:
    """The document's one mapping. Raises `PolicyError` with every fault found."""
    faults = FaultList()
    builder = _Builder(faults)
    text = _decode(document, faults)
    try:
        for event in yaml.parse(text, Loader=yaml.BaseLoader):
            if not builder.accept(event):
                break
    except yaml.MarkedYAMLError as error:
        faults.add(
            "MA-7002", _line(error.problem_mark), "",
            zh=f"不是有效的 YAML：{error.problem}。请检查缩进、引号和括号。",
            en=f"Not valid YAML: {error.problem}. "
            "Check indentation, quotes and brackets.",
        )  # fmt: skip
    except yaml.YAMLError:
        faults.add(
            "MA-7002", 0, "",
            zh="含有 YAML 不允许的字符。请删除控制字符。",
            en="Contains characters that YAML forbids. Remove control characters.",
        )  # fmt: skip
    faults.raise_if_any()
    return _root(builder.roots, faults)


def _decode(document: bytes, faults: FaultList) -> str:
    if len(document) > MAX_BYTES:
        faults.stop(
            "MA-7001", 0, "",
            zh=f"文件超过 {MAX_BYTES} 字节。请拆分或删减。",
            en=f"The document is larger than {MAX_BYTES} bytes. Make it smaller.",
        )  # fmt: skip
    try:
        return document.decode("utf-8")
    except UnicodeDecodeError as error:
        return faults.stop(
            "MA-7002", document.count(b"\n", 0, error.start) + 1, "",
            zh="不是 UTF-8 编码。请以 UTF-8 保存。",
            en="Not UTF-8. Save the file as UTF-8.",
        )  # fmt: skip


def _root(roots: list[Node], faults: FaultList) -> MapNode:
    root = roots[0] if len(roots) == 1 else None
    if isinstance(root, MapNode):
        return root
    return faults.stop(
        "MA-7002", roots[1].line if len(roots) > 1 else 1, "",
        zh="文件必须只含一份由“键: 值”组成的文档。",
        en="The file must hold exactly one document made of `key: value` lines.",
    )  # fmt: skip


def _line(mark: Mark | CMark | None) -> int:
    return mark.line + 1 if mark is not None else 0


class _Builder:
    """Puts parser events together; never deeper or larger than the limits."""

    def __init__(self, faults: FaultList) -> None:
        self.roots: list[Node] = []
        self._faults = faults
        self._open: list[ListNode | MapNode] = []
        self._keys: list[TextNode | None] = []
        self._nodes = 0

    def accept(self, event: yaml.Event) -> bool:
        """Take one event in; `False` when reading on would serve nobody."""
        line = _line(event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            self._refuse_reference(line)
            return self._place(TextNode(line, ""))
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            if event.anchor is not None:
                self._refuse_reference(line)
            return self._accept_node(event, line)
        if isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._keys.pop()
        return True

    def _accept_node(
        self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, line: int
    ) -> bool:
        if event.tag is not None:
            self._faults.add(
                "MA-7005", line, "",
                zh=f"不允许使用标签 {event.tag}。请删除以 ! 开头的部分。",
                en=f"The tag {event.tag} is not allowed. Remove the part after `!`.",
            )  # fmt: skip
        if isinstance(event, yaml.ScalarEvent):
            return self._place(TextNode(line, event.value))
        container: ListNode | MapNode = (
            MapNode(line)
            if isinstance(event, yaml.MappingStartEvent)
            else ListNode(line)
        )
        placed = self._place(container)
        self._open.append(container)
        self._keys.append(None)
        return placed

    def _place(self, node: Node) -> bool:
        self._nodes += 1
        if self._nodes > MAX_NODES or len(self._open) > MAX_DEPTH:
            self._faults.add(
                "MA-7001", node.line, "",
                zh=f"嵌套超过 {MAX_DEPTH} 层，或内容超过 {MAX_NODES} 项。请简化。",
                en=f"Nested deeper than {MAX_DEPTH} levels or more than {MAX_NODES} "
                "values. Make it simpler.",
            )  # fmt: skip
            return False
        if not self._open:
            self.roots.append(node)
            return True
        parent = self._open[-1]
        if isinstance(parent, ListNode):
            parent.items.append(node)
            return True
        return self._place_in_map(parent, node)

    def _place_in_map(self, parent: MapNode, node: Node) -> bool:
        key = self._keys[-1]
        if key is not None:
            self._keys[-1] = None
            parent.entries.setdefault(key.text, node)
            return True
        if not isinstance(node, TextNode):
            self._faults.add(
                "MA-7002", node.line, "",
                zh="键必须是文字。", en="A key must be plain text.",
            )  # fmt: skip
            return False
        if node.text in parent.key_lines:
            first = parent.key_lines[node.text]
            self._faults.add(
                "MA-7003", node.line, node.text,
                zh=f"该键在第 {first} 行已经出现。请删除其中一处。",
                en=f"This key stands in line {first} already. Remove one of them.",
            )  # fmt: skip
        parent.key_lines.setdefault(node.text, node.line)
        self._keys[-1] = node
        return True

    def _refuse_reference(self, line: int) -> None:
        self._faults.add(
            "MA-7004", line, "",
            zh="不允许使用锚点 & 和引用 *。请把内容写全。",
            en="Anchors (&) and aliases (*) are not allowed. Write the content out.",
        )  # fmt: skip

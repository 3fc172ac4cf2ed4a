"""A small pack as text, with every cell open to change: for loader and engine tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from settlement.domain.policy import PolicyError, PolicyFault, compile_pack
from settlement.domain.reasons import REASONS

CARES = ("outpatient", "outpatient_special", "emergency", "inpatient")
CATEGORIES = ("jia", "yi")

_HEAD = Path(__file__).with_name("small-pack-head.yaml").read_text("utf-8")

_CASES = """\
cases:
  - name: 算例
    given: {categories: [jia], care: outpatient, on: 2026-01-05, in_policy: 100元}
    expect: {in_force: 是}
"""

Cells = Mapping[tuple[str, str, str], str]


def small_pack(cells: Cells | None = None, **changes: str) -> str:
    """The pack with cells `(table, category, column)` and lines changed.

    `changes` maps a key of the head, with its path joined by `__`, to the text that
    takes the place of its value.
    """
    cells = cells or {}
    defaults = {
        "rates": "value: 80%",
        "deductibles": "value: 无",
        "visit_caps": "value: 不限",
        "tilt": "value: 不享受",
    }
    lines = [_changed(_HEAD, changes)]
    for table, default in defaults.items():
        lines.append(f"{table}:\n")
        lines.extend(_rows(table, CARES, default, cells))
    lines.append("year_caps:\n")
    lines.extend(_rows("year_caps", ("outpatient", "inpatient"), "value: 不限", cells))
    lines.append(_CASES)
    return "".join(lines)


def _rows(
    table: str, columns: tuple[str, ...], default: str, cells: Cells
) -> list[str]:
    rows = []
    for category in CATEGORIES:
        rows.append(f"  {category}:\n")
        rows.extend(
            f"    {column}: {{{cells.get((table, category, column), default)}, "
            "source: s}\n"
            for column in columns
        )
    return rows


def _changed(head: str, changes: Mapping[str, str]) -> str:
    """Swap values of keys named `key` or `group__key`, one line each."""
    lines = head.splitlines(keepends=True)
    for path, value in changes.items():
        group, _, key = path.rpartition("__")
        start = (
            next(at for at, line in enumerate(lines) if line.startswith(f"{group}:"))
            if group
            else -1
        )
        indent = "  " if group else ""
        at = next(
            at
            for at, line in enumerate(lines)
            if at > start and line.startswith(f"{indent}{key}:")
        )
        lines[at] = f"{indent}{key}: {value}\n"
    return "".join(lines)


def line_of(text: str, start: str, *, after: str = "") -> int:
    """The number of the first line that begins so, below the line `after`."""
    lines = text.splitlines()
    first = lines.index(after) + 1 if after else 0
    return next(
        number
        for number, line in enumerate(lines[first:], start=first + 1)
        if line.startswith(start)
    )


SMALL = small_pack()


def faults_of(text: str | bytes) -> tuple[PolicyFault, ...]:
    """The faults of a document that must have some."""
    document = text.encode() if isinstance(text, str) else text
    with pytest.raises(PolicyError) as caught:
        compile_pack(document)
    assert caught.value.faults
    for fault in caught.value.faults:
        assert fault.code in REASONS
        assert fault.text.zh
        assert fault.text.en
        assert fault.code in str(fault)
    assert str(caught.value.faults[0]) in str(caught.value)
    return caught.value.faults


def swap(old: str, new: str) -> str:
    """The small pack with one piece of text replaced, which must occur."""
    assert SMALL.count(old) >= 1, old
    return SMALL.replace(old, new, 1)


def cell(table: str, text: str, care: str = "outpatient") -> str:
    """The small pack with one cell of category `jia` written anew."""
    return small_pack({(table, "jia", care): text})

"""A small pack as text, with every cell open to change: for loader and engine tests."""

from __future__ import annotations

from collections.abc import Mapping

CARES = ("outpatient", "outpatient_special", "emergency", "inpatient")
CATEGORIES = ("jia", "yi")

_HEAD = """\
schema: medaid-pack/1
id: small
version: '1'
title: {zh: 小政策, en: Small policy}
scheme: {zh: 小制度, en: Small scheme}
jurisdiction: '990101'
fictional: 是
in_force: {from: 2020-01-01, to: 2029-12-31, source: s}
known_since: 2019-12-01
instruments:
  d: {number: 测〔2019〕1号, title: 测试, issued: 2019-12-01, published: unconfirmed, address: 无处}
sources:
  s: {instrument: d, article: 第一条, quote: 原文。, status: confirmed}
year: {value: calendar_year, source: s}
rounding: {value: half_up, source: s}
filing_limit: {value: 无, source: s}
several_identities: {value: 就高不重复, source: s}
pots:
  outpatient: {zh: 门诊, en: outpatient}
  inpatient: {zh: 住院, en: inpatient}
categories:
  jia:
    title: {zh: 甲类人员, en: Category A}
    short: {zh: 甲类, en: A}
    aliases: [甲]
    national_codes: ['7001']
    source: s
  yi:
    title: {zh: 乙类人员, en: Category B}
    short: {zh: 乙类, en: B}
    aliases: [乙, 乙 等]
    national_codes: []
    source: s
care:
  outpatient: {title: {zh: 门诊, en: outpatient}, pot: {value: outpatient, source: s}, day: {value: service_start, source: s}, referral: {value: 不要求, source: s}}
  outpatient_special: {title: {zh: 特病, en: special}, pot: {value: inpatient, source: s}, day: {value: service_start, source: s}, referral: {value: 不要求, source: s}}
  emergency: {title: {zh: 急诊, en: emergency}, pot: {value: outpatient, source: s}, day: {value: service_start, source: s}, referral: {value: 不要求, source: s}}
  inpatient: {title: {zh: 住院, en: inpatient}, pot: {value: inpatient, source: s}, day: {value: service_end, source: s}, referral: {value: 要求, source: s}}
places:
  local: {value: 按账单, source: s}
  filed_elsewhere: {value: 视为已转诊, source: s}
  unfiled: {value: 视为未转诊, source: s}
base:
  costs: {value: 政策范围内费用, source: s}
  pre_selfpay: {value: 不计入, source: s}
  commercial: {value: 不扣除, source: s}
  charity: {value: 不扣除, source: s}
  top_up: {value: 不允许, source: s}
"""

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
            f"    {column}: {{{cells.get((table, category, column), default)}, source: s}}\n"
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

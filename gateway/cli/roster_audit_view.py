"""What `medaid roster audit` shows: JSON, a summary, and one page with a picture.

Persons and households are tokens: who may know more asks the bureau by them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from gateway.cli.policy_charts import Bar, bars_chart
from gateway.cli.policy_html import Cell, heading, line, page, table
from settlement.service.roster_audit import CHECKS, Audit
from settlement.store.roster_audit import AuditRow

_NOWHERE = "—"
_HEADERS = ("人员代号 person", "户代号 household", "街道 sub-district", "类别 category",
            "日期 days")  # fmt: skip


def audit_document(found: Audit) -> dict[str, Any]:
    """Everything as JSON values."""
    return {
        "day": found.rules.day.isoformat(),
        "checks": {
            code: {
                "title": {"zh": check.title.zh, "en": check.title.en},
                "next_step": {"zh": check.next_step.zh, "en": check.next_step.en},
                "total": found.lists[code].total,
                "items": [_item(row) for row in found.lists[code].rows],
            }
            for code, check in CHECKS.items()
            if code in found.lists
        },
        "counts": [
            {"subdistrict": c.subdistrict, "category": c.category, "persons": c.persons}
            for c in found.counts
        ],
    }


def _item(row: AuditRow) -> dict[str, Any]:
    return {
        "person": row.person.hex() if row.person else None,
        "household": row.household.hex() or None,
        "subdistrict": row.subdistrict,
        "categories": list(row.categories),
        "first_day": row.first_day.isoformat(),
        "last_day": row.last_day.isoformat() if row.last_day else None,
    }


def audit_summary(found: Audit) -> Iterator[str]:
    """A line for each check, then one for each category."""
    for code, check in CHECKS.items():
        if code in found.lists:
            total = found.lists[code].total
            yield f"{total:>9,}  {check.title.zh} {check.title.en}"
    yield ""
    for category, persons in _sums(found, by_category=True).items():
        yield f"{persons:>9,}  {_name(found, category)}"


def audit_page(found: Audit) -> str:
    """One file without script or outside resource."""
    day = found.rules.day.isoformat()
    return page(f"名册核查 {day}", f"名册核查 roster audit · {day}", _parts(found))


def _parts(found: Audit) -> Iterator[str]:
    yield heading("救助对象名册核查", f"roster audit, {found.rules.day}", level=1)
    yield line("人员与家庭以代号表示，不含姓名、卡号、身份证号。")
    yield line("Persons and households are tokens; no name, card or number.", "quiet")
    yield heading("各类别人数", "persons by category")
    yield bars_chart("各类别人数 persons by category", _bars(found, by_category=True))
    yield heading("各街道人数", "persons by sub-district")
    yield bars_chart(
        "各街道人数 persons by sub-district", _bars(found, by_category=False)
    )
    yield _matrix(found)
    for code, check in CHECKS.items():
        if code not in found.lists:
            continue
        listed = found.lists[code]
        yield heading(f"{check.title.zh}：{listed.total:,}", check.title.en)
        yield line(check.next_step.zh)
        yield line(check.next_step.en, "quiet")
        if listed.rows:
            yield line(f"日期 days: {check.days.zh} {check.days.en}", "quiet")
            yield table(_HEADERS, [_row(found, row) for row in listed.rows])
        hidden = listed.total - len(listed.rows)
        if hidden:
            yield line(f"另有 {hidden:,} 项未列出 not listed", "quiet")


def _row(found: Audit, row: AuditRow) -> tuple[str, ...]:
    last = row.last_day.isoformat() if row.last_day else "…"
    return (
        Cell(row.person.hex() if row.person else _NOWHERE, "id"),
        Cell(row.household.hex() or _NOWHERE, "id"),
        row.subdistrict or _NOWHERE,
        "、".join(_name(found, category) for category in row.categories),
        f"{row.first_day} – {last}",
    )


def _bars(found: Audit, *, by_category: bool) -> Sequence[Bar]:
    """Categories in Chinese alone, which fits: the table below has both languages."""
    return [
        Bar(found.titles.get(key, (key, ""))[0], persons, f"{persons:,}")
        for key, persons in _sums(found, by_category=by_category).items()
    ]


def _matrix(found: Audit) -> str:
    categories = sorted({count.category for count in found.counts})
    persons = {(c.subdistrict, c.category): c.persons for c in found.counts}
    return table(
        ("街道 sub-district", *(_name(found, each) for each in categories)),
        [
            (place or _NOWHERE, *(
                Cell(f"{persons.get((place, each), 0):,}", "n") for each in categories
            ))
            for place in sorted({count.subdistrict for count in found.counts})
        ],
    )  # fmt: skip


def _sums(found: Audit, *, by_category: bool) -> dict[str, int]:
    """Who has two categories counts in each."""
    sums: dict[str, int] = defaultdict(int)
    for count in found.counts:
        key = count.category if by_category else count.subdistrict or _NOWHERE
        sums[key] += count.persons
    return dict(sums)


def _name(found: Audit, category: str) -> str:
    zh, en = found.titles.get(category, (category, ""))
    return f"{zh} {en}".strip()

"""The picture of a case: every claim is in it, and nothing of a claim is markup."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from gateway.cli.alerts_page import case_page
from gateway.cli.alerts_timeline import timeline
from settlement.service.watch.work import (
    CaseClaim,
    CaseEvent,
    ListedCase,
    OpenedCase,
)
from tests.support.browser import Browser

_SVG = "{http://www.w3.org/2000/svg}"
_AT = datetime(2026, 1, 5, 2, tzinfo=UTC)
EVIL = "<script>document.title='owned'</script>\"'&]]>"


def claim(number: int, day: date = date(2026, 1, 5), **changes: object) -> CaseClaim:
    """A visit of one day at H001, changed as told."""
    plain = CaseClaim(
        id=number.to_bytes(16),
        visit_no=f"MZ-{number}",
        facility="H001",
        place="990101001",
        person=b"p" * 16,
        operator="w1",
        care_type="outpatient",
        service_start=day,
        service_end=day,
        occurred_at=datetime.combine(day, time(2), UTC),
        settled_at=_AT,
        total_fen=10_000,
        aid_fen=5_000,
        state=b"s",
        reason="MA-2000",
        confirm_reason=None,
        repeat_reason=None,
        reversed_at=None,
        recovery_ordered_at=None,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # members of a claim


def _parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314  # our own picture


def _groups(svg: str) -> list[ET.Element]:
    return _parsed(svg).findall(f"{_SVG}g")


def _bar(group: ET.Element) -> tuple[int, int, int]:
    rect = group.find(f"{_SVG}rect")
    assert rect is not None
    return int(rect.attrib["x"]), int(rect.attrib["y"]), int(rect.attrib["width"])


def test_stays_are_as_long_as_their_days_and_lie_where_they_belong() -> None:
    """A stay of ten days is ten times as long as one of a day; days go to the right."""
    first = date(2026, 1, 1)
    claims = [
        claim(n, first + timedelta(days=n * 20), service_end=first
              + timedelta(days=n * 20 + nights), care_type="inpatient")
        for n, nights in enumerate((9, 19, 0))
    ]  # fmt: skip

    bars = [_bar(group) for group in _groups(timeline("t", claims, []))]

    assert [x for x, _, _ in bars] == sorted(x for x, _, _ in bars)
    assert abs(bars[1][2] - 2 * bars[0][2]) <= 4
    assert bars[2][2] < bars[0][2]
    assert max(x + wide for x, _, wide in bars) <= 820


def test_a_row_for_each_hospital_and_no_mark_hides_another() -> None:
    """Claims of one day at one hospital lie beneath each other."""
    claims = [claim(n) for n in range(5)] + [claim(9, facility="H002")]

    bars = [_bar(group) for group in _groups(timeline("t", claims, []))]

    assert len(set(bars)) == len(bars)
    assert bars[5][1] > max(y for _, y, _ in bars[:5])
    names = re.findall(r">(H00\d)<", timeline("t", claims, []))
    assert names == ["H001", "H002"]


def test_reversed_ones_are_struck_members_marked_declined_hollow() -> None:
    """Each by itself, so that no one colour says two things."""
    claims = [
        claim(1, reversed_at=_AT, state=b"r"),
        claim(2),
        claim(3, state=b"d", reason="MA-2102"),
    ]

    groups = _groups(timeline("t", claims, [claims[1].id]))

    struck = [group.find(f"{_SVG}line") is not None for group in groups]
    assert struck == [True, False, False]
    kinds = [group.find(f"{_SVG}rect").attrib["class"] for group in groups]  # type: ignore[union-attr]  # each has one
    assert kinds == ["other", "member", "other"]
    fills = {group.find(f"{_SVG}rect").attrib["fill"] for group in groups}  # type: ignore[union-attr]  # each has one
    assert len(fills) == 3


@pytest.mark.parametrize("days", [0, 1, 30, 400, 3_000])
def test_the_axis_names_days_and_few_of_them(days: int) -> None:
    """From a day to ten years; the first day is named."""
    first = date(2020, 2, 29)
    claims = [claim(1, first), claim(2, first + timedelta(days=days))]

    named = re.findall(r">(\d{4}-\d{2}-\d{2})<", timeline("t", claims, []))

    assert named[0] == "2020-02-29"
    assert len(named) <= 9 or days > 366 * 9


def test_nothing_of_a_claim_is_markup(browser: Browser, tmp_path: Path) -> None:
    """A hostile hospital, visit, operator, note and officer stay text, in a browser."""
    hostile = claim(1, facility=EVIL, visit_no=EVIL, operator=EVIL, care_type=EVIL)
    case = ListedCase(
        id=b"c" * 16,
        person=None,
        household=None,
        facility=EVIL,
        state="assigned",
        assignee=EVIL,
        score=50,
        opened_at=_AT,
        closed_at=None,
        alerts=0,
        detectors=(),
    )
    history = [CaseEvent(1, _AT, EVIL, EVIL, EVIL)]
    page = case_page(OpenedCase(case, [], [hostile], history))
    picture = timeline(EVIL, [hostile], [])
    for text, name in ((page, "case.html"), (picture, "case.svg")):
        assert "<script" not in text
        (tmp_path / name).write_text(text, "utf-8")
    _parsed(picture)

    shown = browser.page((tmp_path / "case.html").as_uri())

    assert "<title>owned" not in shown
    assert "&lt;script&gt;" in shown


def test_a_case_without_claims_has_no_picture() -> None:
    """Nothing to show, and nothing that fails."""
    assert not timeline("t", [], [])

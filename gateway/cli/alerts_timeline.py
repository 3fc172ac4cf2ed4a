"""A case's claims as a picture: days along the axis, a row for each hospital.

One inline SVG without script or outside resource; everything that comes from a claim
is escaped here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from html import escape
from typing import NamedTuple

from gateway.cli.alerts_words import CARE, became_of
from settlement.domain.calendar import SHANGHAI
from settlement.domain.money import yuan_text
from settlement.service.watch.work import CaseClaim

_WIDTH = 820
_LABEL = 150
_RIGHT = 14
_ROOM = _WIDTH - _LABEL - _RIGHT
_LANE = 16
_BAR = 10
_GAP = 8
_HEAD = 24
_LEAST = 8
_LABEL_CHARS = 20
#: At most so many days are named along the axis.
_TICKS = 9
_STEPS = (1, 2, 7, 14, 31, 61, 92, 183, 366)
_MEMBER, _OTHER, _DECLINED = "#b5451b", "#9db4c8", "#ffffff"
_EDGE, _LINE, _INK = "#5b2410", "#d5d5d5", "#1a1a1a"
_FONT = "&quot;Noto Sans CJK SC&quot;,&quot;Microsoft YaHei&quot;,sans-serif"


class _Placed(NamedTuple):
    claim: CaseClaim
    row: int
    lane: int


def timeline(
    title: str, claims: Sequence[CaseClaim], members: Collection[bytes]
) -> str:
    """The picture. `members`: ids of the claims that alerts which hold consist of."""
    if not claims:
        return ""
    axis = _Axis(
        min(claim.service_start for claim in claims),
        max(claim.service_end for claim in claims),
    )
    placed, lanes = _place(claims, axis)
    tops = _tops(lanes)
    bottom = tops[-1]
    parts = list(axis.drawn(bottom))
    for row, facility in enumerate(lanes):
        parts.append(_row(facility, tops[row], lanes[facility]))
    for each in placed:
        top = tops[each.row] + each.lane * _LANE + (_LANE - _BAR) // 2
        parts.append(_mark(each.claim, top, axis, each.claim.id in members))
    parts.append(_legend(bottom + _GAP))
    return _svg(title, bottom + _GAP + _HEAD, parts)


class _Axis:
    """Days from left to right."""

    def __init__(self, first: date, last: date) -> None:
        self.first = first
        self.days = (last - first).days + 1

    def left(self, day: date) -> int:
        """Where the day begins."""
        return _LABEL + (day - self.first).days * _ROOM // self.days

    def span(self, begins: date, ends: date) -> tuple[int, int]:
        """Where a claim begins and how long it is: both days included, and seen."""
        left = self.left(begins)
        wide = max(_LEAST, self.left(ends + timedelta(days=1)) - left - 2)
        return min(left, _LABEL + _ROOM - wide), wide

    def drawn(self, bottom: int) -> Iterator[str]:
        """Named days with lines down to the bottom."""
        step = next((s for s in _STEPS if self.days <= s * _TICKS), self.days)
        for number in range(0, self.days, step):
            day = self.first + timedelta(days=number)
            left = self.left(day)
            yield (
                f'<line x1="{left}" y1="{_HEAD - 6}" x2="{left}" y2="{bottom}"'
                f' stroke="{_LINE}"/>'
                f'<text x="{left}" y="{_HEAD - 10}">{day.isoformat()}</text>'
            )


def _place(
    claims: Sequence[CaseClaim], axis: _Axis
) -> tuple[list[_Placed], dict[str, int]]:
    """A row for each hospital, and lanes in it, so that no mark hides another."""
    rows: dict[str, list[int]] = {}
    placed = []
    for claim in sorted(claims, key=lambda c: (c.service_start, c.occurred_at, c.id)):
        left, wide = axis.span(claim.service_start, claim.service_end)
        ends = rows.setdefault(claim.facility, [])
        lane = next((n for n, end in enumerate(ends) if end < left), len(ends))
        if lane == len(ends):
            ends.append(0)
        ends[lane] = left + wide
        placed.append(_Placed(claim, list(rows).index(claim.facility), lane))
    return placed, {facility: len(ends) for facility, ends in rows.items()}


def _tops(lanes: dict[str, int]) -> list[int]:
    """Where each row begins, and where the last one ends."""
    tops = [_HEAD]
    for count in lanes.values():
        tops.append(tops[-1] + count * _LANE + _GAP)
    return tops


def _row(facility: str, top: int, lanes: int) -> str:
    name = facility
    if len(name) > _LABEL_CHARS:
        name = f"{name[: _LABEL_CHARS - 1]}…"
    bottom = top + lanes * _LANE + _GAP // 2
    return (
        f'<text x="{_LABEL - 8}" y="{top + _LANE - 4}" text-anchor="end">'
        f"{escape(name)}</text>"
        f'<line x1="0" y1="{bottom}" x2="{_WIDTH}" y2="{bottom}" stroke="{_LINE}"/>'
    )


def _mark(claim: CaseClaim, top: int, axis: _Axis, is_member: bool) -> str:
    left, wide = axis.span(claim.service_start, claim.service_end)
    fill = _MEMBER if is_member else _OTHER
    if claim.state == b"d":
        fill = _DECLINED
    edge = f' stroke="{_EDGE}"' if is_member or claim.state == b"d" else ""
    kind = "member" if is_member else "other"
    drawn = (
        f'<rect class="{kind}" x="{left}" y="{top}" width="{wide}" height="{_BAR}"'
        f' rx="2" fill="{fill}"{edge}/>'
    )
    if claim.reversed_at is not None:
        middle = top + _BAR // 2
        drawn += (
            f'<line class="struck" x1="{left - 3}" y1="{middle}" x2="{left + wide + 3}"'
            f' y2="{middle}" stroke="{_INK}" stroke-width="2"/>'
        )
    return f"<g><title>{escape(_told(claim))}</title>{drawn}</g>"


def _told(claim: CaseClaim) -> str:
    """What is shown of a claim where the mouse rests on it."""
    days = claim.service_start.isoformat()
    if claim.service_end != claim.service_start:
        days += f" – {claim.service_end.isoformat()}"
    at = claim.occurred_at.astimezone(SHANGHAI).strftime("%H:%M")
    care = CARE.get(claim.care_type, claim.care_type)
    return (
        f"{days} {at} {claim.facility} {claim.operator} {care} {claim.visit_no}"
        f" {yuan_text(claim.aid_fen)} 元 {became_of(claim)}"
    )


def _legend(top: int) -> str:
    words = (
        (_MEMBER, _EDGE, "提醒所列 in an alert"),
        (_OTHER, _OTHER, "其他 other"),
        (_DECLINED, _EDGE, "未予救助 declined"),
    )
    parts = []
    for number, (fill, edge, text) in enumerate(words):
        left = _LABEL + number * 160
        parts.append(
            f'<rect x="{left}" y="{top}" width="12" height="{_BAR}" rx="2"'
            f' fill="{fill}" stroke="{edge}"/>'
            f'<text x="{left + 17}" y="{top + _BAR - 1}">{text}</text>'
        )
    left = _LABEL + len(words) * 160
    middle = top + _BAR // 2
    parts.append(
        f'<line x1="{left}" y1="{middle}" x2="{left + 14}" y2="{middle}"'
        f' stroke="{_INK}" stroke-width="2"/>'
        f'<text x="{left + 19}" y="{top + _BAR - 1}">已冲正 reversed</text>'
    )
    return "".join(parts)


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    name = escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
        f' width="{_WIDTH}" height="{height}" role="img" aria-label="{name}"'
        f' font-size="10" font-family="{_FONT}"><title>{name}</title>'
        + "".join(parts)
        + "</svg>"
    )

"""Charts as inline SVG: bars only, each with its number beside it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

_WIDTH = 820
_LABEL = 260
_ROOM = 190
_BAR = 13
_GAP = 9
_BEFORE, _AFTER = "#9db4c8", "#1f4e79"
_LESS, _SAME, _MORE = "#b5451b", "#9a9a9a", "#2b7a3f"


class Pair(NamedTuple):
    """One thing before and after, in fen, with the texts beside its bars."""

    label: str
    before: int
    after: int
    before_text: str
    after_text: str


class Band(NamedTuple):
    """How many persons lose (-1), keep (0) or gain (1) so much."""

    label: str
    persons: int
    sign: int


class Bar(NamedTuple):
    """One thing with the text beside its bar; what is not above 0 has no bar."""

    label: str
    value: int
    text: str


def bars_chart(title: str, bars: Sequence[Bar]) -> str:
    """A bar for each thing, in the order given."""
    most = max((bar.value for bar in bars), default=0)
    step = _BAR + _GAP
    parts = []
    for number, bar in enumerate(bars):
        top = number * step
        parts.append(_label(bar.label, top + _BAR - 2))
        parts.append(_bar(top, bar.value, most, _AFTER, bar.text))
    return _svg(title, len(bars) * step, parts)


def pairs_chart(title: str, pairs: Sequence[Pair]) -> str:
    """Before (light) above after (dark), one pair for each label."""
    most = max((max(pair.before, pair.after) for pair in pairs), default=0)
    step = 2 * _BAR + _GAP
    parts = []
    for number, pair in enumerate(pairs):
        top = number * step
        parts.append(_label(pair.label, top + _BAR + 4))
        parts.append(_bar(top, pair.before, most, _BEFORE, pair.before_text))
        parts.append(_bar(top + _BAR, pair.after, most, _AFTER, pair.after_text))
    return _svg(title, len(pairs) * step, parts)


def bands_chart(title: str, bands: Sequence[Band]) -> str:
    """A bar for each band, in the order given."""
    most = max((band.persons for band in bands), default=0)
    step = _BAR + _GAP
    colours = {-1: _LESS, 0: _SAME, 1: _MORE}
    parts = []
    for number, band in enumerate(bands):
        top = number * step
        parts.append(_label(band.label, top + _BAR - 2))
        colour = colours[band.sign]
        parts.append(_bar(top, band.persons, most, colour, f"{band.persons:,}"))
    return _svg(title, len(bands) * step, parts)


def length(value: int, most: int, room: int) -> int:
    """A bar's length in whole units; what is not nothing is seen."""
    return max(1, value * room // most) if value > 0 and most > 0 else 0


def _bar(top: int, value: int, most: int, colour: str, text: str) -> str:
    long = length(value, most, _WIDTH - _LABEL - _ROOM)
    return (
        f'<rect x="{_LABEL}" y="{top + 1}" width="{long}" height="{_BAR - 2}"'
        f' fill="{colour}"/>'
        f'<text x="{_LABEL + long + 5}" y="{top + _BAR - 3}">{escape(text)}</text>'
    )


def _label(text: str, baseline: int) -> str:
    return (
        f'<text x="{_LABEL - 6}" y="{baseline}" text-anchor="end">{escape(text)}</text>'
    )


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    name = escape(title)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        f' role="img" aria-label="{name}" font-size="10"><title>{name}</title>'
        + "".join(parts)
        + "</svg>"
    )

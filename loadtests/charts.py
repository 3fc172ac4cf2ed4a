"""Charts as SVG, drawn here: a report needs no script and no outside resource."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 860, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 26, 26, 30
#: Distinct in grey print too, by their dashes.
_COLOURS = ("#1f5fa8", "#c2571a", "#2c7a3f", "#8a3ca0", "#7a6a10", "#555555")
_DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4", "10 4")
_TICKS = 4

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart."""

    name: str
    points: Points


def line_chart(
    title: str,
    unit: str,
    series: Sequence[Series],
    *,
    marks: Sequence[tuple[float, str]] = (),
    seconds: float,
    is_logarithmic: bool = False,
) -> str:
    """A chart over the run's seconds; `marks` are instants with a name."""
    drawn = [one for one in series if one.points]
    if not drawn:
        return ""
    top = max(y for one in drawn for _, y in one.points) or 1.0
    low = min((y for one in drawn for _, y in one.points if y > 0), default=1.0)
    scale = _Scale(seconds, low, top, is_logarithmic=is_logarithmic)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"',
        f' aria-label="{escape(title)}">',
        f'<text x="{_LEFT}" y="14" class="t">{escape(title)} ({escape(unit)})</text>',
        *scale.grid(),
    ]
    for at, name in marks:
        x = scale.x(at)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"'
            f' class="m"/><text x="{x + 3:.1f}" y="{_TOP + 10}">{escape(name)}</text>'
        )
    for number, one in enumerate(drawn):
        colour, dash = _COLOURS[number % 6], _DASHES[number % 6]
        path = " ".join(f"{scale.x(x):.1f},{scale.y(y):.1f}" for x, y in one.points)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}"'
            f' stroke-width="1.6" stroke-dasharray="{dash}"/>'
        )
        x = _LEFT + 260 + 100 * number
        parts.append(
            f'<line x1="{x}" x2="{x + 22}" y1="10" y2="10" stroke="{colour}"'
            f' stroke-width="2" stroke-dasharray="{dash}"/>'
            f'<text x="{x + 26}" y="14">{escape(one.name)}</text>'
        )
    return "".join([*parts, "</svg>"])


class _Scale:
    """From seconds and values to places on the paper."""

    def __init__(
        self, seconds: float, low: float, top: float, *, is_logarithmic: bool
    ) -> None:
        self._seconds = max(seconds, 1.0)
        self._is_logarithmic = is_logarithmic and top > 0
        if self._is_logarithmic:
            self._low = 10.0 ** math.floor(math.log10(low))
            self._top = 10.0 ** math.ceil(math.log10(top) + 1e-9)
        else:
            self._low, self._top = 0.0, _round_up(top)

    def x(self, second: float) -> float:
        width = _WIDTH - _LEFT - _RIGHT
        return _LEFT + width * min(1.0, max(0.0, second / self._seconds))

    def y(self, value: float) -> float:
        if self._is_logarithmic:
            span = math.log10(self._top / self._low)
            share = math.log10(max(value, self._low) / self._low) / span
        else:
            share = value / self._top
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * min(share, 1.0)

    def grid(self) -> list[str]:
        lines = []
        for value in self._values():
            y = self.y(value)
            lines.append(
                f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"'
                f' class="g"/><text x="{_LEFT - 6}" y="{y + 4:.1f}" class="e">'
                f"{value:g}</text>"
            )
        for tick in range(_TICKS + 1):
            second = self._seconds * tick / _TICKS
            lines.append(
                f'<text x="{self.x(second):.1f}" y="{_HEIGHT - 10}" class="c">'
                f"{second:.0f} s</text>"
            )
        return lines

    def _values(self) -> list[float]:
        if self._is_logarithmic:
            decades = round(math.log10(self._top / self._low))
            return [self._low * 10**n for n in range(decades + 1)]
        return [self._top * n / _TICKS for n in range(_TICKS + 1)]


def _round_up(value: float) -> float:
    """The next 1, 2, 4 or 8 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next((n * power for n in (1, 2, 4, 8) if value <= n * power), 10 * power)

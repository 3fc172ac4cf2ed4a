"""A picture of memory over time, one line for each process: plain SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, log10

_WIDTH, _HEIGHT = 760, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 120, 48, 48
_COLOURS = ("#1f6fb4", "#b4521f", "#3c8c40", "#7a4fb0")
_INK, _GRID, _SHADE = "#333", "#ddd", "#f3f3f3"
_TICKS = 5
_MINUTE_S = 60.0

Samples = Sequence[tuple[float, float]]


def picture(samples: Mapping[str, Samples], *, title: str, warm: float) -> str:
    """Seconds and MB of each process as lines over minutes.

    The part `warm` at the left, which does not count, is shaded. Raises `ValueError`
    where there is nothing to show.
    """
    every = [sample for each in samples.values() for sample in each]
    if not every:
        raise ValueError("no samples")
    longest = max(seconds for seconds, _ in every) / _MINUTE_S or 1.0
    most = max(megabytes for _, megabytes in every)
    frame = _Frame(longest, _round_up(most))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
        f' role="img" font-family="sans-serif" font-size="12" fill="{_INK}">'
    )
    parts = [
        head,
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="24" font-size="15">{escape(title)}</text>',
        *frame.ground(warm),
        *frame.lines(samples),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Frame:
    """Where minutes and MB lie in the picture."""

    def __init__(self, minutes: float, megabytes: float) -> None:
        self._minutes, self._megabytes = minutes, megabytes

    def _x(self, minutes: float) -> float:
        width = _WIDTH - _LEFT - _RIGHT
        return round(_LEFT + minutes / self._minutes * width, 1)

    def _y(self, megabytes: float) -> float:
        height = _HEIGHT - _TOP - _BOTTOM
        return round(_HEIGHT - _BOTTOM - megabytes / self._megabytes * height, 1)

    def ground(self, warm: float) -> list[str]:
        """Axes with their numbers, and the part that does not count."""
        right, floor = self._x(self._minutes), self._y(0)
        shade = self._x(self._minutes * warm) - _LEFT, floor - _TOP
        parts = [_box(_LEFT, _TOP, *shade)]
        for tick in range(_TICKS + 1):
            size = self._megabytes * tick / _TICKS
            minute = self._minutes * tick / _TICKS
            y = self._y(size)
            parts += [
                f'<path d="M{_LEFT} {y}H{right}" stroke="{_GRID}"/>',
                _text(_LEFT - 8, y + 4, f"{size:g}", anchor="end"),
                _text(self._x(minute), floor + 18, f"{minute:.3g}", anchor="middle"),
            ]
        return [
            *parts,
            _text(_LEFT - 8, _TOP - 8, "MB", anchor="end"),
            _text(right, floor + 36, "minutes", anchor="end"),
        ]

    def lines(self, samples: Mapping[str, Samples]) -> list[str]:
        """One line for each process, its name at its end."""
        parts = []
        for number, (name, each) in enumerate(samples.items()):
            colour = _COLOURS[number % len(_COLOURS)]
            points = " ".join(
                f"{self._x(seconds / _MINUTE_S)},{self._y(megabytes)}"
                for seconds, megabytes in each
            )
            seconds, megabytes = each[-1]
            x, y = self._x(seconds / _MINUTE_S) + 6, self._y(megabytes) + 4
            line = f'fill="none" stroke="{colour}" stroke-width="1.5"'
            parts += [
                f'<polyline points="{points}" {line}/>',
                _text(x, y, f"{name} {megabytes:.0f}", fill=colour),
            ]
        return parts


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", fill: str = _INK
) -> str:
    about = f'x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{fill}"'
    return f"<text {about}>{escape(text)}</text>"


def _box(x: float, y: float, width: float, height: float) -> str:
    size = f'width="{width:g}" height="{height:g}"'
    return f'<rect x="{x:g}" y="{y:g}" {size} fill="{_SHADE}"/>'


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 and 10 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** ceil(log10(value) - 1)
    for step in (1, 2, 5, 10):
        if value <= step * power:
            return float(step * power)
    return float(10 * power)

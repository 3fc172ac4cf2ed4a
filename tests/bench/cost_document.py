"""The cost of a settlement, as `cost.measure` has found it: a table and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from tests.bench.document import figure, when_and_where

#: Beside the document.
PICTURE = "performance-settle.svg"

Bars = Sequence[tuple[str, float]]

_WIDTH, _ROW, _BAR, _TEXTS, _FIGURES = 760, 18, 12, 300, 90
#: Background and text change together, so the picture is legible on any page.
_STYLE = """<style>
.page { fill: #ffffff } .text { fill: #24292f } .head { font-weight: bold }
.own { fill: #3c6e9e } .beside { fill: #8a8f98 } .limit { fill: #b5651d }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117 } .text { fill: #d0d7de }
.own { fill: #6ea8dc } .beside { fill: #8a8f98 } .limit { fill: #e0a060 }
}
</style>"""


def table(cost: Mapping[str, Any]) -> str:
    """Steps, what runs beside the worker, the batch, and the limits, in Markdown."""
    batch, worker_us = cost["batch"], cost["worker_us"]
    rows = [
        "| processor time of the worker for one settlement | us | share |",
        "|---|--:|--:|",
        *(
            f"| {step} | {figure(us)} | {us / worker_us:.0%} |"
            for step, us in cost["steps"]
        ),
        f"| **all** | **{figure(worker_us)}** | |",
        *(f"| beside it: {name} | {figure(us)} | |" for name, us in cost["beside"]),
        *(f"| limit: {name} | {figure(us)} | |" for name, us in cost["limits"]),
    ]
    waits = (
        f"A batch had {batch['claims']:.1f} claims and took"
        f" {batch['us'] / 1e3:.1f} ms from BEGIN to the answer of its COMMIT;"
        f" {batch['flushes']:.1f} flushes of the write-ahead log for each took"
        f" {batch['flush_us'] / 1e3:.2f} ms each."
        f" {cost['settlements_a_second']:,.0f} settlements a second while sampled;"
        f" {cost['samples']:,} samples."
    )
    shown = f"![Where the cost of a settlement lies]({PICTURE})"
    when = when_and_where([cost])
    return "\n".join([shown, "", f"{when} {waits}", "", *rows])


def picture(cost: Mapping[str, Any]) -> str:
    """The same as bars of one scale, in SVG; needs nothing from outside."""
    groups: list[tuple[str, str, Bars]] = [
        (
            f"Worker, for one settlement: {figure(cost['worker_us'])} us",
            "own",
            cost["steps"],
        ),
        ("Beside it, for one settlement", "beside", cost["beside"]),
        ("Limits of this machine", "limit", cost["limits"]),
    ]
    longest = max(us for _, us in [*cost["steps"], *cost["beside"]])
    parts, y = [], 8
    for title, kind, bars in groups:
        y += _ROW
        parts.append(_text(8, y, title, "text head"))
        for name, us in bars:
            y += _ROW
            parts += _bar(y, name, us, kind, longest)
        y += _ROW // 2
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y + 8}"'
        ' font-family="sans-serif" font-size="12" role="img"'
        ' aria-label="Where the cost of a settlement lies, in microseconds">'
    )
    page = f'<rect class="page" width="{_WIDTH}" height="{y + 8}"/>'
    return "\n".join([head, _STYLE, page, *parts, "</svg>", ""])


def _bar(y: int, name: str, us: float, kind: str, longest: float) -> list[str]:
    most = _WIDTH - _TEXTS - _FIGURES
    # A flush may be longer than everything else: its bar ends at the edge, marked.
    wide = min(most, max(1, round(most * us / longest)))
    mark = " …" if us > longest else ""
    place = f'x="{_TEXTS}" y="{y - 10}" width="{wide}" height="{_BAR}"'
    return [
        _text(16, y, name, "text"),
        f'<rect class="{kind}" {place}/>',
        _text(_TEXTS + wide + 6, y, f"{mark} {figure(us)} us".strip(), "text"),
    ]


def _text(x: int, y: int, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'

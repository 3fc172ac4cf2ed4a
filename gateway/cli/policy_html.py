"""Pages of the policy desk: one file without script or outside resource, for A4.

Everything that comes from a pack is escaped here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Self

_STYLE = """
:root { color-scheme: light; }
body { font: 10.5pt/1.5 "Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei",
  "PingFang SC", sans-serif; color: #1a1a1a; max-width: 190mm; margin: 8mm auto; }
h1 { font-size: 17pt; margin: 0 0 1mm; } h1 small { font-size: 11pt; color: #555; }
h2 { font-size: 12.5pt; margin: 7mm 0 2mm; break-after: avoid;
  border-bottom: .4mm solid #1f4e79; color: #1f4e79; }
h3 { font-size: 11pt; margin: 4mm 0 1mm; break-after: avoid; }
p { margin: 1mm 0; } .quiet { color: #555; font-size: 9pt; }
code { font: 8.5pt/1.4 monospace; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: 9pt; margin: 1mm 0 3mm; }
caption { text-align: left; font-weight: 600; padding: 1mm 0; }
thead { display: table-header-group; } tr { break-inside: avoid; }
th, td { border: .2mm solid #999; padding: .8mm 1.5mm; text-align: left;
  vertical-align: top; overflow-wrap: break-word; }
th { background: #eaf0f6; }
td.id { overflow-wrap: anywhere; font-family: monospace; }
td.n { text-align: right; white-space: nowrap; }
.open { background: #fff3cd; } .mark { color: #9c2700; font-weight: 600; }
.less { color: #9c2700; } .more { color: #14622d; }
svg { display: block; max-width: 100%; height: auto; break-inside: avoid; }
.sign { display: grid; grid-template-columns: 1fr 1fr; gap: 12mm; margin-top: 6mm;
  break-inside: avoid; }
.sign div { border-top: .3mm solid #333; margin-top: 14mm; padding-top: 1mm; }
@media print { body { margin: 0; max-width: none; } }
"""

_SHEET = """@page {{ size: A4; margin: 15mm 14mm 20mm;
  @bottom-left {{ content: "{foot}"; font-size: 7pt; color: #555; }}
  @bottom-right {{ content: counter(page) " / " counter(pages); font-size: 8pt; }} }}
"""


def page(title: str, foot: str, body: Iterable[str]) -> str:
    """A whole document; `foot` stands at the bottom of every printed page."""
    style = _SHEET.format(foot=_css_text(foot)) + _STYLE
    return (
        '<!doctype html>\n<html lang="zh-CN">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        # Nothing is loaded from anywhere, not even an icon.
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n"
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + f'\n<p class="quiet">{escape(foot)}</p>\n</body>\n</html>\n'
    )


def _css_text(text: str) -> str:
    """Text within a CSS string: what could end it is written as its code."""
    return "".join(
        char if char.isalnum() or char in " @.-:·（）〔〕/" else f"\\{ord(char):06x} "
        for char in text
    )


def heading(zh: str, en: str, level: int = 2) -> str:
    """A heading, Chinese first."""
    return f"<h{level}>{escape(zh)} <small>{escape(en)}</small></h{level}>"


def line(text: str, css: str = "") -> str:
    """A paragraph."""
    return f"<p{_class(css)}>{escape(text)}</p>"


class Cell(str):
    """Text of a cell with a class: `n` a number, `open` unconfirmed."""

    __slots__ = ("css",)
    css: str

    def __new__(cls, text: str, css: str = "") -> Self:
        """Text, not markup: it is escaped when the table is made."""
        cell = super().__new__(cls, text)
        cell.css = css
        return cell


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose head is repeated on each printed page and whose rows stay whole."""
    head = "".join(f"<th>{escape(each)}</th>" for each in headers)
    body = "\n".join(
        "<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"


def _cell(cell: str) -> str:
    css = cell.css if isinstance(cell, Cell) else ""
    text = escape(cell).replace("\n", "<br>")
    return f"<td{_class(css)}>{text}</td>"


def _class(css: str) -> str:
    return f' class="{css}"' if css else ""

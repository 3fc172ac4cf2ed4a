"""Statistics on the terminal, and as a page with charts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.cli.policy_charts import Bar, bars_chart
from gateway.cli.policy_html import Cell, heading, line, page, table
from gateway.cli.policy_view import table_of
from gateway.cli.stats_words import (
    BY,
    Line,
    Shown,
    hours,
    lines,
    percent,
    saved_sentence,
    yuan,
)
from gateway.statistics_json import MEASURE
from settlement.domain.calendar import month_name
from settlement.service.aid_statistics import Series

#: More bars than this are no picture; the table has all of them.
_MOST_BARS = 40
_LABEL_CHARS = 26
#: Chinese and English; amounts are yuan.
_COLUMNS = (
    ("救助人数", "citizens"), ("环比", "growth"), ("救助人次", "visits"),
    ("环比", "growth"), ("救助金额", "aid"), ("环比", "growth"),
    ("次均救助", "per visit"), ("次均患者负担", "patient pays"),
    ("节省工时", "hours saved"),
)  # fmt: skip
_MONTH = ("月份", "month")


def print_statistics(shown: Shown, console: Console) -> None:
    """The whole, and beneath it the groups where there are any."""
    zh, en = BY[shown.found.query.by]
    console.print(f"[bold]医疗救助统计[/bold]  {shown.title}")
    console.print(f"{zh} / {en}\n", soft_wrap=True)
    whole = _table("逐月（金额：元） / by month, in yuan", _MONTH)
    for each in lines(shown.found.whole):
        whole.add_row(each.month, *_texts(each))
    console.print(whole)
    if shown.found.groups is not None:
        console.print(_group_table(shown, shown.found.groups))
    console.print(saved_sentence(shown.found.whole.total), soft_wrap=True)
    console.print(f"{MEASURE.zh} / {MEASURE.en}", soft_wrap=True)


def _table(title: str, first: tuple[str, str]) -> Table:
    headers = ["\n".join(words) for words in (first, *_COLUMNS)]
    made = table_of(*headers, title=title)
    for column in made.columns[1:]:
        column.justify = "right"
    return made


def _group_table(shown: Shown, groups: Sequence[Series]) -> Table:
    """Of each group all the months first, and beneath it each of them."""
    zh, en = shown.dimension
    divided = _table(f"按{zh}（金额：元） / by {en}, in yuan", shown.dimension)
    for group in groups:
        *months, last = lines(group)
        divided.add_row(escape(shown.label(group)), *_texts(last))
        for each in months:
            divided.add_row(f"  {each.month}", *_texts(each))
    return divided


def _texts(each: Line) -> tuple[str, ...]:
    figures, growth = each.figures, each.growth
    return (
        f"{figures.citizens:,}",
        percent(growth.citizens),
        f"{figures.visits:,}",
        percent(growth.visits),
        yuan(figures.aid_fen),
        percent(growth.aid),
        yuan(figures.mean_aid_fen),
        yuan(figures.mean_patient_pays_fen),
        hours(figures.minutes_saved),
    )


def statistics_page(shown: Shown) -> str:
    """The same as one page, with charts."""
    return page(f"医疗救助统计 {shown.title}", shown.title, _page_parts(shown))


def _page_parts(shown: Shown) -> Iterator[str]:
    found = shown.found
    yield heading("医疗救助统计", f"Medical aid: {shown.title}", 1)
    yield line(" / ".join(BY[found.query.by]), "quiet")
    yield line(saved_sentence(found.whole.total))
    yield line(f"{MEASURE.zh} {MEASURE.en}", "quiet")
    yield heading("逐月", "by month")
    yield from _charts(found.whole)
    rows = [[Cell(each.month, "n"), *_numbers(each)] for each in lines(found.whole)]
    yield table(_headers(_MONTH), rows)
    if found.groups is not None:
        yield from _group_parts(shown, found.groups)


def _charts(series: Series) -> Iterator[str]:
    """Aid, visits and citizens, a bar for each month."""
    named = [(month_name(month.month), month.figures) for month in series.months]
    for title, bars in (
        ("救助金额（元） aid",
         [Bar(name, each.aid_fen, yuan(each.aid_fen)) for name, each in named]),
        ("救助人次 visits",
         [Bar(name, each.visits, f"{each.visits:,}") for name, each in named]),
        ("救助人数 citizens",
         [Bar(name, each.citizens, f"{each.citizens:,}") for name, each in named]),
    ):  # fmt: skip
        yield line(title, "quiet")
        yield bars_chart(title, bars)


def _group_parts(shown: Shown, groups: Sequence[Series]) -> Iterator[str]:
    zh, en = shown.dimension
    yield heading(f"按{zh}", f"by {en}")
    yield line("救助金额（元） aid", "quiet")
    if len(groups) > _MOST_BARS:
        yield line(
            f"图中仅列前 {_MOST_BARS} 个 / the first {_MOST_BARS} alone", "quiet"
        )
    totals = [
        Bar(_short(shown.label(group)), group.total.aid_fen, yuan(group.total.aid_fen))
        for group in groups[:_MOST_BARS]
    ]
    yield bars_chart(f"{zh} {en}", totals)
    yield table(
        _headers((zh, en)), [row for group in groups for row in _rows(shown, group)]
    )


def _short(label: str) -> str:
    """As much of a label as stands beside a bar; the table has all of it."""
    return label if len(label) <= _LABEL_CHARS else f"{label[: _LABEL_CHARS - 1]}…"


def _rows(shown: Shown, group: Series) -> Iterator[list[Cell]]:
    """All the months first, and beneath them each of them."""
    *months, last = lines(group)
    yield [Cell(shown.label(group)), *_numbers(last)]
    for each in months:
        yield [Cell(each.month, "n"), *_numbers(each)]


def _headers(first: tuple[str, str]) -> list[str]:
    return [" ".join(words) for words in (first, *_COLUMNS)]


def _numbers(each: Line) -> list[Cell]:
    return [Cell(text, "n") for text in _texts(each)]

"""A simulation on the terminal, and as a page with charts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from gateway.cli.policy_charts import bands_chart, length, pairs_chart
from gateway.cli.policy_figures import (
    Group,
    Simulated,
    bands_of,
    groups,
    pairs_of,
    reason_words,
    remarks,
    signed,
    title_of,
    year_cost,
)
from gateway.cli.policy_html import Cell, heading, line, page, table
from gateway.cli.policy_view import table_of
from settlement.domain.money import yuan_text
from settlement.domain.policy import CompiledPack
from settlement.service.policy_replay import Redecided
from settlement.service.policy_simulation import Simulation, Sum

_BAR_COLUMNS = 24
_HEADERS = (
    "笔数 前 before", "笔数 后 after", "救助 前 before, 元", "救助 后 after, 元",
    "差额 difference, 元",
)  # fmt: skip
_LARGEST = (
    "结算 settlement", "类别 category", "前 before, 元", "后 after, 元",
    "差额, 元", "原因 reason",
)  # fmt: skip


def print_simulation(simulated: Simulated, console: Console) -> None:
    """Totals, tables with bars, who gains and loses, and what was left out."""
    result, pack = simulated.result, simulated.pack
    console.print(f"[bold]{pack.document.title.zh}[/bold]  {title_of(simulated)}")
    console.print(f"sha256 {pack.ref.sha256}", soft_wrap=True)
    console.print("按新政策试算，不改动任何数据 / decided again, nothing written\n")
    for text in _sentences(simulated):
        console.print(text, soft_wrap=True)
    for group in groups(simulated):
        console.print(_group_table(group, result.total))
    console.print(_band_table(result))
    for title, settlements in _largest(result):
        if settlements:
            console.print(_largest_table(title, settlements, pack))
    for count, zh, en in remarks(result):
        console.print(f"{count:,}：{zh} / {en}", soft_wrap=True)


def _sentences(simulated: Simulated) -> Iterator[str]:
    """The figures that a person asks for first."""
    result, cost = simulated.result, year_cost(simulated)
    total = result.total
    yield (
        f"救助金额 aid: {yuan_text(total.aid_before_fen)} 元 →"
        f" {yuan_text(total.aid_after_fen)} 元（{signed(total.difference_fen)}）；"
        f"{total.settlements_before:,} 笔 settlements，"
        f"{result.changed:,} 笔有变化 differ"
    )
    yield (
        f"人数 persons {result.persons:,}：增 gain {result.persons_gaining:,}，"
        f"减 lose {result.persons_losing:,}；新增批准 newly approved"
        f" {result.newly_approved:,}，新增不予 newly declined {result.newly_declined:,}"
    )
    zh, en = cost.words
    yield f"全年 for the year: {signed(cost.difference_fen)} 元（{zh} / {en}）"
    if result.capped:
        pots = simulated.pack.document.pots
        hit = "，".join(
            f"{pots[pot].title.zh if pot in pots else pot} {count:,} 人 persons"
            for pot, count in sorted(result.capped.items())
        )
        yield f"新达到年度限额 caps newly reached: {hit}"


def _group_table(group: Group, total: Sum) -> Table:
    headers = (group.zh, *_HEADERS, "")
    shown = table_of(*headers, title=f"{group.zh} / {group.en}")
    most = max(
        (max(s.aid_before_fen, s.aid_after_fen) for _, _, s in group.rows), default=0
    )
    for _, label, sums in group.rows:
        bar = "█" * length(sums.aid_after_fen, most, _BAR_COLUMNS)
        shown.add_row(label, *_numbers(sums), bar)
    if group.key != "month":
        shown.add_section()
        shown.add_row("合计 total", *_numbers(total), "")
    return _right_aligned(shown, 1, 5)


def _numbers(sums: Sum) -> tuple[str, ...]:
    return (
        f"{sums.settlements_before:,}",
        f"{sums.settlements_after:,}",
        yuan_text(sums.aid_before_fen),
        yuan_text(sums.aid_after_fen),
        signed(sums.difference_fen),
    )


def _band_table(result: Simulation) -> Table:
    shown = table_of(
        "每人当月 a person's month", "人数 persons", "",
        title="增减分布 / who gains, who loses",
    )  # fmt: skip
    bands = bands_of(result)
    most = max(band.persons for band in bands)
    for band in bands:
        bar = "█" * length(band.persons, most, _BAR_COLUMNS)
        shown.add_row(band.label, f"{band.persons:,}", bar)
    return _right_aligned(shown, 1, 1)


def _largest(result: Simulation) -> list[tuple[str, Sequence[Redecided]]]:
    return [
        ("增加最多 / largest gains", result.gains),
        ("减少最多 / largest losses", result.losses),
    ]


def _largest_table(
    title: str, settlements: Sequence[Redecided], pack: CompiledPack
) -> Table:
    shown = table_of(*_LARGEST, title=title)
    for each in settlements:
        shown.add_row(*settlement_row(each, pack))
    return _right_aligned(shown, 2, 4)


def settlement_row(each: Redecided, pack: CompiledPack) -> tuple[str, ...]:
    """One settlement before and after, by its id."""
    before, after = (
        "—" if category is None else pack.category_text(category)[0]
        for category in (each.category_before, each.category_after)
    )
    return (
        each.id.hex(),
        before if before == after else f"{before} → {after}",
        yuan_text(each.aid_before_fen),
        yuan_text(each.aid_after_fen),
        signed(each.difference_fen),
        reason_words(each.reason_after),
    )


def _right_aligned(shown: Table, first: int, last: int) -> Table:
    for column in shown.columns[first : last + 1]:
        column.justify = "right"
    return shown


def simulation_page(simulated: Simulated) -> str:
    """The same as one page, with charts."""
    return page(
        f"政策试算 {title_of(simulated)}",
        f"{title_of(simulated)} · sha256 {simulated.pack.ref.sha256}",
        _page_parts(simulated),
    )


def _page_parts(simulated: Simulated) -> Iterator[str]:
    result = simulated.result
    yield heading("政策试算", f"Simulation: {title_of(simulated)}", 1)
    yield line(simulated.pack.document.title.zh)
    yield line("已结算的不变，本页只作比较。Nothing settled is changed.", "quiet")
    for text in _sentences(simulated):
        yield line(text)
    for group in groups(simulated):
        yield heading(group.zh, group.en)
        if group.key != "subdistrict":
            yield line("浅色：现行；深色：试算 / light: before; dark: after", "quiet")
            yield pairs_chart(f"{group.zh} {group.en}", pairs_of(group))
        yield table(
            (group.zh, *_HEADERS),
            [(label, *map(_number, _numbers(sums))) for _, label, sums in group.rows],
        )
    yield heading(
        "增减分布", "who gains, who loses: persons by difference of the month"
    )
    yield bands_chart("增减分布 who gains, who loses", bands_of(result))
    for title, settlements in _largest(result):
        zh, _, en = title.partition(" / ")
        if settlements:
            yield heading(zh, en)
            rows = [_page_row(each, simulated.pack) for each in settlements]
            yield table(_LARGEST, rows)
    yield from _page_remarks(result)


def _page_remarks(result: Simulation) -> Iterator[str]:
    rows = [(_number(f"{count:,}"), zh, en) for count, zh, en in remarks(result)]
    if rows:
        yield heading("未能重算或有保留的", "not decided again, or with a reservation")
        yield table(("笔数 count", "说明", "note"), rows)


def _page_row(each: Redecided, pack: CompiledPack) -> list[Cell]:
    id_, category, *amounts, reason = settlement_row(each, pack)
    return [Cell(id_, "id"), Cell(category), *map(_number, amounts), Cell(reason)]


def _number(text: str) -> Cell:
    return Cell(text, "n")

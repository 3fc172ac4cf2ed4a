"""The demo's tables: what became of each step, and the months beside the pilot's."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from gateway.demo.outcomes import Tally
from gateway.demo.published import MonthFigures
from gateway.demo.steps import Kind
from settlement.service.statistics import MonthStatistics


def outcome_table(tally: Tally) -> Table:
    """Each kind of step: how many were sent, and what became of them."""
    table = Table(title="What was sent, and what became of it", title_justify="left")
    table.add_column("kind")
    table.add_column("sent", justify="right")
    table.add_column("outcome")
    for kind in Kind:
        counts = tally.counts.get(kind)
        if counts:
            outcomes = ", ".join(
                f"{outcome} {count:,}" for outcome, count in sorted(counts.items())
            )
            table.add_row(kind.value, f"{tally.total(kind):,}", outcomes)
    return table


def month_table(
    months: Sequence[MonthStatistics], published: Sequence[MonthFigures]
) -> Table:
    """The months as the system has them, with growth, beside the published ones."""
    table = Table(
        title="Months of service, net of reversals, read back from the system",
        title_justify="left",
    )
    table.add_column("")
    for month in months:
        table.add_column(month.month, justify="right")
    table.add_row("citizens served", *(f"{month.citizens:,}" for month in months))
    table.add_row("  growth", *(_percent(month.citizens_growth) for month in months))
    table.add_row("visits aided", *(f"{month.visits:,}" for month in months))
    table.add_row("  growth", *(_percent(month.visits_growth) for month in months))
    table.add_row("aid paid, CNY", *(yuan(month.aid_fen) for month in months))
    table.add_row("  growth", *(_percent(month.aid_growth) for month in months))
    table.add_section()
    known = {figures.month: figures for figures in published}
    beside = [known.get(month.month) for month in months]
    table.add_row(
        "published: citizens", *(f"{one.citizens:,}" if one else "-" for one in beside)
    )
    table.add_row(
        "published: visits", *(f"{one.visits:,}" if one else "-" for one in beside)
    )
    table.add_row(
        "published: aid, CNY", *(yuan(one.aid_fen) if one else "-" for one in beside)
    )
    table.add_row(
        "difference",
        *(_difference(month, known.get(month.month)) for month in months),
    )
    return table


def agrees(
    months: Sequence[MonthStatistics], published: Sequence[MonthFigures]
) -> bool:
    """Whether the system's months are the published ones, to the fen."""
    return [
        MonthFigures(month.month, month.citizens, month.visits, month.aid_fen)
        for month in months
    ] == list(published)


def yuan(fen: int) -> str:
    """Fen as yuan with two decimals and thousands separated."""
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100:,}.{abs(fen) % 100:02}"


def _percent(per_thousand: int | None) -> str:
    if per_thousand is None:
        return ""
    sign = "-" if per_thousand < 0 else "+"
    return f"{sign}{abs(per_thousand) // 10}.{abs(per_thousand) % 10} %"


def _difference(month: MonthStatistics, figures: MonthFigures | None) -> str:
    if figures is None:
        return "not published"
    differences = (
        month.citizens - figures.citizens,
        month.visits - figures.visits,
        month.aid_fen - figures.aid_fen,
    )
    if not any(differences):
        return "none, to the fen"
    citizens, visits, aid_fen = differences
    return f"{citizens:+,} / {visits:+,} / {yuan(aid_fen)}"

"""`medaid stats`: citizens served, visits and aid, month by month."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import orjson

from gateway.cli.given import facility_number
from gateway.cli.policy_desk import html_option, write_page
from gateway.cli.policy_view import console_for_tables
from gateway.cli.stats_csv import write_table
from gateway.cli.stats_view import print_statistics, statistics_page
from gateway.cli.stats_words import Shown
from gateway.location import json_option, location_options, open_database
from gateway.statistics_json import statistics_document
from settlement.domain.errors import RequestRefused
from settlement.domain.month_range import MonthRange, parse_month, range_fault
from settlement.domain.policy import compile_pack
from settlement.domain.reasons import reason
from settlement.service.aid_statistics import (
    Bounds,
    By,
    Dimension,
    StatisticsQuery,
    read_statistics,
)
from settlement.store.database import Database
from settlement.store.find import reading_faults
from settlement.store.policies import read_packs

#: Whoever waits at a terminal may wait; the rows are what memory holds.
_BOUNDS = Bounds(within_ms=None, most_rows=50_000)
#: By what they are called on a command line.
_DIMENSIONS = {each.value.replace("_", "-"): each for each in Dimension}


@click.command(
    "stats",
    epilog="Example: medaid stats --months 2026-01..2026-03 --dimension hospital"
    " --csv quarter.csv",
)
@click.option(
    "--months", required=True, metavar="A..B", help="YYYY-MM..YYYY-MM, or one YYYY-MM."
)
@click.option(
    "--by",
    type=click.Choice([by.value for by in By]),
    default=By.SERVICE.value,
    show_default=True,
    help="Month in which the service ended, net of reversals; or month of settling,"
    " with a reversal in its own month.",
)
@click.option(
    "--dimension",
    type=click.Choice(list(_DIMENSIONS)),
    default=None,
    help="Divide the figures by this, too.",
)
@click.option("--facility", default=None, help="Code of one facility; default: all.")
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Write the figures as CSV, amounts in yuan.",
)
@html_option
@json_option
@location_options
def stats(
    months: str,
    by: str,
    dimension: str | None,
    facility: str | None,
    csv_file: Path | None,
    html: Path | None,
    data_dir: Path,
    dsn: str | None,
    *,
    as_json: bool,
) -> None:
    """Count citizens served, visits and aid, with growth month on month.

    Only bills with aid above 0 count. Nothing is written to the database, and no
    personal data is shown.
    """
    query = StatisticsQuery(
        months=_months(months),
        by=By(by),
        dimension=_DIMENSIONS.get(dimension or ""),
        facility=facility,
    )
    try:
        shown = asyncio.run(_read(data_dir, dsn, query))
    except RequestRefused as refused:
        raise click.ClickException(_sentence(refused)) from refused
    if csv_file is not None:
        write_table(csv_file, shown)
    if html is not None:
        write_page(html, statistics_page(shown))
    if as_json:
        document = statistics_document(shown.found)
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
        return
    print_statistics(shown, console_for_tables())
    for what, path in (("表格 CSV", csv_file), ("页面 page", html)):
        if path is not None:
            click.echo(f"{what}: {path}")


def _months(text: str) -> MonthRange:
    first, separator, last = text.partition("..")
    numbers = parse_month(first), parse_month(last if separator else first)
    months = MonthRange(numbers[0] or 0, numbers[1] or 0)
    code = "MA-1132" if None in numbers else range_fault(months)
    if code is not None:
        raise click.ClickException(
            f"--months {text}: {_text(code)} (as 2026-01..2026-03)"
        )
    return months


async def _read(data_dir: Path, dsn: str | None, query: StatisticsQuery) -> Shown:
    async with open_database(data_dir, dsn, max_size=2) as database:
        with reading_faults():
            number = await facility_number(database, query.facility)
            found = await read_statistics(
                database, query, facility_id=number, bounds=_BOUNDS
            )
            categories = {}
            if query.dimension is Dimension.CATEGORY:
                categories = await _categories(database)
    return Shown(found, categories)


async def _categories(database: Database) -> dict[str, str]:
    """What the installed packs call each category; the latest pack has the word."""
    packs = [compile_pack(row.document) for row in await read_packs(database)]
    return {
        category.id: category.title.zh
        for pack in sorted(packs, key=lambda pack: pack.known_since)
        for category in pack.document.categories
    }


def _sentence(refused: RequestRefused) -> str:
    """The fault and what to do where one is named, else the reason."""
    if not refused.faults:
        # What to do then is said to cashiers.
        return _text(refused.reason)
    code = refused.faults[0].reason
    return f"{_text(code)} {reason(code).next_step.zh} {reason(code).next_step.en}"


def _text(code: str) -> str:
    return f"{code} {reason(code).text.zh} {reason(code).text.en}"

"""`medaid policy simulate`: a past month under another pack, and nothing written."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from gateway.cli.given import month_number
from gateway.cli.policy_desk import (
    bar,
    bureau_key_option,
    find_pack,
    html_option,
    month_text,
    need_reader,
    run_desk,
    write_page,
)
from gateway.cli.policy_figures import Simulated, simulation_json
from gateway.cli.policy_simulation_view import print_simulation, simulation_page
from gateway.cli.policy_view import console_for_tables
from gateway.location import json_option, location_options, open_database
from settlement.service.policy_past import Reader
from settlement.service.policy_simulation import Simulation, Stretch, simulate
from settlement.store.database import Database


@click.command(
    "simulate",
    epilog="Example: medaid policy simulate draft.yaml --month 2026-01 --html a.html",
)
@click.argument("reference", metavar="PACK")
@click.option("--month", required=True, help="Month of record, YYYY-MM.")
@click.option(
    "--year",
    "with_year",
    is_flag=True,
    help="Decide the eleven months before again, too, for the cost of a year; without"
    " it the month's difference times twelve is given as an estimate.",
)
@bureau_key_option
@html_option
@json_option
@location_options
def simulate_pack(
    reference: str,
    month: str,
    bureau_key: Path | None,
    html: Path | None,
    data_dir: Path,
    dsn: str | None,
    *,
    with_year: bool,
    as_json: bool,
) -> None:
    """Decide a past month again as though PACK had been in force in it.

    PACK is a YAML file, or ID[@VERSION] of a pack in the database or of the program.
    Every settlement in force is opened with the bureau's key and decided in the
    order of the log, with the persons' running totals as they stood before the
    month. Nothing is written to the database, and no personal data is shown.
    """
    number = month_number(month)
    reader = need_reader(data_dir, bureau_key)

    async def work() -> Simulated:
        async with open_database(data_dir, dsn, max_size=2) as database:
            return await simulated_month(
                database, reader, reference, number,
                with_year=with_year, is_shown=not as_json,
            )  # fmt: skip

    found = run_desk(work())
    _require_settlements(found.result, number)
    if html is not None:
        write_page(html, simulation_page(found))
    if as_json:
        click.echo(orjson.dumps(simulation_json(found), option=orjson.OPT_INDENT_2))
        return
    print_simulation(found, console_for_tables())
    if html is not None:
        click.echo(f"页面 page: {html}")


async def simulated_month(
    database: Database,
    reader: Reader,
    reference: str,
    month: int,
    *,
    with_year: bool = False,
    is_shown: bool,
) -> Simulated:
    """The month, and the twelve that end with it where asked for."""
    pack = await find_pack(database, reference)
    with bar(month_text(month), is_shown=is_shown) as progress:
        result = await simulate(database, reader, pack, Stretch(month, month), progress)
    if not with_year:
        return Simulated(pack, month, result, None)
    with bar("12 个月 months", is_shown=is_shown) as progress:
        year = await simulate(database, reader, pack, Stretch.year_to(month), progress)
    return Simulated(pack, month, result, year)


def _require_settlements(result: Simulation, month: int) -> None:
    if not result.persons and not sum(result.left_out.values()):
        raise click.ClickException(
            f"there is no settlement in force in {month_text(month)} to decide again"
        )

"""`medaid alerts outliers`: hospitals and operators far outside their peers."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import click

from gateway.cli.alerts_desk import run_alerts, today, writing_in
from gateway.cli.given import month_number
from gateway.cli.reconcile_desk import yield_to_settling
from gateway.location import json_option, location_options, open_database
from gateway.wiring import wall_clock
from settlement.domain.calendar import month_name, month_of_day
from settlement.service.watch.outliers import look_for_outliers
from settlement.service.watch.shelf import read_rules_shelf


@click.command(
    "outliers", epilog="Example: medaid alerts outliers --month 2026-01 --data-dir var"
)
@click.option(
    "--month",
    default=None,
    metavar="YYYY-MM",
    help="Month of record; default: yesterday's, for a timer.",
)
@location_options
@json_option
def outliers_command(
    month: str | None, data_dir: Path, dsn: str | None, *, as_json: bool
) -> None:
    """Compare a month of each hospital and operator with that of the others.

    Raises, changes and withdraws their alerts as the watch does for single claims.
    Safe to run again: the same month gives the same alerts.
    """
    yesterday = today() - timedelta(days=1)
    number = month_of_day(yesterday) if month is None else month_number(month)
    yield_to_settling()

    async def work() -> int:
        async with open_database(data_dir, dsn, max_size=2, gives_way=True) as database:
            shelf = await read_rules_shelf(database)
            async with writing_in(database) as session:
                return await look_for_outliers(session, shelf, number, wall_clock())

    changed = run_alerts(work())
    if as_json:
        click.echo(json.dumps({"month": month_name(number), "changed": changed}))
    else:
        click.echo(f"{month_name(number)}: {changed} 条提醒有变化 alerts changed")

"""`medaid replay`: settle a file of visits through a sandbox gateway."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import orjson
from rich.console import Console

from gateway.demo.folder import scratch_folder
from gateway.location import json_option
from gateway.replay.run import ReplayOptions, run_replay
from gateway.replay.summary import Summary
from gateway.replay.visits import VisitFileError

_PPM = 1_000_000
_SHOWN = 5


@click.command(epilog="Example: medaid replay visits.csv.gz --limit 1000 --json")
@click.argument("visits", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--limit", type=click.IntRange(min=1), help="Only the first so many visits."
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1024),
    default=96,
    show_default=True,
    help="Persons whose visits are settled side by side.",
)
@click.option(
    "--eligible",
    type=click.FloatRange(0, 1),
    default=0.6,
    show_default=True,
    help="Share of the persons who are on the roster; nobody else is settled or"
    " watched, so give 1 to judge alerts.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/replay"),
    show_default=True,
    help="Scratch folder: emptied at each start.",
)
@json_option
def replay(
    visits: Path,
    limit: int | None,
    concurrency: int,
    eligible: float,
    data_dir: Path,
    as_json: bool,
) -> None:
    r"""Settle VISITS, a CSV file of visits, through a sandbox gateway of its own.

    One person's visits in order, persons side by side. Amounts are taken as CNY:
    total_cost is the total and in policy, insurer_paid is basic insurance,
    other_payer_paid other funds. Rows that are no sound bill are refused one by one
    and counted by code. Then waits until every claim was looked at for alerts, and
    compares hospitals and operators month by month: medaid alerts list with the same
    --data-dir shows what was found. Ends with status 1 when the books are not clean.

    \b
    Used where the file has them:
      birth_date, dx_code, operator    as they are
      subdistrict                      of the person, and of the hospital as
                                       most of its rows have it
      household_id                     of the person
      prescription_days                of the bill
      death_date, roster_until         the person's last day on the roster
      reversed_at, reversal_reason     undone then: refund, timeout or mistake
    """
    console = Console(stderr=as_json)
    with scratch_folder(data_dir, "replay") as folder:
        options = ReplayOptions(
            visits=visits,
            data_dir=folder,
            limit=limit,
            concurrency=concurrency,
            eligible_ppm=round(eligible * _PPM),
        )
        summary = _run(options, console)
    if as_json:
        click.echo(orjson.dumps(summary.document()))
    else:
        console.print(summary.table(data_dir))
    _print_books(summary, is_quiet=as_json)
    if not summary.holds:
        raise SystemExit(1)


def _run(options: ReplayOptions, console: Console) -> Summary:
    try:
        return asyncio.run(run_replay(options, console))
    except VisitFileError as error:
        raise click.ClickException(str(error)) from error


def _print_books(summary: Summary, *, is_quiet: bool) -> None:
    for violation in summary.violations[:_SHOWN]:
        click.echo(f"VIOLATION {violation}", err=True)
    if not summary.holds:
        click.echo(f"check-books: {len(summary.violations):,} violations", err=True)
    elif not is_quiet:
        click.echo("check-books: every invariant holds")

"""`medaid his simulate`: a HIS and a national platform on loopback."""

from __future__ import annotations

import asyncio
import csv
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from gateway.cli.his_simulate_day import Wanted, run_day, serve_platform
from gateway.cli.his_simulate_html import day_page
from gateway.cli.his_simulate_sandbox import Audit, roster_rows
from gateway.cli.his_simulate_view import checks_of, show_day
from gateway.demo.sandbox import ROSTER_COLUMNS
from gateway.his_simulator.clients import Client, ClientsFault, read_clients
from gateway.his_simulator.faults import Fault, Weather, weather
from gateway.his_simulator.people import Person, make_people
from gateway.his_simulator.result import DayResult
from gateway.location import json_option

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_NEW_FILE = click.Path(path_type=Path, dir_okay=False)
_ALL, _NONE = "all", "none"


def _faults(_context: click.Context, _option: click.Parameter, text: str) -> Weather:
    """`all`, `none`, or names with commas; the seed comes later."""
    if text == _ALL:
        return weather(0, Fault)
    names = [] if text == _NONE else [name.strip() for name in text.split(",")]
    try:
        return weather(0, [Fault(name) for name in names])
    except ValueError:
        known = ", ".join(fault.value for fault in Fault)
        raise click.BadParameter(f"all, none, or some of {known}") from None


@click.command(
    epilog="Example: medaid his simulate --hospitals 20 --visits 400 --faults all"
    " --seed 7"
)
@click.option(
    "--hospitals",
    type=click.IntRange(1, 99),
    default=20,
    show_default=True,
    help="Of the sandbox that is made where there is no --gateway.",
)
@click.option(
    "--visits",
    type=click.IntRange(1, 20_000),
    default=400,
    show_default=True,
    help="Of all hospitals together.",
)
@click.option(
    "--faults",
    "wished",
    default=_ALL,
    show_default=True,
    callback=_faults,
    metavar="all|none|NAME,...",
    help="What goes wrong: docs/his/simulator.md.",
)
@click.option(
    "--seed",
    type=int,
    default=7,
    show_default=True,
    help="The same seed plays the same day.",
)
@click.option(
    "--persons",
    type=click.IntRange(1, 500_000),
    default=500,
    show_default=True,
    help="Invented persons; one in eight is on no roster.",
)
@click.option(
    "--gateway", help="Address of a gateway.  [default: a sandbox of its own]"
)
@click.option(
    "--clients",
    "clients_file",
    type=_FILE,
    help="JSON: who the hospitals are to --gateway.",
)
@click.option("--platform", help="Address of a national platform.  [default: its own]")
@click.option(
    "--platform-only",
    is_flag=True,
    help="Serve the national platform alone, until Ctrl-C; with --gateway"
    " the bad line too, on the next port.",
)
@click.option(
    "--his-only",
    is_flag=True,
    help="Play hospitals alone: needs --gateway, --clients and --platform.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65534),
    default=0,
    help="Of --platform-only.  [default: one that is free]",
)
@click.option(
    "--day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Settle on this day; sandboxes only.  [default: today]",
)
@click.option(
    "--patience",
    "patience_s",
    type=click.FloatRange(min=0.1),
    default=3.0,
    show_default=True,
    help="Seconds that a HIS waits for an answer.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Of the sandbox gateway.",
)
@click.option(
    "--report", type=_NEW_FILE, help="Write a page with a picture of the day."
)
@click.option(
    "--log",
    "log_file",
    type=_NEW_FILE,
    help="Write the hospitals' transaction log, a JSON object a line.",
)
@click.option(
    "--write-roster",
    type=_NEW_FILE,
    help="Write the roster of the invented persons as CSV, and end.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/his-simulate"),
    show_default=True,
    help="Scratch folder of the sandbox: emptied at each start.",
)
@json_option
def simulate(
    *,
    wished: Weather,
    seed: int,
    persons: int,
    gateway: str | None,
    clients_file: Path | None,
    platform_only: bool,
    his_only: bool,
    day: datetime | None,
    report: Path | None,
    log_file: Path | None,
    write_roster: Path | None,
    as_json: bool,
    **plain: Any,
) -> None:
    """Play a day of hospitals against a gateway, over a line with faults.

    Each visit goes 1101, 2206 and 2207 at a simulated national platform, then at the
    gateway; the day ends with 3201, and 3202 where it is not flat. Without --gateway
    it makes a sandbox of its own and checks its books too. Ends with status 0 only
    when nothing was found, every statement is flat, and aid agrees to the fen.
    """
    people = make_people(seed, persons)
    if write_roster is not None:
        _write_roster(write_roster, people)
        return
    wanted = Wanted(
        weather=weather(seed, wished.faults),
        people=people,
        gateway=gateway.rstrip("/") if gateway else None,
        clients=_clients(clients_file),
        day=day.date() if day else None,
        **plain,
    )
    _require(wanted, his_only=his_only, platform_only=platform_only)
    if platform_only:
        asyncio.run(serve_platform(wanted))
        return
    result, found = asyncio.run(run_day(wanted, log_file, quiet=as_json))
    _tell(result, found, report, as_json=as_json)


def _require(wanted: Wanted, *, his_only: bool, platform_only: bool) -> None:
    is_whole = wanted.gateway and wanted.clients
    if his_only and not (is_whole and wanted.platform):
        raise click.UsageError("--his-only needs --gateway, --clients and --platform")
    if wanted.gateway and not wanted.clients and not platform_only:
        raise click.UsageError("--gateway needs --clients")


def _tell(
    result: DayResult, found: Audit | None, report: Path | None, *, as_json: bool
) -> None:
    checks = checks_of(result, found)
    if report is not None:
        report.write_text(day_page(result, checks), encoding="utf-8")
    show_day(result, found, checks, as_json=as_json)
    if not all(holds for holds, _, _ in checks):
        raise SystemExit(1)


def _clients(path: Path | None) -> tuple[Client, ...]:
    if path is None:
        return ()
    try:
        return read_clients(path)
    except ClientsFault as fault:
        raise click.ClickException(str(fault)) from fault


def _write_roster(path: Path, people: tuple[Person, ...]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(ROSTER_COLUMNS)
        writer.writerows(roster_rows(people))

"""The demo from beginning to end: make, play, verify, show, and stay up."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from crypto.keys import SharedSecret
from gateway.client import GatewayClient, Line
from gateway.demo.audit import audit_books, audit_months
from gateway.demo.by_hand import commands_to_try, visit_to_try
from gateway.demo.calibrate import CalibrationError
from gateway.demo.district import HOSPITALS, SUBDISTRICTS
from gateway.demo.outcomes import Tally
from gateway.demo.parties import facility, register_facilities
from gateway.demo.pilot import Pilot, make_pilot
from gateway.demo.play import play
from gateway.demo.progress import progress
from gateway.demo.published import PUBLISHED
from gateway.demo.report import agrees, month_table, outcome_table, yuan
from gateway.demo.residents import Population
from gateway.demo.sandbox import (
    Sandbox,
    gateway_answering,
    line_to,
    open_sandbox,
    serving,
)
from gateway.demo.steps import Step
from gateway.keyfiles import load_party_secret_key
from gateway.wiring import wall_clock
from settlement import policies
from settlement.domain.policy import compile_pack
from settlement.service.statistics import month_statistics

_PACK = "demo-district.yaml"
_WORKERS = 2
_CONNECTIONS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """How to run."""

    data_dir: Path
    """An empty folder of this run's own."""
    port: int
    """0: whichever is free."""
    once: bool
    """End after the tables instead of staying up."""


class Verdict:
    """Whether all of it held; every check is said where it is made."""

    def __init__(self, console: Console) -> None:
        """Nothing has failed yet."""
        self._console = console
        self.held = True

    def check(self, holds: bool, sentence: str) -> None:  # noqa: FBT001
        """Say one check's result."""
        self.held = self.held and holds
        mark = "[green]holds[/green]" if holds else "[bold red]FAILS[/bold red]"
        self._console.print(f"  {mark}  {sentence}", highlight=False, soft_wrap=True)


async def run_demo(options: DemoOptions, console: Console) -> bool:
    """Run everything; whether all held. Without `once`, returns after Ctrl-C.

    SIGTERM ends it as Ctrl-C does. Raises `click.ClickException` where a part of it
    cannot run.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    if task is not None:
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    verdict = Verdict(console)
    # Calibration is computed while the database comes up.
    making = asyncio.create_task(asyncio.to_thread(_make_pilot))
    async with AsyncExitStack() as stack:
        with console.status("Starting PostgreSQL, making roster and bills"):
            sandbox = await stack.enter_async_context(open_sandbox(options.data_dir))
            pilot = await making
            keys = await _prepare(sandbox, pilot, console)
        base_url = await stack.enter_async_context(
            serving(sandbox, port=options.port, workers=_WORKERS)
        )
        console.print(
            f"The gateway is up at {base_url}", highlight=False, soft_wrap=True
        )
        line = await stack.enter_async_context(
            line_to(base_url, connections=_CONNECTIONS)
        )
        tally = await _play(line, keys, pilot, console)
        await _audit(sandbox, tally, verdict, console)
        await _show_months(sandbox, verdict, console)
        _say_verdict(verdict, console)
        if not options.once:
            await _stay_up(line, keys, pilot, options.data_dir, console)
    return verdict.held


def _make_pilot() -> Pilot:
    pack = compile_pack(policies.read(_PACK))
    categories = [category.id for category in pack.document.categories]
    try:
        return make_pilot(pack, categories)
    except CalibrationError as error:
        raise click.ClickException(str(error)) from error


async def _prepare(
    sandbox: Sandbox, pilot: Pilot, console: Console
) -> dict[str, SharedSecret]:
    """Register the hospitals and take the roster in; the hospitals' keys."""
    now = wall_clock()
    keys = await register_facilities(
        sandbox.database,
        (
            facility(
                hospital.code,
                hospital.name,
                level=hospital.level,
                subdistrict=hospital.subdistrict,
                at=now,
            )
            for hospital in pilot.hospitals
        ),
        sealing_key=load_party_secret_key(sandbox.data_dir),
        random=os.urandom,
    )
    rows = await sandbox.import_roster(_roster_rows(pilot.population))
    persons = len(pilot.population.on_roster)
    console.print(
        f"{len(HOSPITALS)} hospitals registered; roster of {persons:,} persons in"
        f" {len(SUBDISTRICTS)} sub-districts signed and taken in ({rows:,} rows)",
        highlight=False,
        soft_wrap=True,
    )
    return keys


def _roster_rows(population: Population) -> Iterator[tuple[str, ...]]:
    for person in population.on_roster:
        for window in person.windows:
            yield (
                "upsert",
                person.card,
                person.id_number,
                person.name,
                person.household,
                window.category,
                person.subdistrict,
                window.valid_from.isoformat(),
                window.valid_to.isoformat() if window.valid_to else "",
                "",
                person.birth_on.isoformat(),
            )


async def _play(
    line: Line, keys: Mapping[str, SharedSecret], pilot: Pilot, console: Console
) -> Tally:
    started = time.monotonic()
    done = 0
    with progress(console, "replaying June to August 2014", len(pilot.steps)) as show:

        def advance(step: Step) -> None:
            nonlocal done
            done += 1
            show(done, f"{step.at:%d %B}")

        with gateway_answering():
            tally = await play(line, keys, pilot.steps, advance)
    seconds = time.monotonic() - started
    console.print(outcome_table(tally))
    bills = sum(step.bill is not None for step in pilot.steps)
    console.print(
        f"{len(pilot.steps):,} steps with {bills:,} bills in {seconds:.1f} s:"
        f" {bills / seconds:,.0f} bills a second,"
        f" {len(pilot.hospitals)} hospitals side by side",
        highlight=False,
        soft_wrap=True,
    )
    return tally


async def _audit(
    sandbox: Sandbox, tally: Tally, verdict: Verdict, console: Console
) -> None:
    console.print("\nVerifying every record offline:", highlight=False, soft_wrap=True)
    verdict.check(
        not tally.unexpected,
        "; ".join(tally.first_unexpected())
        or "every step had the outcome that it must have",
    )
    checked = 0
    months = [figures.month for figures in PUBLISHED]
    with console.status("Exporting and verifying"):
        audits = [month async for month in audit_months(sandbox, months)]
        books = await audit_books(sandbox)
    for month in audits:
        checked += month.checked
        verdict.check(
            not month.findings and month.opened == month.checked,
            f"{month.month}: {month.checked:,} records ({month.settlements:,}"
            f" settlements, {month.reversals:,} reversals, {month.tombstones:,}"
            f" tombstones), aid {yuan(month.aid_fen)} CNY by month of record"
            + "".join(f"; {finding}" for finding in month.findings[:3]),
        )
    verdict.check(
        checked == books.leaves,
        f"the log has {books.leaves:,} entries, and {checked:,} records were verified",
    )
    verdict.check(
        not books.violations,
        "check-books: money, caps, once, log, signatures"
        + "".join(f"; {violation}" for violation in books.violations[:3]),
    )


async def _show_months(sandbox: Sandbox, verdict: Verdict, console: Console) -> None:
    months = await month_statistics(sandbox.database)
    console.print()
    console.print(month_table(months, PUBLISHED))
    verdict.check(
        agrees(months, PUBLISHED), "the months are the published ones, to the fen"
    )


def _say_verdict(verdict: Verdict, console: Console) -> None:
    if verdict.held:
        console.print("[bold green]All of it held.[/bold green]")
    else:
        console.print("[bold red]Not all of it held; see FAILS above.[/bold red]")


async def _stay_up(
    line: Line,
    keys: Mapping[str, SharedSecret],
    pilot: Pilot,
    data_dir: Path,
    console: Console,
) -> None:
    """Print what can be tried by hand, then wait for Ctrl-C."""
    visit = visit_to_try(pilot)
    client = GatewayClient(line, keys[visit.hospital.code], operator="by-hand")
    token = await client.token()
    console.print("\nThe gateway stays up. To try by hand, in another terminal:")
    for what, command in commands_to_try(visit, line.base_url, token, data_dir):
        # Plain and unwrapped, so that the command can be copied as it is.
        click.echo(f"\n# {what}\n{command}")
    click.echo("\nCtrl-C ends the demo.")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    with _handled(loop, stop):
        await stop.wait()
    click.echo("\nStopping the gateway and the database.")


@contextmanager
def _handled(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Iterator[None]:
    """Have Ctrl-C and SIGTERM set `stop` while the block runs."""
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)

"""`medaid roster import`: one signed file, in one piece, with what it refused."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from crypto.trust import Trust
from eligibility_cache.subdistricts import SubdistrictsFault, read_subdistricts
from eligibility_cache.text_encoding import encoding_named
from gateway.cli.roster_files import as_json_text, tokenizer_of
from gateway.installation import InstallationFault, load_trust
from gateway.location import json_option, location_options, open_database
from gateway.roster_documents import imported_document, refusal_document
from gateway.wiring import wall_clock
from settlement.domain.reasons import reason
from settlement.domain.roster import RefusedRow, RosterRefusedError
from settlement.service.roster import (
    ImportRules,
    Listing,
    ListingError,
    RosterImported,
    by_spelling,
    import_roster,
    installed_spellings,
    roster_trust,
)
from settlement.service.roster_listing import refused_csv
from settlement.store.errors import CommitUnknownError, StoreUnavailableError

_ROWS_SHOWN = 20
_PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be taken in, and how."""

    manifest: Path
    limit_ppm: int
    encoding: str
    refused_to: Path | None

    @contextmanager
    def listing(self) -> Iterator[Listing]:
        """Where refused rows go."""
        if self.refused_to is None:
            yield lambda _rows: None
            return
        try:
            with refused_csv(self.refused_to) as listing:
                yield listing
        except (ListingError, OSError) as error:
            raise click.ClickException(
                f"{self.refused_to} cannot be written ({error}); nothing was taken in"
            ) from error


def _encoding(_context: click.Context, _option: click.Parameter, value: str) -> str:
    encoding = encoding_named(value)
    if encoding is None:
        raise click.BadParameter("rosters are read in utf-8 or gb18030")
    return encoding


@click.command(
    "import",
    epilog="Example: medaid roster import 2026-07/manifest.json --max-refused 0.001",
)
@click.argument("manifest", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--max-refused",
    type=click.FloatRange(0, 1),
    default=0.001,
    show_default=True,
    help="Share of rows that may be refused; with more, nothing is taken.",
)
@click.option(
    "--encoding",
    callback=_encoding,
    default="utf-8",
    show_default=True,
    help="What the data file is in: utf-8 or gb18030 (also for gbk and gb2312).",
)
@click.option(
    "--refused",
    "refused_to",
    type=click.Path(path_type=Path, dir_okay=False),
    help="CSV to write: line, column, value class and reason of every refused row.",
)
@json_option
@location_options
def import_(
    manifest: Path,
    max_refused: float,
    encoding: str,
    refused_to: Path | None,
    as_json: bool,
    data_dir: Path,
    dsn: str | None,
) -> None:
    """Take in the roster file that MANIFEST names, which lies beside it.

    All of it or nothing. Refused rows are listed with line, column and reason; their
    persons keep the former state. Whom a full file does not name leaves the roster
    on the day before its as_of. Running gateways follow within a second. Where the
    data folder holds `subdistricts.txt`, one code a line, other codes are refused.
    """
    limit = round(max_refused * _PPM)
    started = time.monotonic()
    order = _Order(manifest, limit, encoding, refused_to)
    try:
        result = asyncio.run(_import(order, data_dir, dsn, quiet=as_json))
    except RosterRefusedError as refused:
        if as_json:
            click.echo(as_json_text({"refused": refusal_document(refused)}))
        else:
            _print_rows(refused.refused, refused_to)
        raise _failure(refused) from refused
    except (StoreUnavailableError, CommitUnknownError) as error:
        raise click.ClickException(
            f"the database failed during the import ({error}); take the same file in"
            " again: if it is in already, that is what you are told"
        ) from error
    seconds = time.monotonic() - started
    if as_json:
        click.echo(as_json_text(imported_document(result, seconds)))
    else:
        _print_imported(result, seconds, refused_to)


async def _import(
    order: _Order, data_dir: Path, dsn: str | None, *, quiet: bool
) -> RosterImported:
    trust = _trust(data_dir)
    subdistricts = _subdistricts(data_dir)
    async with open_database(data_dir, dsn) as database:
        spellings = await installed_spellings(database)
        if not spellings:
            raise click.ClickException(
                "no policy pack is installed, so no category can be told;"
                " run medaid policy list"
            )
        rules = ImportRules(
            trust=await roster_trust(database, trust),
            tokenizer=await tokenizer_of(database, data_dir),
            categories=by_spelling(spellings),
            now=wall_clock(),
            max_refused_ppm=order.limit_ppm,
            encoding=order.encoding,
            subdistricts=subdistricts,
        )
        with progress_bar(quiet=quiet) as progress, order.listing() as listing:
            return await import_roster(
                database, order.manifest, rules, progress, listing
            )


def _subdistricts(data_dir: Path) -> frozenset[str] | None:
    try:
        return read_subdistricts(data_dir)
    except SubdistrictsFault as fault:
        raise click.ClickException(str(fault)) from fault


def _trust(data_dir: Path) -> Trust:
    try:
        return load_trust(data_dir)
    except InstallationFault as fault:
        raise click.ClickException(str(fault)) from fault


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Any]:
    """Give a function of step, done and total; nothing shows without a terminal."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=quiet or not sys.stderr.isatty(),
        transient=True,
    )
    with bar:
        task = bar.add_task("checking", total=1)
        yield lambda step, done, total: bar.update(
            task, description=step, completed=done, total=total
        )


def _failure(refused: RosterRefusedError) -> click.ClickException:
    about = reason(refused.reason)
    return click.ClickException(
        f"{refused.reason} {about.text.en} {refused.detail}. {about.next_step.en}"
        f" {about.text.zh}"
    )


def _print_imported(
    result: RosterImported, seconds: float, refused_to: Path | None
) -> None:
    _print_rows(result.refused, refused_to)
    counts, manifest = result.counts, result.manifest
    click.echo(
        f"roster version {manifest.version} ({manifest.kind}) taken in:"
        f" {counts.rows:,} rows, {counts.refused:,} refused,"
        f" {counts.persons_changed:,} persons changed,"
        f" {counts.windows_upserted:,} windows new or changed,"
        f" {counts.windows_ended:,} ended, in {seconds:.1f} s"
    )
    if counts.removals_without_effect:
        click.echo(
            f"{counts.removals_without_effect:,} removals named persons who never"
            " were on the roster; they did nothing"
        )
    if counts.remarked:
        click.echo(
            f"{counts.remarked:,} lines were taken and are worth a look;"
            " --refused FILE lists them"
        )


def _print_rows(rows: tuple[RefusedRow, ...], refused_to: Path | None) -> None:
    for row in rows[:_ROWS_SHOWN]:
        text = reason(row.reason).text
        column = f", column {row.column}" if row.column else ""
        click.echo(
            f"line {row.line}{column}: {row.reason} {text.en} {text.zh}", err=True
        )
    if len(rows) > _ROWS_SHOWN:
        hidden = len(rows) - _ROWS_SHOWN
        click.echo(f"and {hidden:,} more; --refused FILE lists all", err=True)
    if refused_to is not None:
        click.echo(f"{refused_to} lists every refused row", err=True)

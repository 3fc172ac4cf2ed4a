"""`medaid roster`: take signed roster files in, and say what the roster holds."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import lmdb
import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from crypto.tokens import Tokenizer
from crypto.trust import Trust
from eligibility_cache.environment import CacheMeta, read_meta
from eligibility_cache.follower import Follower
from eligibility_cache.packing import CacheCorruptError
from eligibility_cache.store import EligibilityCache
from eligibility_cache.verification import Comparison, Tally, verify
from gateway.cli.roster_files import generate, sign
from gateway.installation import InstallationFault, load_trust
from gateway.keyfiles import KeyFileFault, load_keys
from gateway.location import json_option, location_options, open_database
from gateway.wiring import wall_clock
from settlement.domain.calendar import rfc3339, shanghai_day
from settlement.domain.reasons import reason
from settlement.domain.roster import (
    RefusedRow,
    RosterRefusedError,
    RosterUnreachableError,
)
from settlement.service.roster import (
    ImportRules,
    RosterImported,
    by_spelling,
    import_roster,
    installed_spellings,
    roster_trust,
)
from settlement.store.errors import CommitUnknownError, StoreUnavailableError
from settlement.store.roster import RosterStatus, read_categories, read_status
from settlement.store.roster_feed import RosterFeed

_ROWS_SHOWN = 20
_PPM = 1_000_000
#: How long `verify` waits for a running gateway to bring the cache up to date.
_CATCH_UP_SECONDS = 10


@click.group()
def roster() -> None:
    """Take signed roster files in, and see what the roster holds."""


roster.add_command(sign)
roster.add_command(generate)


@roster.command(
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
@json_option
@location_options
def import_(
    manifest: Path, max_refused: float, as_json: bool, data_dir: Path, dsn: str | None
) -> None:
    """Take in the roster file that MANIFEST names, which lies beside it.

    All of it or nothing. Refused rows are listed with line, column and reason; their
    persons keep the former state. Whom a full file does not name leaves the roster
    on the day before its as_of. Running gateways follow within a second.
    """
    limit = round(max_refused * _PPM)
    started = time.monotonic()
    try:
        result = asyncio.run(_import(manifest, limit, data_dir, dsn, quiet=as_json))
    except RosterRefusedError as refused:
        if as_json:
            click.echo(_json({"refused": _refusal(refused)}))
        else:
            _print_rows(refused.refused)
        raise _failure(refused) from refused
    except (StoreUnavailableError, CommitUnknownError) as error:
        raise click.ClickException(
            f"the database failed during the import ({error}); take the same file in"
            " again: if it is in already, that is what you are told"
        ) from error
    seconds = time.monotonic() - started
    if as_json:
        click.echo(_json(_imported(result, seconds)))
    else:
        _print_imported(result, seconds)


@roster.command(epilog="Example: medaid roster status --json")
@json_option
@location_options
def status(as_json: bool, data_dir: Path, dsn: str | None) -> None:
    """Show version, persons, categories, and how far this machine's cache is."""
    found, categories = asyncio.run(_status(data_dir, dsn))
    try:
        meta = read_meta(data_dir / "cache")
    except (lmdb.Error, CacheCorruptError):
        meta = None
    if as_json:
        click.echo(_json(_status_document(found, categories, meta)))
    elif found is None:
        click.echo("no roster has been taken in yet; see medaid roster import --help")
    else:
        _print_status(found, categories, meta)


@roster.command("verify", epilog="Example: medaid roster verify")
@json_option
@location_options
def verify_(as_json: bool, data_dir: Path, dsn: str | None) -> None:
    """Compare this machine's cache with the roster in the database, row by row."""
    try:
        found = asyncio.run(_verify(data_dir, dsn))
    except (CacheCorruptError, RosterUnreachableError, lmdb.Error) as error:
        raise click.ClickException(f"nothing could be compared: {error}") from error
    if as_json:
        click.echo(_json({"agrees": found.agrees, **asdict(found)}))
    else:
        for name, tally in (("persons", found.persons), ("cards", found.cards)):
            click.echo(f"{name:<8} {_tally(tally)}")
    if not found.agrees:
        raise click.ClickException("the cache differs from the roster")


async def _import(
    manifest: Path, limit_ppm: int, data_dir: Path, dsn: str | None, *, quiet: bool
) -> RosterImported:
    tokenizer, trust = _tokenizer(data_dir), _trust(data_dir)
    async with open_database(data_dir, dsn) as database:
        spellings = await installed_spellings(database)
        if not spellings:
            raise click.ClickException(
                "no policy pack is installed, so no category can be told;"
                " run medaid policy list"
            )
        rules = ImportRules(
            trust=await roster_trust(database, trust),
            tokenizer=tokenizer,
            categories=by_spelling(spellings),
            now=wall_clock(),
            max_refused_ppm=limit_ppm,
        )
        with _progress_bar(quiet=quiet) as progress:
            return await import_roster(database, manifest, rules, progress)


async def _status(
    data_dir: Path, dsn: str | None
) -> tuple[RosterStatus | None, dict[str, int]]:
    async with (
        open_database(data_dir, dsn) as database,
        database.pool.acquire() as connection,
    ):
        today = shanghai_day(wall_clock())
        return await read_status(connection), await read_categories(connection, today)


async def _verify(data_dir: Path, dsn: str | None) -> Comparison:
    tokenizer = _tokenizer(data_dir)
    async with open_database(data_dir, dsn) as database:
        feed = RosterFeed(database)
        cache = EligibilityCache(data_dir / "cache", tokenizer)
        try:
            await _bring_up_to_date(feed, cache)
            async with feed.snapshot() as snapshot:
                return await verify(snapshot, cache)
        finally:
            cache.close()
            await feed.close()


async def _bring_up_to_date(feed: RosterFeed, cache: EligibilityCache) -> None:
    """By ourselves, or by the gateway that runs on this machine."""
    async with feed.snapshot() as snapshot:
        wanted = snapshot.head.version
    for _ in range(_CATCH_UP_SECONDS * 4):
        if cache.folder.try_lock():
            try:
                await Follower(feed, cache).catch_up()
            finally:
                cache.folder.unlock()
        cache.refresh()
        if cache.roster_version() == wanted:
            return
        await asyncio.sleep(0.25)


def _tokenizer(data_dir: Path) -> Tokenizer:
    try:
        return Tokenizer(load_keys(data_dir).token_key)
    except KeyFileFault as fault:
        raise click.ClickException(str(fault)) from fault


def _trust(data_dir: Path) -> Trust:
    try:
        return load_trust(data_dir)
    except InstallationFault as fault:
        raise click.ClickException(str(fault)) from fault


@contextmanager
def _progress_bar(*, quiet: bool) -> Iterator[Any]:
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} rows"),
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


def _row_document(row: RefusedRow) -> dict[str, Any]:
    text = reason(row.reason).text
    return {
        "line": row.line,
        "column": row.column,
        "reason": {"code": row.reason, "zh": text.zh, "en": text.en},
    }


def _refusal(refused: RosterRefusedError) -> dict[str, Any]:
    about = reason(refused.reason)
    return {
        "code": refused.reason,
        "zh": about.text.zh,
        "en": about.text.en,
        "detail": refused.detail,
        "rows": [_row_document(row) for row in refused.refused],
    }


def _imported(result: RosterImported, seconds: float) -> dict[str, Any]:
    return {
        "version": result.manifest.version,
        "kind": result.manifest.kind,
        "as_of": rfc3339(result.manifest.as_of),
        **asdict(result.counts),
        "refused_rows": [_row_document(row) for row in result.refused],
        "seconds": round(seconds, 3),
    }


def _print_imported(result: RosterImported, seconds: float) -> None:
    _print_rows(result.refused)
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


def _print_rows(rows: tuple[RefusedRow, ...]) -> None:
    for row in rows[:_ROWS_SHOWN]:
        text = reason(row.reason).text
        column = f", column {row.column}" if row.column else ""
        click.echo(
            f"line {row.line}{column}: {row.reason} {text.en} {text.zh}", err=True
        )
    if len(rows) > _ROWS_SHOWN:
        hidden = len(rows) - _ROWS_SHOWN
        click.echo(f"and {hidden:,} more; --json lists them", err=True)


def _status_document(
    found: RosterStatus | None, categories: dict[str, int], meta: CacheMeta | None
) -> dict[str, Any]:
    return {
        "roster": None if found is None else asdict(found),
        "categories_today": categories,
        "cache": None
        if meta is None
        else {"version": meta.version, "as_of": meta.as_of},
    }


def _print_status(
    found: RosterStatus, categories: dict[str, int], meta: CacheMeta | None
) -> None:
    click.echo(
        f"roster version {found.version} ({found.kind}), as of {rfc3339(found.as_of)},"
        f" taken in {rfc3339(found.imported_at)}\n"
        f"{found.persons:,} persons, {found.windows:,} windows, {found.cards:,} cards;"
        f" {found.refused:,} of {found.rows:,} rows refused"
    )
    table = Table("category", "persons today", box=None)
    table.columns[1].justify = "right"
    for category, persons in categories.items():
        table.add_row(category, f"{persons:,}")
    Console().print(table)
    if meta is None:
        click.echo("this machine has no cache yet; medaid serve builds it")
    else:
        behind = "" if meta.version == found.version else ", BEHIND the roster"
        click.echo(f"this machine's cache: version {meta.version}{behind}")


def _tally(tally: Tally) -> str:
    return (
        f"{tally.equal:,} equal, {tally.missing:,} missing,"
        f" {tally.surplus:,} surplus, {tally.different:,} different"
    )


def _json(document: Any) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)

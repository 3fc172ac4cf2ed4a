"""`medaid roster`: take signed roster files in, and say what the roster holds."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import lmdb
from rich.console import Console
from rich.table import Table

from eligibility_cache.environment import CacheMeta, read_meta
from eligibility_cache.follower import Follower
from eligibility_cache.packing import CacheCorruptError
from eligibility_cache.store import EligibilityCache
from eligibility_cache.verification import Comparison, Tally, verify
from gateway.cli.roster_audit import audit_command
from gateway.cli.roster_files import as_json_text, generate, sign, tokenizer_of
from gateway.cli.roster_forget import forget_command
from gateway.cli.roster_import import import_
from gateway.cli.roster_retoken import retoken_command
from gateway.cli.roster_sweep import sweep_command
from gateway.location import json_option, location_options, open_database
from gateway.wiring import wall_clock
from settlement.domain.calendar import rfc3339, shanghai_day
from settlement.domain.roster import (
    RosterUnreachableError,
)
from settlement.store.roster import RosterStatus, read_categories, read_status
from settlement.store.roster_feed import RosterFeed

_ROWS_SHOWN = 20
_PPM = 1_000_000
#: How long `verify` waits for a running gateway to bring the cache up to date.
_CATCH_UP_SECONDS = 10


@click.group()
def roster() -> None:
    """Take signed roster files in, and see what the roster holds."""


roster.add_command(import_)
roster.add_command(sign)
roster.add_command(generate)
roster.add_command(sweep_command)
roster.add_command(audit_command)
roster.add_command(forget_command)
roster.add_command(retoken_command)


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
        click.echo(as_json_text(_status_document(found, categories, meta)))
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
        click.echo(as_json_text({"agrees": found.agrees, **asdict(found)}))
    else:
        for name, tally in (("persons", found.persons), ("cards", found.cards)):
            click.echo(f"{name:<8} {_tally(tally)}")
    if not found.agrees:
        raise click.ClickException("the cache differs from the roster")


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
    async with open_database(data_dir, dsn) as database:
        tokenizer = await tokenizer_of(database, data_dir)
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

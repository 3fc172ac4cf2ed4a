"""`medaid roster forget`: erase persons whose retention has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

import click

from gateway.cli.roster_files import as_json_text, tokenizer_of
from gateway.location import json_option, location_options, open_database
from gateway.wiring import wall_clock
from settlement.service.roster_forget import KEPT, Forgotten, forget
from settlement.store.errors import CommitUnknownError, StoreUnavailableError

_TOKEN_BYTES = 16
_BY_MAX = 64


@click.command(
    "forget", epilog="Example: medaid roster forget --numbers - --years 15 --by ou-yang"
)
@click.argument("tokens", nargs=-1, metavar="[TOKEN]...")
@click.option(
    "--numbers", type=click.File("r", encoding="utf-8"), default=None,
    help="File of identity numbers, one a line (-: standard input); never as arguments,"
    " which every user of the machine can read.",
)  # fmt: skip
@click.option(
    "--years", type=click.IntRange(1, 100), required=True,
    help="Retention: who has a window, settlement or reversal within it is kept.",
)  # fmt: skip
@click.option("--by", required=True, help="Who orders it; noted with each person.")
@click.option("--dry-run", is_flag=True, help="Only say who would be forgotten.")
@json_option
@location_options
def forget_command(
    *,
    tokens: tuple[str, ...],
    numbers: TextIO | None,
    years: int,
    by: str,
    dry_run: bool,
    as_json: bool,
    data_dir: Path,
    dsn: str | None,
) -> None:
    """Erase persons from the roster for good, in the database and in every cache.

    Windows, cards and changes go; settlements and their records stay for the books.
    Whoever has a window, a settlement or a reversal within the retention, or an open
    case, is kept, and named. Running gateways build their caches anew: name many
    persons at once. The command ends with status 1 where somebody was kept.
    """
    if not 0 < len(by) <= _BY_MAX:
        raise click.ClickException(f"--by is 1 to {_BY_MAX} characters")
    persons = [_token(each) for each in tokens]
    named = [] if numbers is None else [n.strip() for n in numbers if n.strip()]
    if not persons and not named:
        raise click.ClickException("name persons: tokens, or --numbers")
    order = _Order(persons, named, years, by, dry_run)
    try:
        found = asyncio.run(_forget(order, data_dir, dsn))
    except (StoreUnavailableError, CommitUnknownError) as error:
        raise click.ClickException(
            f"the database failed ({error}); run it again: whom it says it does not"
            " know has been forgotten"
        ) from error
    _tell(found, as_json=as_json, dry_run=dry_run)
    if found.kept:
        raise click.ClickException(f"{len(found.kept):,} persons were kept")


def _token(text: str) -> bytes:
    try:
        token = bytes.fromhex(text)
    except ValueError:
        token = b""
    if len(token) != _TOKEN_BYTES:
        # Not quoted: it may be an identity number.
        raise click.ClickException(
            "a token is 32 hexadecimal digits; identity numbers go into --numbers"
        )
    return token


class _Order(NamedTuple):
    """Whom to forget, by token and by identity number, and why it may be done."""

    persons: Sequence[bytes]
    numbers: Sequence[str]
    years: int
    by: str
    dry_run: bool


async def _forget(order: _Order, data_dir: Path, dsn: str | None) -> Forgotten:
    async with open_database(data_dir, dsn, max_size=1) as database:
        persons = list(order.persons)
        if order.numbers:
            tokenizer = await tokenizer_of(database, data_dir)
            persons += [tokenizer.person(number) for number in order.numbers]
        return await forget(
            database,
            persons,
            years=order.years,
            at=wall_clock(),
            by=order.by,
            only_look=order.dry_run,
        )


def _tell(found: Forgotten, *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        click.echo(
            as_json_text(
                {
                    "dry_run": dry_run,
                    "forgotten": [each.hex() for each in found.erased],
                    "kept": {each.hex(): code for each, code in found.kept.items()},
                }
            )
        )
        return
    done = "可以删除 could be forgotten" if dry_run else "已删除 forgotten"
    click.echo(f"{len(found.erased):,} {done}")
    for person, code in found.kept.items():
        click.echo(f"{person.hex()} {KEPT[code].zh} {KEPT[code].en}", err=True)

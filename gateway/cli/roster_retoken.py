"""`medaid roster retoken`: the database's tokens under a new key."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import NamedTuple

import click

from gateway.cli.roster_files import as_json_text
from gateway.cli.roster_import import progress_bar
from gateway.keyfiles import (
    GatewayKeys,
    KeyFileFault,
    epoch_key_path,
    load_keys,
    make_epoch_key,
)
from gateway.location import json_option, location_options, open_database
from gateway.wiring import wall_clock
from settlement.domain.errors import FatalError
from settlement.domain.roster import FIRST_TOKEN_EPOCH
from settlement.service.retokening import Renewal, Renewed, renew_tokens
from settlement.store.database import Database, read_token_epoch
from settlement.store.errors import CommitUnknownError, StoreUnavailableError
from settlement.store.retokening import NotAloneError

_BY_MAX = 64


class _Order(NamedTuple):
    data_dir: Path
    dsn: str | None
    by: str
    quiet: bool


@click.command("retoken", epilog="Example: medaid roster retoken --make-key")
@click.option(
    "--make-key", is_flag=True,
    help="Only make the next epoch's key, so that it can be copied away first.",
)  # fmt: skip
@click.option("--by", default=None, help="Who orders it; noted with the epoch.")
@json_option
@location_options
def retoken_command(
    *, make_key: bool, by: str | None, as_json: bool, data_dir: Path, dsn: str | None
) -> None:
    """Renew all tokens: the same persons, under a key that nobody has seen.

    First `--make-key`, which changes nothing in the database. Copy the key file to
    where the other keys' copies are, and to each machine with a gateway. Then stop all
    gateways and run it with `--by`: all tokens are renewed in one database
    transaction, or none. Settlements, running totals, cases and idempotency keys go
    on as they were; each machine builds its cache anew at its next start.
    """
    if make_key == (by is not None):
        raise click.UsageError("give either --make-key or --by")
    if by is not None and not 0 < len(by) <= _BY_MAX:
        raise click.ClickException(f"--by is 1 to {_BY_MAX} characters")
    try:
        if by is None:
            asyncio.run(_make_key(data_dir, dsn))
        else:
            order = _Order(data_dir, dsn, by, quiet=as_json)
            _tell(asyncio.run(_renew(order)), as_json=as_json)
    except NotAloneError as others:
        raise click.ClickException(
            f"{others}: stop every gateway and whatever else uses it; nothing was"
            " changed"
        ) from others
    except CommitUnknownError as error:
        raise click.ClickException(
            f"the database failed at the end ({error}); run it again: it says whether"
            " the new epoch has begun"
        ) from error
    except (StoreUnavailableError, FatalError, KeyFileFault) as error:
        raise click.ClickException(f"{error}; nothing was changed") from error


async def _make_key(data_dir: Path, dsn: str | None) -> None:
    async with open_database(data_dir, dsn, max_size=1) as database:
        epoch = await _epoch(database, load_keys(data_dir)) + 1
    made = make_epoch_key(data_dir, epoch, os.urandom)
    path = epoch_key_path(data_dir, epoch)
    if made:
        click.echo(
            f"{path} 已生成，请先另存副本并复制到每台网关 made: copy it to where the"
            " other keys' copies are, and to each machine with a gateway"
        )
    else:
        click.echo(f"{path} 已存在，未改动 stands already and was left as it is")


async def _renew(order: _Order) -> Renewed:
    async with open_database(order.data_dir, order.dsn, max_size=1) as database:
        keys = load_keys(order.data_dir)
        epoch = await _epoch(database, keys)
        after = keys.epochs.get(epoch + 1)
        if after is None:
            raise click.ClickException(
                f"tokens are of epoch {epoch}, and the next one has no key yet; run"
                " medaid roster retoken --make-key, and copy the key away"
            )
        renewal = Renewal(
            key=keys.token_key,
            before=None if epoch == FIRST_TOKEN_EPOCH else keys.epochs[epoch],
            after=after,
            epoch=epoch + 1,
            at=wall_clock(),
            by=order.by,
        )
        with progress_bar(quiet=order.quiet) as told:
            return await renew_tokens(database, renewal, told)


async def _epoch(database: Database, keys: GatewayKeys) -> int:
    """In force; raises `KeyFileFault` where its key is not here."""
    async with database.pool.acquire() as connection:
        epoch = await read_token_epoch(connection)
    keys.tokenizer(epoch)
    return epoch


def _tell(found: Renewed, *, as_json: bool) -> None:
    if as_json:
        document = {
            "epoch": found.epoch, "tokens": found.tokens, "answers": found.answers
        }  # fmt: skip
        click.echo(as_json_text(document))
        return
    click.echo(
        f"令牌第 {found.epoch} 期生效 epoch {found.epoch} has begun:"
        f" {found.tokens:,} tokens, {found.answers:,} requests"
    )

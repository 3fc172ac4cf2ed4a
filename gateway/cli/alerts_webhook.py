"""`medaid alerts webhook`: where alerts are sent to."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.table import Table

from gateway.cli.policy_view import console_for_tables
from gateway.installation import Installation, InstallationFault
from gateway.keyfiles import KeyFileFault, load_party_secret_key, write_new
from gateway.location import json_option, location_options, open_database
from gateway.wiring import wall_clock
from settlement.domain.calendar import rfc3339
from settlement.service.watch.hooks import (
    NewHook,
    Webhook,
    WebhookFault,
    add_hook,
    hooks,
    remove_hook,
    switch_hook,
)
from settlement.service.watch.webhook_signing import secret_text

_T = TypeVar("_T")
_FAULTS = (WebhookFault, KeyFileFault, InstallationFault)
_number = click.argument("number", type=click.IntRange(1, 2_147_483_647))


@click.group()
def webhook() -> None:
    """Where a bureau's systems are told of alerts: signed, in order, with retries."""


@webhook.command(
    epilog="Example: medaid alerts webhook add east-bureau"
    " https://desk.example.org/medaid --key-out webhook.secret.json"
)
@click.argument("party")
@click.argument("url")
@click.option(
    "--key-out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the secret here, for its owner alone, and do not show it.",
)
@location_options
def add(
    party: str, url: str, key_out: Path | None, data_dir: Path, dsn: str | None
) -> None:
    """Send the bureau PARTY every alert from now on, to URL (https).

    The secret is shown this once; receivers check each message with it
    (docs/formats/alert-webhook.md).
    """
    made = _run(_add(party, url, key_out, data_dir, dsn))
    click.echo(f"webhook {made.id}: alerts of today and later go to {url}")
    if key_out is None:
        click.echo(f"its secret, shown this once: {secret_text(made.secret)}")
    else:
        click.echo(f"its secret, for its owner alone: {key_out}")


async def _add(
    party: str, url: str, key_out: Path | None, data_dir: Path, dsn: str | None
) -> NewHook:
    if key_out is not None and key_out.exists():
        raise WebhookFault(f"{key_out} stands already; a secret is never overwritten")
    sealing_key = load_party_secret_key(data_dir)
    sandbox = Installation.load(data_dir).sandbox
    async with open_database(data_dir, dsn, max_size=1) as database:
        made = await add_hook(
            database,
            party=party,
            url=url,
            sandbox=sandbox,
            sealing_key=sealing_key,
            random=os.urandom,
            now=wall_clock(),
        )
        if key_out is not None and not write_new(key_out, _secret_file(made, url)):
            await remove_hook(database, made.id)
            raise WebhookFault(f"{key_out} was made by somebody else just now")
    return made


def _secret_file(made: NewHook, url: str) -> bytes:
    members = {"webhook": made.id, "url": url, "secret": secret_text(made.secret)}
    return json.dumps(members).encode() + b"\n"


@webhook.command("list", epilog="Example: medaid alerts webhook list --json")
@location_options
@json_option
def list_(data_dir: Path, dsn: str | None, *, as_json: bool) -> None:
    """List webhooks: how far behind they are, and what came of the last message."""

    async def read() -> list[Webhook]:
        async with open_database(data_dir, dsn, max_size=1) as database:
            return await hooks(database)

    found = _run(read())
    if as_json:
        click.echo(json.dumps([_document(hook) for hook in found]))
        return
    table = Table(
        "#", "机构 party", "地址 URL", "状态 state", "待发 waiting", "最早 oldest",
        "失败 failures", "最近结果 last",
    )  # fmt: skip
    for hook in found:
        oldest = "" if hook.oldest_at is None else rfc3339(hook.oldest_at)
        state = "开 on" if hook.is_on else "暂停 paused"
        table.add_row(
            str(hook.id), hook.party, hook.url, state, str(hook.lag), oldest,
            str(hook.attempts), hook.last_status,
        )  # fmt: skip
    console_for_tables().print(table)


def _document(hook: Webhook) -> dict[str, Any]:
    """Everything but the secret."""
    oldest = hook.oldest_at
    return {
        "webhook": hook.id,
        "party": hook.party,
        "url": hook.url,
        "state": "on" if hook.is_on else "paused",
        "last_event": hook.cursor,
        "waiting": hook.lag,
        "oldest_at": None if oldest is None else rfc3339(oldest),
        "failures": hook.attempts,
        "next_attempt_at": rfc3339(hook.next_at) if hook.attempts else None,
        "last": hook.last_status,
    }


@webhook.command(epilog="Example: medaid alerts webhook pause 1")
@_number
@location_options
def pause(number: int, data_dir: Path, dsn: str | None) -> None:
    """Send webhook NUMBER nothing until it is resumed; what comes meanwhile waits."""
    _run(_switch(number, data_dir, dsn, is_on=False))
    click.echo(f"webhook {number} is paused; what comes meanwhile waits for it")


@webhook.command(epilog="Example: medaid alerts webhook resume 1")
@_number
@location_options
def resume(number: int, data_dir: Path, dsn: str | None) -> None:
    """Let webhook NUMBER go on where it stopped, at once."""
    _run(_switch(number, data_dir, dsn, is_on=True))
    click.echo(f"webhook {number} goes on where it stopped")


@webhook.command(epilog="Example: medaid alerts webhook remove 1")
@_number
@location_options
def remove(number: int, data_dir: Path, dsn: str | None) -> None:
    """Forget webhook NUMBER and its secret."""

    async def work() -> None:
        async with open_database(data_dir, dsn, max_size=1) as database:
            await remove_hook(database, number)

    _run(work())
    click.echo(f"webhook {number} and its secret are forgotten")


async def _switch(number: int, data_dir: Path, dsn: str | None, *, is_on: bool) -> None:
    async with open_database(data_dir, dsn, max_size=1) as database:
        await switch_hook(database, number, is_on=is_on, now=wall_clock())


def _run(work: Coroutine[Any, Any, _T]) -> _T:
    try:
        return asyncio.run(work)
    except _FAULTS as fault:
        raise click.ClickException(str(fault)) from fault
    except OSError as error:
        raise click.ClickException(
            f"{error.filename or 'a file'} cannot be used ({error.strerror})"
        ) from error

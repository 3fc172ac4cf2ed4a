"""`medaid alerts`: what the detectors found, and working it off."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click
from rich.table import Table

from gateway.alert_documents import alert_document, alert_text
from gateway.cli.alerts_webhook import webhook
from gateway.cli.policy_view import console_for_tables
from gateway.location import json_option, location_options, open_database
from settlement.service.watch.work import AlertSearch, ListedAlert, list_alerts


@click.group()
def alerts() -> None:
    """Repeat claims and their like: what detectors found, and working it off."""


alerts.add_command(webhook)


@alerts.command("list", epilog="Example: medaid alerts list --json")
@click.option("--detector", default=None, help="Only this detector's, by its name.")
@click.option("--all", "is_all", is_flag=True, help="Withdrawn and muted ones, too.")
@location_options
@json_option
def list_(
    detector: str | None,
    is_all: bool,
    data_dir: Path,
    dsn: str | None,
    *,
    as_json: bool,
) -> None:
    """List alerts in the order in which they were raised."""
    states = None if is_all else ("raised",)

    async def work() -> list[ListedAlert]:
        async with (
            open_database(data_dir, dsn, max_size=2) as database,
            database.pool.acquire() as session,
        ):
            search = AlertSearch(states=states, detector=detector)
            return await list_alerts(session, search)

    found = asyncio.run(work())
    if as_json:
        click.echo(json.dumps([alert_document(alert) for alert in found]))
        return
    table = Table("#", "分数 score", "提醒 alert", "就诊 visits", "机构 facilities")
    for alert in found:
        text = alert_text(alert)
        table.add_row(
            str(alert.no),
            str(alert.score),
            f"{text.zh}\n{text.en}",
            " ".join(alert.visit_nos),
            " ".join(alert.facilities),
        )
    console_for_tables().print(table)

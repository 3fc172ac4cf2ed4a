"""`medaid roster sweep`: decisions that a later roster file has corrected backwards."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from gateway.cli.policy_view import console_for_tables
from gateway.cli.reconcile_desk import yield_to_settling
from gateway.cli.roster_files import as_json_text
from gateway.location import json_option, location_options, open_database
from gateway.wiring import wall_clock
from settlement.domain.calendar import SHANGHAI, rfc3339, shanghai_day
from settlement.domain.money import yuan_text
from settlement.service.roster_sweep import KINDS, Corrected, Sweep, sweep
from settlement.store.errors import StoreUnavailableError

#: A cap year, and the months in which its bills are still brought.
_USUAL_DAYS = 400


@click.command("sweep", epilog="Example: medaid roster sweep --since 2026-01-01")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    default=None,
    help="First Shanghai day of settling to look at.  [default: 400 days ago]",
)
@json_option
@location_options
def sweep_command(
    since: datetime | None, as_json: bool, data_dir: Path, dsn: str | None
) -> None:
    """List settlements and declines that a later roster file corrected backwards.

    Each with its kind, and with what to do about it. Changes nothing; meant for every
    night. Cards, numbers and names do not stand in it: the facility finds the patient
    by its visit number.
    """
    day = since.date() if since else shanghai_day(wall_clock()) - _usual()
    yield_to_settling()
    try:
        found = asyncio.run(
            _sweep(datetime.combine(day, time(), SHANGHAI), data_dir, dsn)
        )
    except StoreUnavailableError as error:
        raise click.ClickException(
            f"the database went away during the sweep ({error}); run it again"
        ) from error
    if as_json:
        click.echo(as_json_text(_document(found, day.isoformat())))
    else:
        _print(found, day.isoformat())


def _usual() -> timedelta:
    return timedelta(days=_USUAL_DAYS)


async def _sweep(since: datetime, data_dir: Path, dsn: str | None) -> Sweep:
    async with open_database(data_dir, dsn, max_size=2, gives_way=True) as database:
        return await sweep(database, since)


def _document(found: Sweep, since: str) -> dict[str, Any]:
    return {
        "since": since,
        "checked": found.checked,
        "kinds": {
            code: {
                "text": {"zh": kind.text.zh, "en": kind.text.en},
                "next_step": {"zh": kind.next_step.zh, "en": kind.next_step.en},
                "count": _count(found)[code],
            }
            for code, kind in KINDS.items()
        },
        "items": [_item(each) for each in found.corrected],
    }


def _item(each: Corrected) -> dict[str, Any]:
    suspect = each.suspect
    return {
        "settlement_id": suspect.id.hex(),
        "kind": each.kind,
        "facility": suspect.facility,
        "visit_no": suspect.visit_no,
        "person": suspect.person.hex(),
        "settled_at": rfc3339(suspect.settled_at),
        "service_start": suspect.service_start.isoformat(),
        "service_end": suspect.service_end.isoformat(),
        "reason": suspect.reason,
        "aid_fen": suspect.aid_fen,
        "category": suspect.category,
        "category_now": each.category_now,
        "roster_version": suspect.roster_version,
        "corrected_by": suspect.corrected_by,
    }


def _count(found: Sweep) -> Counter[str]:
    return Counter(each.kind for each in found.corrected)


def _print(found: Sweep, since: str) -> None:
    click.echo(
        f"自 {since} 起核对 {found.checked:,} 笔，{len(found.corrected):,} 笔受更正影响"
        f" decisions looked at, {len(found.corrected):,} touched by corrections"
    )
    if not found.corrected:
        return
    table = Table(
        "结算 settlement", "情况 kind", "医院 facility", "就诊号 visit", "就诊 service",
        "类别 category", "救助 aid, 元", "名册 roster", box=None,
    )  # fmt: skip
    for each in found.corrected:
        table.add_row(*_cells(each))
    console_for_tables().print(table)
    count = _count(found)
    for code, kind in KINDS.items():
        if count[code]:
            click.echo(
                f"{code} ({count[code]:,}): {kind.text.zh}。{kind.next_step.zh}\n"
                f"  {kind.text.en}. {kind.next_step.en}"
            )


def _cells(each: Corrected) -> tuple[str, ...]:
    suspect = each.suspect
    return (
        suspect.id.hex(),
        each.kind,
        escape(suspect.facility or "—"),
        escape(suspect.visit_no),
        f"{suspect.service_start} – {suspect.service_end}",
        f"{suspect.category or '—'} → {each.category_now or '—'}",
        yuan_text(suspect.aid_fen),
        f"{suspect.roster_version} → {suspect.corrected_by}",
    )

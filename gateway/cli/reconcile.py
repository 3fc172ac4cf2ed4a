"""`medaid reconcile`: a month opened, matched, worked off, and how it stands."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.policy_desk import bureau_key_option, find_reader
from gateway.cli.policy_view import console_for_tables
from gateway.cli.reconcile_close import close_command, package_command, sign_command
from gateway.cli.reconcile_desk import (
    by_option,
    counting,
    json_value,
    month_option,
    open_list,
    run_reconcile,
    sha256_of,
    yield_to_settling,
)
from gateway.cli.reconcile_view import (
    print_differences,
    print_matches,
    print_state,
    write_differences,
)
from gateway.hospital_lists import HospitalList
from gateway.hospital_lists.raw_lines import form_of, raw_lines
from gateway.identity import holds_identity
from gateway.location import json_option, location_options, open_database
from gateway.reconcile_documents import difference_document, state_document
from gateway.wiring import wall_clock
from settlement.domain.calendar import month_name, shanghai_day
from settlement.service.reconcile.bureau import BureauView
from settlement.service.reconcile.faults import MonthFault
from settlement.service.reconcile.matching import Matched, NewList, match_month
from settlement.service.reconcile.months import (
    open_month,
    require_facility,
    require_opened,
    span_of,
)
from settlement.service.reconcile.working import (
    DIFFERENCE_STATES,
    MonthState,
    Told,
    list_carried_in,
    list_differences,
    month_state,
    resolve,
)
from settlement.store.closing import closed_months, facilities_of
from settlement.store.told import end_told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from settlement.store.database import Database, Session

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group()
def reconcile() -> None:
    """Match months with hospitals and the bureau, and close them."""


reconcile.add_command(close_command)
reconcile.add_command(sign_command)
reconcile.add_command(package_command)


@reconcile.command(
    "open", epilog="Example: medaid reconcile open --month 2026-01 --data-dir var"
)
@month_option
@by_option
@location_options
@json_option
def open_(
    month: int, by: str, data_dir: Path, dsn: str | None, *, as_json: bool
) -> None:
    """Fix what a month holds: whatever commits later belongs to a later month.

    Possible once the month is over in Shanghai, in the order of the months. Safe to
    run again.
    """

    async def work() -> dict[str, Any]:
        async with open_database(data_dir, dsn, max_size=2) as database:
            cut = await open_month(database, month, by=by)
        return asdict(cut) | {"month": month_name(cut.month)}

    cut = run_reconcile(work())
    if as_json:
        click.echo(json.dumps(cut, default=json_value))
        return
    click.echo(
        f"{cut['month']} 已开始对账 / is open: 日志至 log up to {cut['tree_size']:,}，"
        f"自 from {cut['first_index']:,}"
    )


@reconcile.command(
    "match",
    epilog="Example: medaid reconcile match --month 2026-01 --facility H001"
    " --file january.zip",
)
@month_option
@click.option(
    "--facility", default=None, help="Code of one hospital; default: all open ones."
)
@click.option("--file", type=_FILE, default=None, help="The hospital's list, if new.")
@bureau_key_option
@by_option
@location_options
@json_option
def match_(
    month: int,
    facility: str | None,
    file: Path | None,
    bureau_key: Path | None,
    by: str,
    data_dir: Path,
    dsn: str | None,
    *,
    as_json: bool,
) -> None:
    """Match hospitals' lists, our ledger and, with its key, the bureau's records.

    Of one hospital, or of all that have not closed the month.

    A list may be a zip with one text, a text, a CSV or an XLSX. It is taken whole or
    not at all; the one received last counts. Differences keep their ids, their states
    and their history from match to match.
    """
    if file is not None and facility is None:
        raise click.ClickException(
            "--file is one hospital's list; say whose: --facility"
        )
    yield_to_settling()
    reader = find_reader(data_dir, bureau_key)
    view = None if reader is None else BureauView(reader.key, reader.trust)

    async def work() -> list[Matched]:
        async with (
            open_database(data_dir, dsn, max_size=2, gives_way=True) as database,
            database.pool.acquire() as session,
        ):
            cut = await require_opened(session, month)
            codes = await _codes(session, month, facility)
            if view is not None:
                with counting("解密记录 records", is_shown=not as_json) as progress:
                    await view.read(session, cut, progress)
            try:
                return [
                    await _match_one(session, month, code, file, by, view is not None)
                    for code in codes
                ]
            finally:
                await end_told(session)

    matched = run_reconcile(work())
    if as_json:
        click.echo(json.dumps([_matched(each) for each in matched]))
    else:
        print_matches(
            console_for_tables(), month, matched, with_bureau=view is not None
        )


async def _codes(session: Session, month: int, facility: str | None) -> list[str]:
    if facility is not None:
        return [(await require_facility(session, facility)).code]
    span = span_of(await require_opened(session, month))
    closed = {row.facility_id for row in await closed_months(session, month)}
    ids = await span.facilities(session)
    if ids and closed.issuperset(ids):
        raise MonthFault("MA-4204", month_name(month))
    left = [each for each in ids if each not in closed]
    return [each.code for each in await facilities_of(session, left)]


async def _match_one(
    session: Session,
    month: int,
    code: str,
    file: Path | None,
    by: str,
    with_bureau: bool,
) -> Matched:
    if file is None:
        return await match_month(session, month, code, by=by, with_bureau=with_bureau)
    listed, close = open_list(file, shanghai_day(wall_clock()))
    try:
        with counting(f"{code} 清单 list", is_shown=True) as progress:
            lines = raw_lines(listed, progress)
            new = NewList(sha256_of(file), lambda: form_of(listed), lines)
            matched = await match_month(
                session, month, code, by=by, new_list=new, with_bureau=with_bureau
            )
    finally:
        close()
    _say_left_out(listed)
    return matched


def _say_left_out(listed: HospitalList) -> None:
    for line in listed.refused:
        click.echo(
            f"第 {line.line} 行未读入 / line {line.line} left out: {line.column}"
            f" {line.reason}",
            err=True,
        )


def _matched(matched: Matched) -> dict[str, Any]:
    return {
        "facility": matched.facility.code,
        "list_sha256": matched.list_sha256,
        "is_new_list": matched.is_new_list,
        "flat": not matched.kinds,
        "differences": matched.kinds,
        "tally": asdict(matched.tally),
    }


@reconcile.command(
    "status",
    epilog="Example: medaid reconcile status --month 2026-01 --differences",
)
@month_option
@click.option("--facility", default=None, help="Code of one hospital; default: all.")
@click.option("--differences", "told", is_flag=True, help="List them too.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(DIFFERENCE_STATES),
    help="Only differences in this state; may be given again. Default: not gone.",
)
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the differences as CSV, too.",
)
@location_options
@json_option
def status(
    month: int,
    facility: str | None,
    told: bool,
    states: tuple[str, ...],
    csv_file: Path | None,
    data_dir: Path,
    dsn: str | None,
    *,
    as_json: bool,
) -> None:
    """Show how a month stands, hospital by hospital, and what differs."""

    async def work() -> tuple[MonthState, list[Told]]:
        async with open_database(data_dir, dsn, max_size=2) as database:
            number = None
            if facility is not None:
                async with database.pool.acquire() as session:
                    number = (await require_facility(session, facility)).id
            state = await month_state(database, month, number)
            if not told and csv_file is None:
                return state, []
            wanted = states or DIFFERENCE_STATES[:-1]
            return state, await _differing(database, month, number, wanted)

    state, differing = run_reconcile(work())
    if csv_file is not None:
        write_differences(csv_file, differing)
    if as_json:
        document = state_document(state)
        if told:
            document["differences"] = [difference_document(each) for each in differing]
        click.echo(json.dumps(document))
        return
    print_state(console_for_tables(), state)
    if told:
        print_differences(console_for_tables(), differing)


async def _differing(
    database: Database, month: int, facility: int | None, states: Sequence[str]
) -> list[Told]:
    """The month's, after what earlier months have carried over into it."""
    differing: list[Told] = []
    if "carried_over" in states:
        differing = await list_carried_in(database, month, facility)
    return differing + await list_differences(database, month, facility, states=states)


@reconcile.command(
    "resolve",
    epilog="Example: medaid reconcile resolve 5f0c... --note 'hospital corrected its"
    " list' --by zhao",
)
@click.argument("difference")
@click.option("--note", required=True, help="What was done and why; names nobody.")
@click.option(
    "--carry-over", is_flag=True, help="Into the next month, in place of resolved."
)
@by_option
@location_options
def resolve_(
    difference: str,
    note: str,
    carry_over: bool,
    by: str,
    data_dir: Path,
    dsn: str | None,
) -> None:
    """Say what became of a difference; it stays in the history for ever."""
    today = shanghai_day(wall_clock())

    async def work() -> str:
        async with open_database(data_dir, dsn, max_size=2) as database:
            row = await resolve(
                database,
                difference,
                by=by,
                note=note,
                carry_over=carry_over,
                names_somebody=lambda text: holds_identity(text, None, today),
            )
        return f"{row.facility} {month_name(row.month)} {row.kind}"

    what = run_reconcile(work())
    done = "结转下月 carried over" if carry_over else "已处理 resolved"
    click.echo(f"{what}: {done}")

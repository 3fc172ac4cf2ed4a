"""`medaid alerts show`: one case with its evidence; with a reason, who is behind it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from crypto.tokens import normalise_number
from eligibility_cache.roster_file import RosterFile
from gateway.alert_documents import alert_document, claim_document, opened_document
from gateway.cli.alerts_desk import case_named, named, reading, run_alerts, writing
from gateway.cli.alerts_page import case_page, case_picture
from gateway.cli.alerts_view import print_alert, print_opened
from gateway.cli.alerts_words import short
from gateway.cli.policy_desk import (
    bureau_key_option,
    html_option,
    need_reader,
    write_page,
)
from gateway.cli.policy_view import console_for_tables
from gateway.location import json_option, location_options
from gateway.logs import configure_logs
from gateway.wiring import wall_clock
from settlement.domain.roster import RosterRefusedError
from settlement.service.policy_past import Reader
from settlement.service.watch.opening import (
    ShownCard,
    cards_of_case,
    note_identity_shown,
)
from settlement.service.watch.work import (
    AlertSearch,
    CaseClaim,
    ListedAlert,
    OpenedCase,
    list_alerts,
    open_case,
)
from settlement.store.alert_lists import claims_of_alert

if TYPE_CHECKING:
    from settlement.store.database import Session

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A case, or an alert that is in none."""

    opened: OpenedCase | None
    alert: ListedAlert | None = None
    claims: Sequence[CaseClaim] = ()


@click.command("show", epilog="Example: medaid alerts show 5f0c1a2b --html case.html")
@click.argument("identity", metavar="ID")
@html_option
@click.option(
    "--svg",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Write the timeline of the claims as a picture, too.",
)
@click.option(
    "--identity",
    "with_identity",
    is_flag=True,
    help="Open the case's records and show its cards; told in its history first.",
)
@click.option(
    "--roster",
    type=_FILE,
    help="A roster file (CSV, or in gzip) that has the names; with --identity.",
)
@click.option("--by", help="Who looks; --identity does not go without it.")
@bureau_key_option
@location_options
@json_option
def show_command(
    identity: str,
    html: Path | None,
    svg: Path | None,
    roster: Path | None,
    by: str | None,
    bureau_key: Path | None,
    data_dir: Path,
    dsn: str | None,
    *,
    with_identity: bool,
    as_json: bool,
) -> None:
    """Show a case: its alerts, its claims in the order of time, its history.

    ID is a case's, or an alert's, whose case is shown. Pages and pictures hold tokens
    alone, whatever else is asked.
    """
    people = None
    if with_identity:
        cards = _identities(identity, bureau_key, by, data_dir, dsn)
        people = _people(cards, roster)
    elif roster is not None:
        raise click.ClickException("--roster goes with --identity")
    shown = run_alerts(_read(identity, data_dir, dsn))
    _write(shown, html, svg)
    if as_json:
        click.echo(json.dumps(_document(shown, people)))
        return
    _print(console_for_tables(), shown, people)
    for what, path in (("页面 page", html), ("图 picture", svg)):
        if path is not None:
            click.echo(f"{what}: {path}")


def _write(shown: _Shown, html: Path | None, svg: Path | None) -> None:
    if shown.opened is None and (html or svg):
        raise click.ClickException("the alert is in no case; there is no page of it")
    if shown.opened is not None and html is not None:
        write_page(html, case_page(shown.opened))
    if shown.opened is not None and svg is not None:
        write_page(svg, case_picture(shown.opened))


async def _read(identity: str, data_dir: Path, dsn: str | None) -> _Shown:
    async with reading(data_dir, dsn) as session:
        found = await named(session, identity)
        if found.case is not None:
            return _Shown(await open_case(session, found.case))
        return await _of_alert(session, found.alert or b"")


async def _of_alert(session: Session, alert_id: bytes) -> _Shown:
    search = AlertSearch(alert_id=alert_id)
    (alert,) = await list_alerts(session, search)
    if alert.case_id is not None:
        return _Shown(await open_case(session, alert.case_id), alert)
    return _Shown(None, alert, await claims_of_alert(session, alert_id))


def _identities(
    identity: str,
    bureau_key: Path | None,
    by: str | None,
    data_dir: Path,
    dsn: str | None,
) -> list[ShownCard]:
    """The cards, once the history says that they are looked at."""
    if by is None:
        raise click.ClickException(
            "--identity 须写明 --by 谁在查看，并记入案件经过。"
            " --identity needs --by: who looks, for the case's history."
        )
    reader = need_reader(data_dir, bureau_key)
    configure_logs()

    async def note() -> bytes:
        async with writing(data_dir, dsn) as session:
            case_id = await case_named(session, identity)
            await note_identity_shown(session, case_id, by=by, at=wall_clock())
            return case_id

    # Committed before anything is opened: a look that fails has been tried, too.
    case_id = run_alerts(note())
    return run_alerts(_open(case_id, reader, data_dir, dsn))


async def _open(
    case_id: bytes, reader: Reader, data_dir: Path, dsn: str | None
) -> list[ShownCard]:
    async with reading(data_dir, dsn) as session:
        return await cards_of_case(session, case_id, reader)


def _people(cards: Sequence[ShownCard], roster: Path | None) -> list[dict[str, Any]]:
    names = {} if roster is None else _names(roster, cards)
    return [
        {
            "person_token": None if card.person is None else card.person.hex(),
            "card_kind": card.kind,
            "card_number": card.number,
            "name": names.get(normalise_number(card.number)),
            "claims": card.claims,
        }
        for card in cards
    ]


def _names(roster: Path, cards: Sequence[ShownCard]) -> dict[str, str]:
    """Names by number of the card, of those that the file knows."""
    wanted = {normalise_number(card.number) for card in cards}
    names = {}
    try:
        for name, *numbers in RosterFile(roster).cells(
            "name", "card_number", "id_number"
        ):
            for number in wanted.intersection(map(normalise_number, numbers)):
                names[number] = name
    except RosterRefusedError as refused:
        raise click.ClickException(
            f"{roster} cannot be read as a roster: {refused}"
        ) from refused
    return names


def _document(shown: _Shown, people: list[dict[str, Any]] | None) -> dict[str, Any]:
    if shown.opened is not None:
        document = opened_document(shown.opened)
    else:
        document = {
            "case_id": None,
            "alert_list": [alert_document(shown.alert)] if shown.alert else [],
            "claims": [claim_document(claim) for claim in shown.claims],
            "history": [],
        }
    return document if people is None else document | {"identities": people}


def _print(
    console: Console, shown: _Shown, people: list[dict[str, Any]] | None
) -> None:
    if shown.opened is not None:
        print_opened(console, shown.opened)
    elif shown.alert is not None:
        print_alert(console, shown.alert, shown.claims)
    if people is None:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("人员\nperson", "卡\ncard", "姓名\nname", "结算\nclaims"):
        table.add_column(head, overflow="fold")
    for each in people:
        token = each["person_token"]
        table.add_row(
            short(bytes.fromhex(token)) if token else "—",
            escape(each["card_number"]),
            escape(each["name"] or "—"),
            str(each["claims"]),
        )
    console.print(table)

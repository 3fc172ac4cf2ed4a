"""`medaid alerts assign`, `confirm`, `dismiss`, `muted` and `unmute`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from rich import box
from rich.markup import escape
from rich.table import Table

from gateway.alert_documents import mute_document, mute_id
from gateway.cli.alerts_desk import (
    OFFICER_LENGTH_MAX,
    case_named,
    checked_note,
    names_nobody,
    reading,
    run_alerts,
    writing,
)
from gateway.cli.alerts_words import about, short
from gateway.cli.policy_view import console_for_tables
from gateway.cli.reconcile_desk import by_option
from gateway.location import json_option, location_options
from gateway.wiring import wall_clock
from settlement.domain.calendar import SHANGHAI
from settlement.domain.money import yuan_text
from settlement.domain.watch.wording import title_of
from settlement.service.watch.work import (
    MUTE_AFTER,
    CaseClaim,
    assign,
    confirm,
    dismiss,
    open_case,
)
from settlement.store.alert_lists import (
    MutedPair,
    dismissals_of_case,
    last_case_about,
    muted_list,
)
from settlement.store.alert_work import unmute
from settlement.store.alerts import note_on_case

if TYPE_CHECKING:
    from settlement.store.database import Session

_ALL = "all"
_LEAST_DIGITS = 8
_note_option = click.option(
    "--note", required=True, help="What was found and why; names nobody."
)


@click.command(
    "assign", epilog="Example: medaid alerts assign 5f0c1a2b --to li --by zhao"
)
@click.argument("case")
@click.option("--to", "to", required=True, metavar="OFFICER", help="Who works on it.")
@click.option("--note", default="", help="For the history; names nobody.")
@by_option
@location_options
def assign_command(
    case: str, to: str, note: str, by: str, data_dir: Path, dsn: str | None
) -> None:
    """Say who works on a case."""
    if not to.strip() or len(to) > OFFICER_LENGTH_MAX:
        raise click.ClickException(
            f"--to: 1 至 {OFFICER_LENGTH_MAX} 字 / give 1 to {OFFICER_LENGTH_MAX}"
            " characters"
        )

    async def work() -> bytes:
        async with writing(data_dir, dsn) as session:
            case_id = await case_named(session, case)
            said = checked_note(note) if note else ""
            await assign(
                session, case_id, names_nobody(to), by=by, at=wall_clock(), note=said
            )
            return case_id

    click.echo(f"案件 case {short(run_alerts(work()))}: 已分派 assigned to {to}")


class _Confirmed(NamedTuple):
    case_id: bytes
    ordered: list[tuple[bytes, int]]


@click.command(
    "confirm",
    epilog="Example: medaid alerts confirm 5f0c1a2b --recover all"
    " --note 'billed twice, hospital agrees' --by li",
)
@click.argument("case")
@click.option(
    "--recover",
    multiple=True,
    metavar="all|SETTLEMENT",
    help="Ask the aid of this settlement back, or of all that stand; may be given"
    " again. Default: of none.",
)
@_note_option
@by_option
@location_options
def confirm_command(
    case: str,
    recover: tuple[str, ...],
    note: str,
    by: str,
    data_dir: Path,
    dsn: str | None,
) -> None:
    """Say that it was misuse, and ask aid back.

    What is asked back stands in reconciliation as a difference until the hospital
    has reversed it.
    """

    async def work() -> _Confirmed:
        async with writing(data_dir, dsn) as session:
            case_id = await case_named(session, case)
            said = checked_note(note)
            opened = await open_case(session, case_id)
            ordered = await confirm(
                session,
                case_id,
                by=by,
                at=wall_clock(),
                note=said,
                recover=_chosen(opened.claims, recover),
            )
            return _Confirmed(case_id, ordered)

    done = run_alerts(work())
    click.echo(f"案件 case {short(done.case_id)}: 已确认 confirmed")
    for settlement, aid_fen in done.ordered:
        click.echo(f"  追回 recover {settlement.hex()}: {yuan_text(aid_fen)} 元 yuan")
    if recover and not done.ordered:
        click.echo("  没有可追回的金额 / no aid is left to ask back")


def _chosen(claims: Sequence[CaseClaim], recover: Sequence[str]) -> list[bytes]:
    """The settlements that are meant; raises `click.ClickException`."""
    if _ALL in recover:
        if len(recover) > 1:
            raise click.ClickException(
                "--recover: all 或逐笔，二者择一 / give all, or settlements"
            )
        return [claim.id for claim in claims]
    return [_one(claims, text.lower()) for text in recover]


def _one(claims: Sequence[CaseClaim], text: str) -> bytes:
    found = [claim for claim in claims if claim.id.hex().startswith(text)]
    if len(text) < _LEAST_DIGITS or len(found) != 1:
        raise click.ClickException(
            f"--recover {text}: 案件中没有（或不止一笔）这样的结算。"
            " The case holds no settlement, or more than one, whose id begins so."
        )
    (claim,) = found
    is_asked = claim.recovery_ordered_at is not None
    if claim.state != b"s" or claim.aid_fen <= 0 or is_asked:
        raise click.ClickException(
            f"--recover {text}: 该笔没有有效的救助金额可追回。"
            " That settlement has no aid in force that could be asked back."
        )
    return claim.id


class _Dismissed(NamedTuple):
    case_id: bytes
    silent: list[str]
    counted: list[tuple[str, int]]


@click.command(
    "dismiss",
    epilog="Example: medaid alerts dismiss 5f0c1a2b --note 'dialysis' --by li",
)
@click.argument("case")
@_note_option
@by_option
@location_options
def dismiss_command(
    case: str, note: str, by: str, data_dir: Path, dsn: str | None
) -> None:
    """Say that it was honest.

    A detector that was dismissed twice about the same person, household, operator or
    hospital is silent about them from then on: see medaid alerts muted.
    """

    async def work() -> _Dismissed:
        async with writing(data_dir, dsn) as session:
            case_id = await case_named(session, case)
            silent = await dismiss(
                session, case_id, by=by, at=wall_clock(), note=checked_note(note)
            )
            counted = await dismissals_of_case(session, case_id)
            return _Dismissed(case_id, sorted(name for name, _ in silent), counted)

    done = run_alerts(work())
    click.echo(f"案件 case {short(done.case_id)}: 已驳回 dismissed")
    for name, times in done.counted:
        title = title_of(name)
        if name in done.silent:
            click.echo(
                f"  “{title.zh}”已驳回 {times} 次，今后对此对象静默："
                f"medaid alerts muted / {name} was dismissed {times} times and is"
                " silent about it from now on"
            )
        else:
            left = MUTE_AFTER - times
            click.echo(
                f"  “{title.zh}”再驳回 {left} 次即静默 / {name}: {left} more and it is"
                " silent"
            )


@click.command("muted", epilog="Example: medaid alerts muted --json")
@location_options
@json_option
def muted_command(data_dir: Path, dsn: str | None, *, as_json: bool) -> None:
    """List which detectors are silent about whom: how often dismissed, since when."""

    async def work() -> list[MutedPair]:
        async with reading(data_dir, dsn) as session:
            return await muted_list(session)

    pairs = run_alerts(work())
    if as_json:
        click.echo(json.dumps([mute_document(pair) for pair in pairs]))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("编号\nid", "检测\ndetector", "关于\nabout", "驳回\ndismissed",
                 "静默自\nsince", "其后提醒\nalerts since"):  # fmt: skip
        table.add_column(head, overflow="fold")
    for pair in pairs:
        table.add_row(*map(escape, _cells(pair)))
    console_for_tables().print(table)


def _cells(pair: MutedPair) -> tuple[str, ...]:
    return (
        short(mute_id(pair.detector, pair.subject)),
        f"{title_of(pair.detector).zh}\n{pair.detector}",
        about(pair.person, pair.household, pair.facility, pair.operator),
        str(pair.dismissals),
        pair.muted_at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M"),
        str(pair.alerts),
    )


@click.command("unmute", epilog="Example: medaid alerts unmute 0c4f9e21 --by li")
@click.argument("identity", metavar="ID")
@by_option
@location_options
def unmute_command(identity: str, by: str, data_dir: Path, dsn: str | None) -> None:
    """Let a detector speak about somebody again; ID as medaid alerts muted shows it.

    Its dismissals are counted from 0 again. What it found meanwhile shows with the
    next claim.
    """

    async def work() -> MutedPair:
        async with writing(data_dir, dsn) as session:
            pair = _muted(await muted_list(session), identity.lower())
            await unmute(session, pair.detector, pair.subject)
            await _note(session, pair, by)
            return pair

    pair = run_alerts(work())
    click.echo(
        f"{title_of(pair.detector).zh} {pair.detector}: 恢复提醒 speaks again about"
        f" {about(pair.person, pair.household, pair.facility, pair.operator)}"
    )


async def _note(session: Session, pair: MutedPair, by: str) -> None:
    """Into the history of the case that was dismissed last."""
    case_id = await last_case_about(session, pair.detector, pair.subject)
    if case_id is not None:
        at = wall_clock()
        await note_on_case(session, case_id, at, by, "unmuted", pair.detector)


def _muted(pairs: Sequence[MutedPair], text: str) -> MutedPair:
    found = [
        pair
        for pair in pairs
        if mute_id(pair.detector, pair.subject).hex().startswith(text)
    ]
    if len(text) < _LEAST_DIGITS or len(found) != 1:
        raise click.ClickException(
            f"{text}: 没有（或不止一个）这样的静默；medaid alerts muted 可查。"
            " Nothing, or more than one, is muted under an id that begins so: medaid"
            " alerts muted lists all."
        )
    return found[0]

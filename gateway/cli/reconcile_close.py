"""`medaid reconcile close`, `sign` and `package`: two officers, then one zip."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from crypto.approval import (
    ApprovalFile,
    Purpose,
    approval_file,
    parse_approval_file,
)
from crypto.errors import CryptoError
from gateway.cli.policy_office import officer_key
from gateway.cli.reconcile_desk import (
    counting,
    json_value,
    month_option,
    run_reconcile,
    yield_to_settling,
)
from gateway.cli.reconcile_view import signed_yuan
from gateway.installation import Installation
from gateway.keyfiles import load_keys, write_new
from gateway.location import json_option, location_options, open_database
from gateway.month_package.writer import PackageMade, make_package
from gateway.wiring import wall_clock
from settlement.domain.calendar import month_name
from settlement.domain.month_lines import one_line
from settlement.service.reconcile.closing import (
    SIGNATURES_NEEDED,
    Signing,
    prepare,
    sign,
)
from settlement.service.reconcile.faults import MonthFault
from settlement.service.reconcile.working import month_state
from settlement.store.database import Database

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_NEW = click.Path(path_type=Path, dir_okay=False)
#: An earlier month of the same hospital is still to be closed.
_NOT_ITS_TURN = "MA-4203"


@click.command(
    "close",
    epilog="Example: medaid reconcile close --month 2026-01 --facility H001"
    " --key li.key.json",
)
@month_option
@click.option("--facility", default=None, help="Code; default: all that are ready.")
@click.option("--key", "key_file", type=_FILE, help="The officer's ed25519 key.")
@click.option("--signed", type=_FILE, help="A signature made by reconcile sign.")
@click.option(
    "--statement", type=_NEW, help="Only write the statement here, to be signed."
)
@click.option("--without-list", is_flag=True, help="Although no list has come.")
@location_options
@json_option
def close_command(
    month: int,
    facility: str | None,
    key_file: Path | None,
    signed: Path | None,
    statement: Path | None,
    data_dir: Path,
    dsn: str | None,
    *,
    without_list: bool,
    as_json: bool,
) -> None:
    """Sign a hospital's statement of the month as an officer; the second one closes it.

    The month must be matched and no difference open. An officer whose key lies on
    another machine has the statement written, signs it there and sends the signature:
    --statement, `medaid reconcile sign`, --signed.
    """
    if sum(given is not None for given in (key_file, signed, statement)) != 1:
        raise click.ClickException("give one of --key, --signed and --statement")
    if facility is None and key_file is None:
        raise click.ClickException("--signed and --statement are for one --facility")
    origin = Installation.load(data_dir).origin

    async def work() -> list[Signing]:
        async with open_database(data_dir, dsn, max_size=2) as database:
            if facility:
                how = (origin, key_file, signed, without_list)
                return [await _sign_one(database, month, facility, *how)]
            return await _sign_all(database, month, origin, key_file, without_list)

    async def write() -> Signing:
        async with open_database(data_dir, dsn, max_size=2) as database:
            return await prepare(
                database,
                month,
                facility or "",
                origin=origin,
                without_list=without_list,
            )

    if statement is not None:
        _write_statement(statement, run_reconcile(write()))
        return
    _tell(month, run_reconcile(work()), as_json=as_json)


async def _sign_all(
    database: Database,
    month: int,
    origin: str,
    key_file: Path | None,
    without_list: bool,
) -> list[Signing]:
    """Sign for every hospital that is ready; one whose turn is later is named."""
    signings = []
    for code in await _ready(database, month, without_list):
        try:
            signing = await _sign_one(
                database, month, code, origin, key_file, None, without_list
            )
        except MonthFault as fault:
            if fault.reason != _NOT_ITS_TURN:
                raise
            click.echo(f"未签 left out: {fault}", err=True)
        else:
            signings.append(signing)
    return signings


async def _ready(database: Database, month: int, without_list: bool) -> list[str]:
    wanted = {"ready", "closed"} | ({"no list"} if without_list else set())
    state = await month_state(database, month)
    return [each.facility.code for each in state.hospitals if each.state in wanted]


async def _sign_one(
    database: Database,
    month: int,
    code: str,
    origin: str,
    key_file: Path | None,
    signed: Path | None,
    without_list: bool,
) -> Signing:
    if key_file is None:
        approval = _read_signature(signed)
    else:
        ready = await prepare(
            database, month, code, origin=origin, without_list=without_list
        )
        key = officer_key(key_file)
        approval = parse_approval_file(
            approval_file(ready.statement, key, Purpose.MONTH_STATEMENT)
        )
    return await sign(
        database,
        month,
        code,
        origin=origin,
        key_id=approval.key_id,
        signature=approval.signature,
        without_list=without_list,
    )


def _read_signature(path: Path | None) -> ApprovalFile:
    if path is None:
        raise click.ClickException("give --key or --signed")
    try:
        return parse_approval_file(path.read_bytes())
    except CryptoError as error:
        raise click.ClickException(f"{path} cannot be used: {error}") from error


def _write_statement(path: Path, ready: Signing) -> None:
    if not write_new(path, ready.statement):
        raise click.ClickException(f"{path} stands already; it is never overwritten")
    click.echo(f"{ready.facility.code} sha256 {ready.sha256}: {path}")
    click.echo(
        f"由官员签名 / to be signed: medaid reconcile sign {path} --key FILE --out"
        " SIGNATURE"
    )


def _tell(month: int, signings: list[Signing], *, as_json: bool) -> None:
    if as_json:
        click.echo(
            json.dumps([_document(each) for each in signings], default=json_value)
        )
        return
    for each in signings:
        net = json.loads(each.statement)["ledger"]["net"]
        missing = SIGNATURES_NEEDED - len(each.officers)
        stands = (
            "已结账 closed" if each.closed_at else f"还需 {missing} 位 more to sign"
        )
        click.echo(
            f"{each.facility.code} {month_name(month)} 净救助 net aid"
            f" {signed_yuan(net['aid_fen'])}，{net['count']:,} 笔：{stands}"
            f"（{'、'.join(each.officers)}）"
        )
    if not signings:
        click.echo("没有可结账的医院 / no hospital is ready: medaid reconcile status")
    elif all(each.closed_at for each in signings):
        click.echo(
            f"月度包 / package: medaid reconcile package --month {month_name(month)}"
            " --out FILE.zip"
        )


def _document(signing: Signing) -> dict[str, Any]:
    return {
        "facility": signing.facility.code,
        "sha256": signing.sha256,
        "officers": list(signing.officers),
        "needed": SIGNATURES_NEEDED,
        "closed_at": signing.closed_at,
        "statement": json.loads(signing.statement),
    }


@click.command(
    "sign",
    epilog="Example: medaid reconcile sign statement.json --key li.key.json --out"
    " li.signature.json",
)
@click.argument("statement", type=_FILE)
@click.option("--key", "key_file", type=_FILE, required=True, help="The officer's key.")
@click.option("--out", type=_NEW, required=True, help="Write the signature here.")
def sign_command(statement: Path, key_file: Path, out: Path) -> None:
    """Sign a hospital's statement where the officer's key lies; needs no database.

    Shows what is signed first: whose month, how many settlements, how much aid.
    """
    document = statement.read_bytes()
    try:
        stated = json.loads(document)
        net = stated["ledger"]["net"]
        shown = (
            f"{one_line(stated['facility'])} {one_line(stated['month'])} 净救助 net aid"
            f" {signed_yuan(int(net['aid_fen']))}，{net['count']:,} 笔"
        )
    except (ValueError, KeyError, TypeError) as error:
        raise click.ClickException(
            f"{statement} is no statement of medaid reconcile close --statement"
        ) from error
    key = officer_key(key_file)
    if not write_new(out, approval_file(document, key, Purpose.MONTH_STATEMENT)):
        raise click.ClickException(f"{out} stands already; it is never overwritten")
    click.echo(shown)
    click.echo(f"已签署 signed with {key.public.kid}: {out}")


@click.command(
    "package",
    epilog="Example: medaid reconcile package --month 2026-01 --out 2026-01.zip",
)
@month_option
@click.option("--out", type=_NEW, required=True, help="The zip to make.")
@location_options
@json_option
def package_command(
    month: int, out: Path, data_dir: Path, dsn: str | None, *, as_json: bool
) -> None:
    """Make the month's package for the bureau: statement, records, proofs, payments.

    Possible once every hospital has closed the month. Made again it has the same
    bytes. Check it anywhere with `medaid verify`.
    """
    origin = Installation.load(data_dir).origin
    signer = load_keys(data_dir).checkpoint_sign
    yield_to_settling()

    async def work() -> PackageMade:
        async with open_database(data_dir, dsn, max_size=2, gives_way=True) as database:
            with counting("月度包 records", is_shown=not as_json) as progress:
                return await make_package(
                    database,
                    month,
                    out,
                    signer,
                    origin=origin,
                    made_at=wall_clock(),
                    on_progress=progress,
                )

    made = run_reconcile(work())
    if as_json:
        click.echo(json.dumps(asdict(made), default=json_value))
        return
    again = "" if made.is_first else "（与首次相同 the same as before）"
    click.echo(
        f"{made.month} 月度包 package: {made.path}，{made.records:,} 条记录 records，"
        f"净救助 net aid {signed_yuan(made.aid_fen)}{again}"
    )
    click.echo(f"sha256 {made.sha256}")
    click.echo(f"核验 / check: medaid verify {made.path} --trust TRUST.json")

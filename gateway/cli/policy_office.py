"""`medaid policy approve` and `activate`: a pack comes into use by two officers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson

from crypto.approval import ApprovalFile, approval_file, parse_approval_file
from crypto.errors import CryptoError
from crypto.keys import Role, SigningKey
from gateway.cli.policy_desk import bureau_key_option, find_reader
from gateway.cli.policy_retroactive import (
    Retroactive,
    csv_option,
    print_retroactive,
    retroactive,
    retroactive_json,
    write_csv,
)
from gateway.installation import Installation, InstallationFault
from gateway.keyfiles import KeyFileFault, read_private_key, write_new
from gateway.location import json_option, location_options, open_database
from gateway.wiring import wall_clock
from settlement.domain.calendar import SHANGHAI
from settlement.domain.decision import PolicyRef
from settlement.domain.errors import FatalError
from settlement.domain.policy import PolicyError, compile_pack
from settlement.service.policy_approvals import APPROVALS_NEEDED
from settlement.service.policy_office import (
    Activated,
    Approved,
    OfficeFault,
    approve,
    bring_into_use,
    waiting_pack,
)
from settlement.store.database import Database

_T = TypeVar("_T")
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_FAULTS = (OfficeFault, FatalError, KeyFileFault, InstallationFault, CryptoError)


@click.command(
    "approve",
    epilog="Example: medaid policy approve beijing-2026.yaml --key li.key.json",
)
@click.argument("file", type=_FILE)
@click.option("--key", "key_file", type=_FILE, help="The officer's ed25519 key.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Only sign, with no database: write the signature here.",
)
@click.option(
    "--signed", type=_FILE, help="A signature that an officer has made with --out."
)
@json_option
@location_options
def approve_pack(
    file: Path,
    key_file: Path | None,
    out: Path | None,
    signed: Path | None,
    data_dir: Path,
    dsn: str | None,
    *,
    as_json: bool,
) -> None:
    """Sign the exact bytes of the pack in FILE as an officer.

    Two different officers must sign before a pack can be activated. The pack is
    checked first, with all its worked cases. With --out and --signed the officer's
    key never leaves the officer's machine.
    """
    if (key_file is None) == (signed is None) or (out is not None and signed):
        raise click.ClickException(
            "give --key to sign, or --signed with a signature made before; --out goes"
            " with --key"
        )
    document = file.read_bytes()
    if out is not None and key_file is not None:
        _sign_to_file(file, document, officer_key(key_file), out)
        return
    approval = _approval(document, key_file, signed)

    async def keep() -> Approved:
        async with open_database(data_dir, dsn, max_size=2) as database:
            return await approve(
                database,
                document,
                approval.key_id,
                approval.signature,
                now=wall_clock(),
            )

    approved = _run(keep(), file)
    if as_json:
        values = asdict(approved.ref) | {
            "officers": list(approved.officers),
            "needed": APPROVALS_NEEDED,
        }
        click.echo(json.dumps(values))
    else:
        _say_approved(approved)


def _approval(
    document: bytes, key_file: Path | None, signed: Path | None
) -> ApprovalFile:
    """What the officer has signed: made now with the key, or before."""
    text = b""
    if key_file is not None:
        text = approval_file(document, officer_key(key_file))
    elif signed is not None:
        text = signed.read_bytes()
    try:
        return parse_approval_file(text)
    except CryptoError as error:
        raise click.ClickException(f"{signed} cannot be used: {error}") from error


def _sign_to_file(file: Path, document: bytes, key: SigningKey, out: Path) -> None:
    async def check() -> PolicyRef:
        return compile_pack(document).ref

    ref = _run(check(), file)
    if not write_new(out, approval_file(document, key)):
        raise click.ClickException(f"{out} stands already; it is never overwritten")
    click.echo(f"{ref.id}@{ref.version} sha256 {ref.sha256}")
    click.echo(f"已签署 signed with {key.kid}: {out}")


def _say_approved(approved: Approved) -> None:
    name = f"{approved.ref.id}@{approved.ref.version}"
    had = "" if approved.is_new else "（此前已签 signed before）"
    click.echo(f"{name} sha256 {approved.ref.sha256}")
    click.echo(f"已批准 approved by: {'、'.join(approved.officers)}{had}")
    missing = APPROVALS_NEEDED - len(approved.officers)
    if missing > 0:
        click.echo("还需另一位官员签署 / one more officer has to sign")
    else:
        click.echo(f"可以启用 / ready: medaid policy activate {name}")


@click.command(
    "activate",
    epilog="Example: medaid policy activate beijing@2026.1 --from 2026-12-01",
)
@click.argument("reference", metavar="ID@VERSION")
@click.option(
    "--from",
    "not_before",
    type=click.DateTime(["%Y-%m-%d"]),
    help="First day, Shanghai, on which it may decide; at once where not given.",
)
@click.option(
    "--accept-unconfirmed",
    is_flag=True,
    help="Apply it although some readings are confirmed by no decree.",
)
@bureau_key_option
@csv_option
@json_option
@location_options
def activate_pack(
    reference: str,
    not_before: datetime | None,
    bureau_key: Path | None,
    csv_file: Path | None,
    data_dir: Path,
    dsn: str | None,
    *,
    accept_unconfirmed: bool,
    as_json: bool,
) -> None:
    """Bring an approved pack into use; running gateways take it over by themselves.

    It decides bills whose dates it covers, from the given day on and never within
    the next ten seconds, so that all workers begin at one instant. What has been
    settled stays as it is; where the pack's days have begun, the settlements that it
    would have decided otherwise are listed, with the bureau's key.
    """

    async def bring() -> tuple[Activated, Retroactive | None]:
        sandbox = Installation.load(data_dir).sandbox
        async with open_database(data_dir, dsn, max_size=2) as database:
            # First, so that a list that fails leaves the pack waiting.
            listed = await _listed(database, reference, data_dir, bureau_key)
            activated = await bring_into_use(
                database,
                reference,
                not_before=not_before and not_before.replace(tzinfo=SHANGHAI),
                sandbox=sandbox,
                accept_unconfirmed=accept_unconfirmed,
            )
            return activated, listed

    activated, listed = _run(bring(), Path(reference))
    if csv_file is not None and listed is not None:
        write_csv(csv_file, listed)
    if as_json:
        click.echo(orjson.dumps(_activated_json(activated, listed)))
    else:
        _say_activated(activated, listed)


async def _listed(
    database: Database, reference: str, data_dir: Path, bureau_key: Path | None
) -> Retroactive | None:
    """What would differ, where the bureau's key is at hand."""
    reader = find_reader(data_dir, bureau_key)
    pack = await waiting_pack(database, reference)
    if reader is None or pack is None:
        return None
    return await retroactive(database, reader, pack, is_shown=False)


def _activated_json(activated: Activated, listed: Retroactive | None) -> dict[str, Any]:
    return asdict(activated.pack.ref) | {
        "applied_from": _instant(activated),
        "in_force_from": activated.pack.document.in_force_from,
        "officers": list(activated.officers),
        "retroactive": activated.is_retroactive,
        "would_differ": listed and retroactive_json(listed),
    }


def _say_activated(activated: Activated, listed: Retroactive | None) -> None:
    name = f"{activated.pack.ref.id}@{activated.pack.ref.version}"
    officers = "、".join(activated.officers) or "—"
    click.echo(f"{name} 已启用，批准人 / active, approved by: {officers}")
    click.echo(f"自此刻起适用 / decides from {_instant(activated)} on")
    begins = activated.pack.document.in_force_from
    click.echo(f"适用于此日起的就诊 / for care from {begins} on")
    if not activated.is_retroactive:
        return
    click.echo("追溯生效：已结算的不变 / retroactive: what is settled stays as it is")
    if listed is not None:
        print_retroactive(listed)
    else:
        click.echo(
            "没有民政局私钥，未能列出会不同的结算 / without the bureau's key the list"
            f" of what would differ cannot be made: medaid policy retroactive {name}"
            " --bureau-key FILE"
        )


def _instant(activated: Activated) -> str:
    return activated.known_since.astimezone(SHANGHAI).isoformat(timespec="seconds")


def officer_key(path: Path) -> SigningKey:
    """An officer's own key; raises `click.ClickException` for any other file."""
    try:
        key = read_private_key(path)
    except KeyFileFault as fault:
        raise click.ClickException(str(fault)) from fault
    if not isinstance(key, SigningKey) or key.public.role is not Role.PARTY:
        raise click.ClickException(
            f"{path} is not an officer's ed25519 key; medaid party add CODE --role"
            " officer --alg ed25519 --key-out FILE makes one"
        )
    return key


def _run(work: Coroutine[Any, Any, _T], file: Path) -> _T:
    try:
        return asyncio.run(work)
    except PolicyError as error:
        lines = "\n".join(f"{file}:{fault}" for fault in error.faults)
        raise click.ClickException(f"the pack cannot be used\n{lines}") from error
    except _FAULTS as fault:
        raise click.ClickException(str(fault)) from fault

"""`medaid party` and `medaid facility`: who may call."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Coroutine
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

from crypto.errors import CryptoError
from crypto.key_files import PrivateKey, parse_public_key_file, private_key_file
from crypto.keys import Role, SharedSecret, SigningKey, VerifyingKey
from gateway.installation import Installation, InstallationFault, trust_keys
from gateway.keyfiles import KeyFileFault, load_party_secret_key, write_new
from gateway.location import json_option, location_options, open_database
from gateway.wiring import wall_clock
from settlement.domain.calendar import shanghai_day
from settlement.service.parties import (
    NewParty,
    PartyFault,
    register_with_public_key,
    register_with_secret,
    require_possession,
    revoke,
)
from settlement.store.access import AccessStore, Party, PartyKey

_T = TypeVar("_T")
_FILE = click.Path(path_type=Path, dir_okay=False)
_FAULTS = (PartyFault, KeyFileFault, InstallationFault, CryptoError)

_key_out = click.option(
    "--key-out", type=_FILE, help="Make a key and write it here, for its owner alone."
)
_public_key = click.option(
    "--public-key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="ed25519 key file of the party, with its proof of possession.",
)
_alg = click.option(
    "--alg",
    type=click.Choice(["hmac-sha256", "ed25519"]),
    default="hmac-sha256",
    show_default=True,
    help="Of the key that --key-out makes.",
)
_level = click.option(
    "--level", type=click.IntRange(1, 3), help="Of a facility: 1, 2 or 3."
)
_subdistrict = click.option("--subdistrict", default="", help="Nine digits.")
_sign = click.option(
    "--sign-requests",
    is_flag=True,
    help="Settlements and reversals of this facility must carry a signature too.",
)


@click.group()
def party() -> None:
    """Register who may call, list them, end their keys."""


@click.group()
def facility() -> None:
    """Register hospitals and clinics."""


@party.command(
    epilog="Example: medaid party add east-bureau --role bureau --name"
    " 'East District Civil Affairs' --key-out east-bureau.key.json"
)
@click.argument("code")
@click.option(
    "--role",
    type=click.Choice(["facility", "bureau", "officer", "auditor"]),
    required=True,
)
@click.option("--name", required=True, help="As people call it.")
@_key_out
@_public_key
@_alg
@_level
@_subdistrict
@_sign
@location_options
def add(code: str, role: str, name: str, **options: Any) -> None:
    """Register the party CODE with a key, or give it a further key."""
    is_facility = role == "facility"
    level = options.pop("level") or (1 if is_facility else None)
    new = NewParty(
        code=code,
        role=role,
        name=name,
        level=level,
        subdistrict=options.pop("subdistrict"),
        must_sign=options.pop("sign_requests"),
    )
    _add(new, **options)


@facility.command(
    "add",
    epilog="Example: medaid facility add H001 --name 'First Community Hospital'"
    " --level 1 --subdistrict 110101001 --key-out H001.key.json",
)
@click.argument("code")
@click.option("--name", help="As people call it.  [default: CODE]")
@_key_out
@_public_key
@_alg
@click.option(
    "--level", type=click.IntRange(1, 3), default=1, show_default=True, help="Of care."
)
@_subdistrict
@_sign
@location_options
def facility_add(code: str, name: str | None, **options: Any) -> None:
    """Register the facility CODE with a key, or give it a further key."""
    new = NewParty(
        code=code,
        role="facility",
        name=name or code,
        level=options.pop("level"),
        subdistrict=options.pop("subdistrict"),
        must_sign=options.pop("sign_requests"),
    )
    _add(new, **options)


def _add(
    new: NewParty,
    *,
    key_out: Path | None,
    public_key: Path | None,
    alg: str,
    data_dir: Path,
    dsn: str | None,
) -> None:
    if (key_out is None) == (public_key is None):
        raise click.ClickException(
            "give either --key-out, to make a key, or --public-key with the party's own"
        )
    if key_out is not None:
        key_id = _run(_add_with_new_key(new, key_out, alg, data_dir, dsn))
        click.echo(f"{new.role} {new.code} may call with key {key_id}")
        click.echo(f"its key, for its owner alone: {key_out}")
    elif public_key is not None:
        key = _run(_add_with_own_key(new, public_key, data_dir, dsn))
        click.echo(f"{new.role} {new.code} is registered with key {key.kid}")
        if key.role is Role.BUREAU_ROSTER:
            click.echo("rosters signed with it are believed from today")


async def _add_with_new_key(
    new: NewParty, path: Path, alg: str, data_dir: Path, dsn: str | None
) -> str:
    if path.exists():
        raise PartyFault(f"{path} stands already; a key file is never overwritten")
    sealing_key = load_party_secret_key(data_dir)
    now = wall_clock()
    async with open_database(data_dir, dsn, max_size=1) as database:
        key: PrivateKey
        if alg == SharedSecret.alg:
            key = SharedSecret.generate(os.urandom)
            await register_with_secret(
                database, new, key, sealing_key=sealing_key, random=os.urandom, now=now
            )
        else:
            key = SigningKey.generate(Role.PARTY, os.urandom)
            await register_with_public_key(database, new, key.public, now=now)
        if not write_new(path, private_key_file(key)):
            await revoke(database, key.kid, now=now)
            raise PartyFault(f"{path} was made by somebody else just now; try again")
    return key.kid


async def _add_with_own_key(
    new: NewParty, path: Path, data_dir: Path, dsn: str | None
) -> VerifyingKey:
    file = parse_public_key_file(path.read_bytes())
    if not isinstance(file.key, VerifyingKey):
        raise PartyFault(f"{path} is not a signing key")
    if file.key.role not in {Role.PARTY, Role.BUREAU_ROSTER}:
        raise PartyFault(f"a key of role {file.key.role} is not a party's")
    require_possession(new.code, file.key, file.possession)
    now = wall_clock()
    async with open_database(data_dir, dsn, max_size=1) as database:
        await register_with_public_key(database, new, file.key, now=now)
    if file.key.role is Role.BUREAU_ROSTER:
        installation = Installation.load(data_dir)
        since = None if installation.sandbox else shanghai_day(now)
        trust_keys(data_dir, installation.origin, [file.key], since)
    return file.key


@party.command("list", epilog="Example: medaid party list --json")
@json_option
@location_options
def list_parties(data_dir: Path, dsn: str | None, *, as_json: bool) -> None:
    """List parties with their keys."""
    parties, keys = _run(_read(data_dir, dsn))
    if as_json:
        click.echo(json.dumps([_document(each, keys) for each in parties]))
        return
    table = Table("code", "role", "name", "level", "sub-district")
    table.add_column("key", no_wrap=True)
    table.add_column("state")
    for each in parties:
        own: list[PartyKey | None] = [key for key in keys if key.party_id == each.id]
        for key in own or [None]:
            table.add_row(
                each.code,
                each.role,
                each.name,
                str(each.level or ""),
                each.subdistrict,
                key.key_id if key is not None else "",
                _state(key),
            )
    Console().print(table)


@party.command(
    "revoke-key", epilog="Example: medaid party revoke-key pt-0123456789abcdef"
)
@click.argument("key_id")
@location_options
def revoke_key(key_id: str, data_dir: Path, dsn: str | None) -> None:
    """End KEY_ID and every session opened with it, on every worker in a second."""

    async def end() -> str:
        async with open_database(data_dir, dsn, max_size=1) as database:
            return await revoke(database, key_id, now=wall_clock())

    click.echo(f"key {key_id} of {_run(end())} is revoked; its sessions have ended")


async def _read(data_dir: Path, dsn: str | None) -> tuple[list[Party], list[PartyKey]]:
    async with open_database(data_dir, dsn, max_size=1) as database:
        store = AccessStore(database)
        return await store.parties(), await store.keys()


def _document(each: Party, keys: list[PartyKey]) -> dict[str, object]:
    members = asdict(each)
    del members["id"]
    members["created_at"] = each.created_at.isoformat()
    members["keys"] = [
        {
            "key_id": key.key_id,
            "alg": key.alg,
            "not_before": key.not_before.isoformat(),
            "revoked_at": _text(key.revoked_at),
        }
        for key in keys
        if key.party_id == each.id
    ]
    return members


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _state(key: PartyKey | None) -> str:
    if key is None:
        return "no key"
    return f"{key.alg}, revoked" if key.revoked_at else key.alg


def _run(work: Coroutine[Any, Any, _T]) -> _T:
    try:
        return asyncio.run(work)
    except _FAULTS as fault:
        raise click.ClickException(str(fault)) from fault
    except OSError as error:
        raise click.ClickException(
            f"{error.filename or 'a file'} cannot be used ({error.strerror})"
        ) from error

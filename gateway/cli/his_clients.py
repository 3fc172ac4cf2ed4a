"""`medaid his allow`, `list`, `revoke`: which hospitals may speak the envelope."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
from collections.abc import Coroutine
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from rich.console import Console
from rich.table import Table

from crypto import sm2
from crypto.encdata import Variant
from gateway.his.shown import fingerprint_of
from gateway.keyfiles import KeyFileFault, load_party_secret_key, write_new
from gateway.location import json_option, location_options, open_database
from gateway.wiring import wall_clock
from settlement.domain.calendar import shanghai_day
from settlement.service.his_clients import (
    PROFILES,
    NewHisClient,
    allow,
    revoke_client,
)
from settlement.service.parties import PartyFault
from settlement.store.his_clients import HisClientRow, HisClientStore, Network

_T = TypeVar("_T")
_FILE = click.Path(path_type=Path, dir_okay=False)
_THERE = click.Path(path_type=Path, dir_okay=False, exists=True)
_ACCOUNT_BYTES, _SECRET_BYTES = 9, 30


@click.command(
    "allow",
    epilog="Example: medaid his allow H001 --fixmedins-code H11010100001 --profile"
    " sign-in",
)
@click.argument("code")
@click.option("--fixmedins-code", required=True, help="The institution's number.")
@click.option(
    "--profile",
    type=click.Choice(PROFILES),
    required=True,
    help="How it shows who it is (docs/his/access.md).",
)
@click.option("--weak", is_flag=True, help="Accept a weak profile for this hospital.")
@click.option(
    "--sign-requests",
    is_flag=True,
    help="What settles or undoes carries an RFC 9421 signature too.",
)
@click.option(
    "--network", "networks", multiple=True, help="Its requests come from here alone."
)
@click.option("--output-as-text", is_flag=True, help="It reads output as a string.")
@click.option("--infcode-as-text", is_flag=True, help="It reads infcode as a string.")
@click.option("--certificate", type=_THERE, help="PEM, of mutual-tls.")
@click.option("--sm2-public-key", help="Of encdata: the hospital's, base64 or hex.")
@click.option(
    "--variant", "variants", multiple=True, help="Of encdata: NAME=WORD, repeatable."
)
@click.option("--secret-out", type=_FILE, help="Write the account here, for its owner.")
@json_option
@location_options
def allow_command(code: str, **options: Any) -> None:
    """Let the facility CODE speak the national envelope."""
    wanted = _Wanted(code=code, **options)
    told = _run(_allow(wanted))
    if wanted.as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    click.echo(f"{code} may speak the envelope as {told['fixmedins_code']}")
    for name in ("paasid", "app_id", "secret", "gateway_public_key", "fingerprint"):
        if name in told:
            click.echo(f"{name}: {told[name]}")
    if told["weak"]:
        click.echo("this way is weak, and the gateway's log and metrics say so")
    if "secret" in told:
        click.echo("the secret is shown this once; hand it over on a safe way")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    code: str
    fixmedins_code: str
    profile: str
    weak: bool
    sign_requests: bool
    networks: tuple[str, ...]
    output_as_text: bool
    infcode_as_text: bool
    certificate: Path | None
    sm2_public_key: str | None
    variants: tuple[str, ...]
    secret_out: Path | None
    as_json: bool
    data_dir: Path
    dsn: str | None


async def _allow(wanted: _Wanted) -> dict[str, Any]:
    if wanted.secret_out is not None and wanted.secret_out.exists():
        raise PartyFault(f"{wanted.secret_out} stands already; it is not overwritten")
    proof = _PROOFS[wanted.profile](wanted)
    sealing_key = load_party_secret_key(wanted.data_dir)
    async with open_database(wanted.data_dir, wanted.dsn, max_size=1) as database:
        row = await allow(
            database,
            NewHisClient(
                code=wanted.code,
                fixmedins_code=wanted.fixmedins_code,
                profile=wanted.profile,
                key_id=proof.key_id,
                secrets=proof.secrets,
                public_key=proof.public_key,
                variant=proof.variant,
                networks=_networks(wanted.networks),
                must_sign=wanted.sign_requests,
                accepts_weak=wanted.weak,
                output_as_text=wanted.output_as_text,
                infcode_as_text=wanted.infcode_as_text,
            ),
            sealing_key=sealing_key,
            random=os.urandom,
            now=wall_clock(),
        )
        told = {
            "party": row.code,
            "fixmedins_code": row.fixmedins_code,
            "profile": row.profile,
            "weak": row.is_weak,
            "key_id": row.key_id,
            **proof.told,
        }
        if wanted.secret_out is None:
            return told
        if not write_new(wanted.secret_out, json.dumps(told).encode()):
            await revoke_client(database, row.key_id, now=wall_clock())
            raise PartyFault(f"{wanted.secret_out} was made by somebody else just now")
    told.pop("secret", None)
    return told


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proof:
    """What a client shows, and what its owner is told of it."""

    key_id: str
    told: dict[str, str]
    secrets: dict[str, str]
    public_key: bytes | None = None
    variant: dict[str, str]


def _tif(_wanted: _Wanted) -> _Proof:
    paasid, secret = _account(), _random_text(_SECRET_BYTES)
    return _Proof(
        key_id=paasid,
        told={"paasid": paasid, "secret": secret},
        secrets={"secret": secret},
        variant={},
    )


def _encdata(wanted: _Wanted) -> _Proof:
    if not sm2.is_available():
        raise PartyFault(
            "there is no SM2 here: gmssl-pyx has no wheel for this machine"
        )
    if wanted.sm2_public_key is None:
        raise PartyFault("encdata needs --sm2-public-key, the hospital's")
    try:
        others = sm2.public_key(_octets(wanted.sm2_public_key))
        pairs = [text.partition("=") for text in wanted.variants]
        variant = {name: word for name, _, word in pairs}
        Variant(**variant)
    except (ValueError, TypeError, binascii.Error) as fault:
        raise PartyFault(f"{fault}") from None
    app_id, secret = _account(), _random_text(_SECRET_BYTES)
    private, public = sm2.new_keys()
    shown = base64.b64encode(b"\x04" + public).decode()
    return _Proof(
        key_id=app_id,
        told={"app_id": app_id, "secret": secret, "gateway_public_key": shown},
        secrets={
            "secret": secret, "private": private.hex(), "public": public.hex(),
        },
        public_key=others,
        variant=variant,
    )  # fmt: skip


def _mutual_tls(wanted: _Wanted) -> _Proof:
    if wanted.certificate is None:
        raise PartyFault("mutual-tls needs --certificate, the hospital's in PEM")
    try:
        read = x509.load_pem_x509_certificate(wanted.certificate.read_bytes())
    except ValueError:
        raise PartyFault(f"{wanted.certificate} is no PEM certificate") from None
    fingerprint = fingerprint_of(read.public_bytes(Encoding.DER))
    return _Proof(
        key_id=fingerprint, told={"fingerprint": fingerprint}, secrets={}, variant={}
    )


def _sign_in(wanted: _Wanted) -> _Proof:
    key_id = f"{wanted.code}:{wanted.fixmedins_code}"
    return _Proof(key_id=key_id, told={}, secrets={}, variant={})


_PROOFS = {
    "x-tif": _tif, "encdata": _encdata, "mutual-tls": _mutual_tls, "sign-in": _sign_in,
}  # fmt: skip


def _account() -> str:
    """16 hex digits and more are wanted of an appId; these are 18."""
    return f"ma{os.urandom(_ACCOUNT_BYTES).hex()}"


def _random_text(count: int) -> str:
    return base64.urlsafe_b64encode(os.urandom(count)).decode()


def _octets(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return base64.b64decode(text, validate=True)


def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError:
        raise PartyFault(
            "a --network is an address or a range like 10.20.0.0/16, its host bits zero"
        ) from None


@click.command("list", epilog="Example: medaid his list --all")
@click.option("--all", "with_revoked", is_flag=True, help="Those that ended too.")
@json_option
@location_options
def list_command(
    *, with_revoked: bool, as_json: bool, data_dir: Path, dsn: str | None
) -> None:
    """Show who may speak the envelope, and how; never a secret."""
    rows = _run(_clients(data_dir, dsn, with_revoked=with_revoked))
    if as_json:
        click.echo(json.dumps([_document(row) for row in rows], ensure_ascii=False))
        return
    table = Table("party", "institution", "profile", "weak", "key id", "since", "ended")
    for row in rows:
        ended = "" if row.revoked_at is None else f"{shanghai_day(row.revoked_at)}"
        table.add_row(
            row.code, row.fixmedins_code, row.profile, "weak" if row.is_weak else "",
            row.key_id, f"{shanghai_day(row.created_at)}", ended,
        )  # fmt: skip
    Console().print(table)


async def _clients(
    data_dir: Path, dsn: str | None, *, with_revoked: bool
) -> list[HisClientRow]:
    async with open_database(data_dir, dsn, max_size=1) as database:
        return await HisClientStore(database).clients(with_revoked=with_revoked)


def _document(row: HisClientRow) -> dict[str, Any]:
    return {
        "party": row.code,
        "fixmedins_code": row.fixmedins_code,
        "profile": row.profile,
        "weak": row.is_weak,
        "sign_requests": row.must_sign,
        "key_id": row.key_id,
        "networks": [f"{network}" for network in row.networks],
        "since": f"{shanghai_day(row.created_at)}",
        "ended": None if row.revoked_at is None else f"{shanghai_day(row.revoked_at)}",
    }


@click.command("revoke", epilog="Example: medaid his revoke H001:H11010100001")
@click.argument("key_id")
@location_options
def revoke_command(key_id: str, data_dir: Path, dsn: str | None) -> None:
    """End one way in at every worker, within a second."""

    async def end() -> str:
        async with open_database(data_dir, dsn, max_size=1) as database:
            return await revoke_client(database, key_id, now=wall_clock())

    code = _run(end())
    click.echo(f"{code} speaks the envelope as {key_id} no more")


def _run(work: Coroutine[Any, Any, _T]) -> _T:
    try:
        return asyncio.run(work)
    except (PartyFault, KeyFileFault) as fault:
        raise click.ClickException(str(fault)) from None

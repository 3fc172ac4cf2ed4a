"""`medaid init`: everything that must stand before the gateway can serve."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime, time
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.installation import Installation, InstallationFault, trust_keys
from gateway.keyfiles import (
    BUREAU_KEY,
    ROSTER_KEY,
    KeyFileFault,
    has_keys,
    load_bureau_seal,
    load_keys,
    make_bureau_keys,
    make_missing_keys,
    read_sealing_key,
)
from gateway.location import location_options, open_database
from gateway.wiring import wall_clock
from settlement import alert_rules
from settlement.domain.calendar import SHANGHAI, shanghai_day
from settlement.domain.errors import FatalError
from settlement.domain.policy import PolicyError, compile_pack
from settlement.domain.watch.rules import read_rules
from settlement.service.parties import register_bureau_key
from settlement.service.policy_approvals import needs_approval
from settlement.store.alert_rules import put_rules, read_rules_rows
from settlement.store.policies import install, read_packs, stage

if TYPE_CHECKING:
    from crypto.key_files import PublicKey
    from crypto.keys import SealingKey, SigningKey
    from settlement.store.database import Database, Session

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_DEMO_PACK = "policies/demo-district.yaml"
_SANDBOX_BUREAU = "bureau"


@click.command(
    epilog="Example: medaid init --sandbox, or for a real bureau:"
    " medaid init --bureau-public-key bureau.json --policy beijing-2023.yaml"
)
@click.option(
    "--sandbox",
    is_flag=True,
    help="Make a place to try things: with a bureau key pair, the demo pack, and"
    " Medaid-Sandbox-Time honoured. Cannot be changed later.",
)
@click.option(
    "--bureau-public-key",
    type=_FILE,
    help="x25519 key file that the bureau handed over; records are sealed to it.",
)
@click.option(
    "--policy",
    "policies",
    type=_FILE,
    multiple=True,
    help="Policy pack to bring here; two officers approve it before it is used."
    " May be given several times.",
)
@location_options
def init(
    sandbox: bool,
    bureau_public_key: Path | None,
    policies: tuple[Path, ...],
    data_dir: Path,
    dsn: str | None,
) -> None:
    """Make schema, gateway keys and trust file. Safe to run again."""
    try:
        installation = _installation(data_dir, sandbox=sandbox)
        made = _make_keys(data_dir, installation, bureau_public_key)
        keys = load_keys(data_dir)
        installation = _name_log(data_dir, installation, keys.checkpoint_sign.kid)
        trusted: list[PublicKey] = [
            keys.record_sign.public, keys.checkpoint_sign.public, keys.bureau_seal
        ]  # fmt: skip
        roster = None
        if installation.sandbox:
            _, roster = make_bureau_keys(data_dir, os.urandom)
            trusted.append(roster.public)
        # A sandbox travels in time, so its keys are valid on any day.
        since = None if installation.sandbox else shanghai_day(wall_clock())
        trust_keys(data_dir, installation.origin, trusted, since)
        packs = _packs(policies, sandbox=installation.sandbox)
        waiting = asyncio.run(
            _prepare_database(data_dir, dsn, packs, roster, installation.sandbox)
        )
    except (KeyFileFault, InstallationFault, FatalError, PolicyError) as fault:
        raise click.ClickException(str(fault)) from fault
    except OSError as error:
        raise click.ClickException(
            f"the data folder {data_dir} cannot be written ({error.strerror})"
        ) from error
    _say(data_dir, installation, made, waiting)


def _installation(data_dir: Path, *, sandbox: bool) -> Installation:
    """What stands here, or a new one whose log has no name yet."""
    standing = Installation.find(data_dir)
    if standing is None:
        data_dir.mkdir(parents=True, exist_ok=True)
        return Installation("", sandbox)
    if sandbox and not standing.sandbox:
        raise InstallationFault(
            f"{data_dir} holds a real gateway, which cannot become a sandbox; choose"
            " another --data-dir"
        )
    return standing


def _make_keys(
    data_dir: Path, installation: Installation, bureau_file: Path | None
) -> list[str]:
    seal: SealingKey
    if bureau_file is not None:
        seal = read_sealing_key(bureau_file)
    elif has_keys(data_dir):
        seal = load_bureau_seal(data_dir)
    elif installation.sandbox:
        opening, _ = make_bureau_keys(data_dir, os.urandom)
        seal = opening.public
    else:
        raise InstallationFault(
            "records are sealed to the bureau: give its key with --bureau-public-key,"
            " or try things out with --sandbox"
        )
    return make_missing_keys(data_dir, os.urandom, seal)


def _name_log(data_dir: Path, installation: Installation, kid: str) -> Installation:
    """The log is named after its first checkpoint key, so that no two share a name."""
    if installation.origin:
        return installation
    kind = "sandbox" if installation.sandbox else "log"
    named = Installation(f"medaid/{kind}/{kid}", installation.sandbox)
    named.save(data_dir)
    return named


def _packs(policies: tuple[Path, ...], *, sandbox: bool) -> list[bytes]:
    packs = [path.read_bytes() for path in policies]
    if sandbox:
        packs.append(files("settlement").joinpath(_DEMO_PACK).read_bytes())
    return packs


async def _prepare_database(
    data_dir: Path,
    dsn: str | None,
    packs: list[bytes],
    roster: SigningKey | None,
    sandbox: bool,  # as the installation says
) -> list[str]:
    """Schema, packs and the sandbox's bureau; names of packs that wait for officers."""
    compiled = [(document, compile_pack(document)) for document in packs]
    async with open_database(data_dir, dsn, may_migrate=True, max_size=2) as database:
        if roster is not None:
            await _register_bureau(database, roster)
        async with database.pool.acquire() as connection:
            for document, pack in compiled:
                if needs_approval(pack, sandbox=sandbox):
                    await stage(connection, document, pack)
                else:
                    await install(connection, document)
            await _put_alert_rules(connection)
        standing = await read_packs(database, staged=True)
    return [f"{row.id}@{row.version}" for row in standing if not row.active]


async def _put_alert_rules(session: Session) -> None:
    """The rules that come with the program, unless there are any."""
    if await read_rules_rows(session):
        return
    for name in alert_rules.names():
        document = alert_rules.read(name)
        rules = read_rules(document)
        async with session.transaction():
            known_since = datetime.combine(rules.known_since, time(), tzinfo=SHANGHAI)
            await put_rules(session, rules, document, known_since, "medaid")


async def _register_bureau(database: Database, roster: SigningKey) -> None:
    await register_bureau_key(
        database, code=_SANDBOX_BUREAU, key=roster.public, now=wall_clock()
    )


def _say(
    data_dir: Path, installation: Installation, made: list[str], waiting: list[str]
) -> None:
    kind = "sandbox" if installation.sandbox else "gateway"
    click.echo(f"{kind} ready in {data_dir}: log {installation.origin}")
    click.echo(f"keys made: {', '.join(made) if made else 'none, all stand'}")
    for name in waiting:
        click.echo(f"policy pack {name} waits for officers: medaid policy approve")
    click.echo(f"trust file for verifiers: {data_dir / 'trust.json'}")
    if installation.sandbox:
        click.echo(
            f"bureau's private keys, for its owner alone: {data_dir / 'bureau'}"
            f" ({BUREAU_KEY} opens records, {ROSTER_KEY} signs rosters)"
        )

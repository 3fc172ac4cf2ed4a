"""`medaid keys`: the key ring, and what verifiers need of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from crypto.trust import Trust, trust_file
from gateway.installation import InstallationFault, load_trust
from gateway.location import json_option, location_options, open_database
from settlement.service.parties import officer_keys


@click.group()
def keys() -> None:
    """Show the public keys that records, checkpoints and rosters verify under."""


@keys.command("list", epilog="Example: medaid keys list")
@json_option
@location_options
def list_keys(data_dir: Path, dsn: str | None, *, as_json: bool) -> None:  # noqa: ARG001  # every command takes both places
    """List the key ring: key id, role, suite, days of validity."""
    trust = _trust(data_dir)
    if as_json:
        click.echo(trust_file(trust), nl=False)
        return
    table = Table("key", "role", "suite", "algorithm", "from", "until")
    for key in trust.keys:
        table.add_row(
            key.kid,
            str(key.role),
            key.suite,
            key.key.alg,
            str(key.not_before or "always"),
            str(key.not_after or "open"),
        )
    console = Console()
    console.print(f"log {trust.origin}")
    console.print(table)


@keys.command(
    "export-trust",
    epilog="Example: medaid keys export-trust --out trust.json",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write.  [default: standard output]",
)
@click.option(
    "--without-officers",
    is_flag=True,
    help="Leave out the officers' keys, by which months are closed; asks no database.",
)
@location_options
def export_trust(
    out: Path | None, without_officers: bool, data_dir: Path, dsn: str | None
) -> None:
    """Write the trust file for verifiers; hand it over out of band.

    It has the keys of the log and the bureau, and those of the officers whose
    signatures a month package carries.
    """
    trust = _trust(data_dir)
    if not without_officers:
        trust = asyncio.run(_with_officers(trust, data_dir, dsn))
    text = trust_file(trust)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_bytes(text)
    except OSError as error:
        raise click.ClickException(
            f"{out} cannot be written ({error.strerror})"
        ) from error
    origin = json.loads(text)["origin"]
    click.echo(f"{out} lists the keys of log {origin}; hand it over out of band")


async def _with_officers(trust: Trust, data_dir: Path, dsn: str | None) -> Trust:
    async with open_database(data_dir, dsn, max_size=1) as database:
        officers = await officer_keys(database)
    standing = {key.kid for key in trust.keys}
    added = [key for key in officers if key.kid not in standing]
    return Trust(trust.origin, (*trust.keys, *added))


def _trust(data_dir: Path) -> Trust:
    try:
        return load_trust(data_dir)
    except InstallationFault as fault:
        raise click.ClickException(str(fault)) from fault

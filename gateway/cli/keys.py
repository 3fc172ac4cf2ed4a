"""`medaid keys`: the key ring, and what verifiers need of it."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from crypto.trust import Trust, trust_file
from gateway.installation import InstallationFault, load_trust
from gateway.location import json_option, location_options


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
@location_options
def export_trust(out: Path | None, data_dir: Path, dsn: str | None) -> None:  # noqa: ARG001  # every command takes both places
    """Write the trust file for verifiers; hand it over out of band."""
    text = trust_file(_trust(data_dir))
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


def _trust(data_dir: Path) -> Trust:
    try:
        return load_trust(data_dir)
    except InstallationFault as fault:
        raise click.ClickException(str(fault)) from fault

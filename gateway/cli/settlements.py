"""`medaid settlements export`: a month's records with proofs, for the bureau."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click
from rich.progress import Progress

from crypto.checkpoint import parse_checkpoint
from crypto.package import (
    CHECKPOINT_NAME,
    MANIFEST_NAME,
    PROOF_SUFFIX,
    PROOFS_FOLDER,
    RECORD_SUFFIX,
    RECORDS_FOLDER,
    PackageManifest,
)
from gateway.cli.given import facility_number, month_number
from gateway.location import json_option, location_options, open_database
from settlement.service.export import MonthExport


@click.group()
def settlements() -> None:
    """Settlements and their records."""


@settlements.command()
@location_options
@click.option("--month", required=True, help="Month of record, YYYY-MM.")
@click.option("--facility", default=None, help="Code of one facility; default: all.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to make; it must not exist, or be empty.",
)
@json_option
def export(
    data_dir: Path,
    dsn: str | None,
    month: str,
    facility: str | None,
    out: Path,
    *,
    as_json: bool,
) -> None:
    """Write the records of a month, sealed and signed, each with its proof.

    The month is the Shanghai month of settling. Check the folder anywhere with
    `medaid verify`.

    Example: medaid settlements export --month 2026-01 --out january
    """
    number = month_number(month)
    count = asyncio.run(_export(data_dir, dsn, number, month, facility, out))
    if as_json:
        click.echo(json.dumps({"month": month, "count": count, "out": str(out)}))
    else:
        click.echo(f"{count:,} records of {month} with proofs in {out}")


async def _export(
    data_dir: Path,
    dsn: str | None,
    number: int,
    month: str,
    facility: str | None,
    out: Path,
) -> int:
    _make_folders(out)
    async with open_database(data_dir, dsn) as database:
        party = await facility_number(database, facility)
        export = MonthExport(database)
        try:
            await export.begin()
        except LookupError as error:
            raise click.ClickException(f"{error}; run medaid init first") from error
        count = 0
        with Progress(transient=True) as progress:
            task = progress.add_task(f"export {month}", total=None)
            async for entry in export.records(number, party):
                _write(
                    out / RECORDS_FOLDER / f"{entry.sid}{RECORD_SUFFIX}", entry.record
                )
                _write(
                    out / PROOFS_FOLDER / f"{entry.sid}{PROOF_SUFFIX}",
                    entry.proof.encode("utf-8"),
                )
                count += 1
                progress.update(task, completed=count)
    _write(out / CHECKPOINT_NAME, export.checkpoint.encode("utf-8"))
    manifest = PackageManifest(
        origin=export.checkpoint.split("\n", 1)[0],
        month=month,
        facility=facility,
        count=count,
        tree_size=parse_checkpoint(export.checkpoint).size,
    )
    # Last, so that a folder with a manifest is a complete one.
    _write(out / MANIFEST_NAME, manifest.to_bytes())
    return count


def _make_folders(out: Path) -> None:
    if out.exists() and any(out.iterdir()):
        raise click.ClickException(f"{out} is not empty; name a new folder with --out")
    for folder in (out, out / RECORDS_FOLDER, out / PROOFS_FOLDER):
        folder.mkdir(parents=True, exist_ok=True)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)

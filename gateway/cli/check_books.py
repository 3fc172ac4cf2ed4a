"""`medaid check-books`: the invariants over the whole database."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.progress import Progress

from crypto.errors import CryptoError
from crypto.trust import parse_trust_file
from gateway.location import json_option, location_options, open_database
from settlement.service.books import BooksReport
from settlement.service.books import check_books as check

#: Violations shown one by one; the rest is counted.
_SHOWN = 20


@click.command("check-books")
@location_options
@click.option(
    "--trust",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Trust file; default: trust.json in the data folder.",
)
@json_option
def check_books(
    data_dir: Path, dsn: str | None, trust: Path | None, *, as_json: bool
) -> None:
    """Check money, caps, once, log and signatures over everything stored.

    Reads only. Ends with status 1 on any violation.

    Example: medaid check-books --data-dir var
    """
    report = asyncio.run(_check(data_dir, dsn, trust or data_dir / "trust.json"))
    if as_json:
        click.echo(json.dumps(_document(report)))
    else:
        _print(report)
    if report.violations:
        raise SystemExit(1)


async def _check(data_dir: Path, dsn: str | None, trust_path: Path) -> BooksReport:
    try:
        trust = parse_trust_file(trust_path.read_bytes())
    except (OSError, CryptoError) as error:
        raise click.ClickException(
            f"the trust file {trust_path} cannot be used: {error}"
        ) from error
    async with open_database(data_dir, dsn) as database:
        with Progress(transient=True) as progress:
            task = progress.add_task("check-books", total=None)

            def show(done: int) -> None:
                if not done & 0xFF:
                    progress.update(task, completed=done)

            return await check(database, trust, show)


def _document(report: BooksReport) -> dict[str, object]:
    return {
        "ok": not report.violations,
        **asdict(report.counts),
        "leaves": report.leaves,
        "violations": [asdict(violation) for violation in report.violations],
    }


def _print(report: BooksReport) -> None:
    counts = report.counts
    click.echo(
        f"settlements {counts.settlements:,}, reversals {counts.reversals:,},"
        f" declines {counts.declines:,}, tombstones {counts.tombstones:,},"
        f" persons {counts.persons:,}, accumulators {counts.accumulators:,},"
        f" log entries {report.leaves:,}"
    )
    for violation in report.violations[:_SHOWN]:
        click.echo(f"VIOLATION {violation.rule}: {violation.place}")
    if report.violations:
        click.echo(f"{len(report.violations):,} violations")
    else:
        click.echo("money, caps, once, log, signatures: every invariant holds")

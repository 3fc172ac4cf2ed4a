"""`medaid check-books`: the invariants over the whole database, and over its past."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.progress import (
    Progress,
    TaskID,
)

from crypto.tokens import Tokenizer
from crypto.trust import Trust
from gateway.books_stamp import BooksStamp, write_stamp
from gateway.cli.given import counting_bar, read_bureau_key, read_trust
from gateway.cli.roster_files import tokenizer_of
from gateway.evidence import evidence_files, read_evidence
from gateway.keyfiles import has_keys
from gateway.location import json_option, location_options, open_database
from gateway.wiring import wall_clock
from settlement.service.books import BooksReport, Means
from settlement.service.books import check_books as check
from settlement.service.past import Evidence
from settlement.store.database import Database

#: Violations shown one by one; the rest is counted.
_SHOWN = 20
#: Rows between two movements of the bar.
_STEP = 0x100


@dataclass(frozen=True, slots=True)
class _Order:
    """What the command line asked for."""

    data_dir: Path
    dsn: str | None
    trust: Path
    against: Sequence[Path]
    bureau_key: Path | None
    as_json: bool


@click.command(
    "check-books",
    epilog="Example: medaid check-books --data-dir var --against received-answers"
    " --against 2026-01/checkpoint",
)
@location_options
@click.option(
    "--trust",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Trust file; default: trust.json in the data folder.",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    metavar="FILE",
    help="What others hold of the log's past: an answer or receipt (.json, or one a"
    " line in .jsonl), a checkpoint, a .tlog-proof, a record, an exported month, or a"
    " folder of these. May be given again.",
)
@click.option(
    "--bureau-key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=None,
    help="The bureau's private key: opens each record and recomputes its decision.",
)
@json_option
def check_books(
    data_dir: Path,
    dsn: str | None,
    trust: Path | None,
    against: tuple[Path, ...],
    bureau_key: Path | None,
    *,
    as_json: bool,
) -> None:
    """Check money, caps, once, log and signatures over everything stored.

    Reads only. With --against, the log must also hold every receipt and extend
    every checkpoint given: that alone finds a past that was rewritten as a whole.
    With --bureau-key, each decision is recomputed from its sealed content.
    Ends with status 1 on any violation.
    """
    trust = trust or data_dir / "trust.json"
    order = _Order(data_dir, dsn, trust, against, bureau_key, as_json)
    report = asyncio.run(_check(order))
    write_stamp(data_dir, BooksStamp(wall_clock(), len(report.violations)))
    if as_json:
        click.echo(json.dumps(_document(report)))
    else:
        _print(report)
    if report.violations:
        raise SystemExit(1)


async def _check(order: _Order) -> BooksReport:
    trust = read_trust(order.trust)
    async with open_database(order.data_dir, order.dsn) as database:
        with counting_bar(is_shown=not order.as_json) as progress:
            means = Means(
                against=_read_evidence(order.against, trust, progress),
                bureau_key=(
                    None
                    if order.bureau_key is None
                    else read_bureau_key(order.bureau_key)
                ),
                tokenizer=await _tokenizer(database, order.data_dir),
            )
            bar = progress.add_task("log", total=None)
            return await check(database, trust, _moving(progress, bar), means)


async def _tokenizer(database: Database, data_dir: Path) -> Tokenizer | None:
    """The gateway's, where this folder holds its keys; an auditor's does not."""
    if not has_keys(data_dir):
        return None
    return await tokenizer_of(database, data_dir)


def _read_evidence(
    against: Sequence[Path], trust: Trust, progress: Progress
) -> Evidence:
    files = evidence_files(against)
    if not files and against:
        raise click.ClickException("there is no file in what --against names")
    bar = progress.add_task("evidence", total=len(files), visible=bool(files))
    try:
        return read_evidence(files, trust, lambda: progress.advance(bar))
    except OSError as error:
        raise click.ClickException(
            f"{error.filename} cannot be read: {error.strerror}"
        ) from error


def _moving(progress: Progress, bar: TaskID) -> Callable[[int, int], None]:
    def show(done: int, total: int) -> None:
        if not done % _STEP or done == total:
            progress.update(bar, completed=done, total=total)

    return show


def _document(report: BooksReport) -> dict[str, object]:
    return {
        "ok": not report.violations,
        **asdict(report.counts),
        "leaves": report.leaves,
        "compared": report.compared,
        "decisions": report.decisions,
        "unlisted": report.unlisted,
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
        click.echo(f"{len(report.violations) + report.unlisted:,} violations")
        return
    click.echo("money, caps, once, log, signatures: every invariant holds")
    if report.decisions is None:
        click.echo("not checked: decisions against their contents (--bureau-key)")
    else:
        click.echo(f"decisions: {report.decisions:,} contents opened, and they agree")
    if report.compared:
        click.echo(
            f"past: the log holds and extends all {report.compared:,} records and"
            " checkpoints that were given"
        )

"""`medaid verify PACKAGE.zip`: a month package, at the bureau, without a gateway."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

import click
import orjson
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from crypto.keys import OpeningKey
from crypto.trust import Trust
from gateway.month_package.chinese import both, own_words, shown
from gateway.month_package.container import MAGIC, ContainerFault
from gateway.month_package.outcome import Means, PackageOutcome
from gateway.month_package.tables import csv_head, csv_lines, read_csv, write_workbook
from gateway.month_package.verifier import record_count, verify_package
from settlement.domain.month_lines import STAFF_COLUMNS, yuan

_FINDINGS_SHOWN = 50
_PROGRESS_FROM = 500
_ENDINGS = (".xlsx", ".csv")


def is_package(path: Path) -> bool:
    """Whether a path is to be read as a month package: by its name, or as a zip."""
    if not path.is_file():
        return False
    if path.suffix.lower() == ".zip":
        return True
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def verify_month(
    path: Path,
    trust: Trust,
    opening_key: OpeningKey | None,
    *,
    previous: Path | None,
    details: Path | None,
    policies: frozenset[str] | None,
    as_json: bool,
) -> None:
    """Verify a package, print what was found, and end with status 1 on any finding."""
    if details is not None and opening_key is None:
        raise click.ClickException("--details needs what --bureau-key opens")
    if details is not None and details.suffix.lower() not in _ENDINGS:
        raise click.ClickException("--details: give a name that ends in .xlsx or .csv")
    try:
        with _details_file(details) as listed:
            means = Means(
                trust=trust,
                opening_key=opening_key,
                previous=previous,
                policies=policies,
            )
            outcome = _verify(path, means, listed, is_quiet=as_json)
            if details is not None and listed is not None and not outcome.findings:
                _put_in_place(details, listed)
    except ContainerFault as fault:
        raise click.ClickException(f"{path}: {both(str(fault))}") from fault
    except OSError as error:
        raise click.ClickException(
            f"{error.filename or path} cannot be read or written: {error.strerror}"
        ) from error
    if as_json:
        click.echo(orjson.dumps(_document(outcome, trust), option=orjson.OPT_INDENT_2))
    else:
        _print(outcome, trust, details)
    if outcome.findings:
        sys.exit(1)


def _verify(
    path: Path, means: Means, listed: BinaryIO | None, *, is_quiet: bool
) -> PackageOutcome:
    total = record_count(path)
    is_shown = not is_quiet and (total or 0) >= _PROGRESS_FROM
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not is_shown,
        transient=True,
    ) as progress:
        task = progress.add_task("verifying", total=total)

        def write(lines: list[list[str]]) -> None:
            if listed is not None:
                listed.write(csv_lines(lines))

        watched = replace(
            means,
            on_progress=lambda count: progress.advance(task, count),
            on_details=None if listed is None else write,
        )
        return verify_package(path, watched)


@contextmanager
def _details_file(details: Path | None) -> Iterator[BinaryIO | None]:
    """A file without a name for the lines, until all has been verified."""
    if details is None:
        yield None
        return
    with tempfile.TemporaryFile(dir=details.parent) as file:
        file.write(csv_head(STAFF_COLUMNS))
        yield cast("BinaryIO", file)


def _put_in_place(details: Path, listed: BinaryIO) -> None:
    """Write the list under its name, for its owner alone."""
    draft = details.with_name(f".{details.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if details.suffix.lower() == ".csv":
                listed.seek(0)
                while block := listed.read(1 << 20):
                    file.write(block)
            else:
                write_workbook(
                    cast("BinaryIO", file), lambda: _from_the_start(listed), ()
                )
            file.flush()
            os.fsync(file.fileno())
        draft.replace(details)
    finally:
        draft.unlink(missing_ok=True)


def _from_the_start(listed: BinaryIO) -> Iterator[list[str]]:
    listed.seek(0)
    return read_csv(listed)


def _print(outcome: PackageOutcome, trust: Trust, details: Path | None) -> None:
    for finding in outcome.findings[:_FINDINGS_SHOWN]:
        said = both(finding.sentence, finding.code)
        click.echo(f"{shown(finding.where)}: {finding.code} {said}", err=True)
    count = len(outcome.findings) + outcome.further_findings
    if count > _FINDINGS_SHOWN:
        hidden = count - _FINDINGS_SHOWN
        click.echo(
            f"另有 {hidden:,} 项 and {hidden:,} more; --json lists the first of them",
            err=True,
        )
    for sentence in outcome.unchecked:
        click.echo(f"未核对 not checked: {both(sentence)}", err=True)
    for sentence in outcome.notes:
        click.echo(f"请留意 look at: {both(sentence)}", err=True)
    if count:
        click.echo(
            f"不平 NOT flat: {count:,} 项问题 findings,"
            f" {outcome.records:,} 条记录 records",
            err=True,
        )
        if details is not None:
            click.echo(
                f"{details} 未写出 is not written: the package does not hold", err=True
            )
        return
    _print_flat(outcome, trust)
    if details is not None:
        click.echo(
            f"  {details} 含卡号, 请妥善保管 lists them for staff; it names cards:"
            " keep it closed"
        )


def _print_flat(outcome: PackageOutcome, trust: Trust) -> None:
    total = outcome.tally.total()
    if outcome.sandbox:
        click.echo("沙箱 SANDBOX: 不付款 no money moves on this package")
    click.echo(
        f"平 flat: {outcome.month}, {outcome.records:,} records of"
        f" {outcome.hospitals:,} hospitals, in log {trust.origin} of"
        f" {outcome.tree_size:,} entries"
    )
    for name, figures in (
        ("结算 settled", total.settled),
        ("冲正 reversed", total.reversed),
        ("应付 to be paid", total.net),
    ):
        count, aid = f"{figures.count:,}", yuan(figures.aid_fen)
        click.echo(f"  {name:<14} {count:>12} {aid:>18} CNY")
    if outcome.opened:
        click.echo(
            f"  已解开并重新计算 {outcome.opened:,} contents opened, every decision"
            " made once more"
        )
    if outcome.deferred:
        click.echo(
            f"  留待后月 {outcome.deferred:,} entries below the cut wait for their own"
            " month's package"
        )
    for asked in outcome.asked_back:
        is_over = asked.state == "resolved"
        state = "已处理 resolved" if is_over else "结转 carried over"
        click.echo(
            f"  追回 asked back {shown(asked.facility)} {asked.settlement_id}"
            f" {yuan(asked.aid_fen)} CNY, {state}"
        )
    for policy, sha256 in outcome.packs.items():
        click.echo(f"  政策 policy {policy} {sha256}")


def _document(outcome: PackageOutcome, trust: Trust) -> dict[str, object]:
    return {
        "ok": not outcome.findings,
        "kind": "month-package",
        "origin": trust.origin,
        "month": outcome.month,
        "tree_size": outcome.tree_size,
        "checked": outcome.records,
        "opened": outcome.opened,
        "tombstones": outcome.tombstones,
        "sandbox": outcome.sandbox,
        "hospitals": outcome.hospitals,
        "ledger": outcome.tally.total().document(),
        "aid_fen": outcome.tally.total().net.aid_fen,
        "deferred": outcome.deferred,
        "policies": outcome.packs,
        "asked_back": [each._asdict() for each in outcome.asked_back],
        "not_checked": outcome.unchecked,
        "notes": outcome.notes,
        "further_findings": outcome.further_findings,
        "findings": [
            {
                "where": each.where,
                "code": each.code,
                "sentence": each.sentence,
                "sentence_zh": own_words(each.sentence),
            }
            for each in outcome.findings
        ],
    }

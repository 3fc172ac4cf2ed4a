"""`medaid verify`: check records, receipts, exported months, month packages offline."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import click
import orjson

from crypto.encoding import parse_json
from crypto.trust import Trust
from gateway.cli.given import counting_bar, read_bureau_key, read_trust
from gateway.cli.verify_month import is_package, verify_month
from gateway.location import DEFAULT_DATA_DIR, json_option
from gateway.offline_verify import Outcome, count_records, verify_path

_PROGRESS_FROM = 500
_FINDINGS_SHOWN = 50
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command(
    epilog="Example: medaid verify month-2014-08 --trust trust.json",
)
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--trust",
    "trust_path",
    type=_FILE,
    help="Trust file, got out of band.  [default: trust.json in --data-dir]",
)
@click.option(
    "--bureau-key",
    type=_FILE,
    help="The bureau's private key: opens the content and compares it.",
)
@click.option(
    "--proof", type=_FILE, help="The .tlog-proof that belongs to a bare record."
)
@click.option(
    "--previous",
    type=_FILE,
    help="Of a month package: the package of the month before, which it continues.",
)
@click.option(
    "--details",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Of a month package: write the staff's list with what the key opens, as .xlsx"
    " or .csv, for its owner alone.",
)
@click.option(
    "--policy",
    "policies",
    type=_FILE,
    multiple=True,
    help="Of a month package: a policy that the bureau approved, its own copy; records"
    " may name no other one. May be given again.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA_DIR,
    show_default=True,
    envvar="MEDAID_DATA_DIR",
    help="Where trust.json is, without --trust.",
)
@json_option
def verify(
    path: Path,
    *,
    trust_path: Path | None,
    bureau_key: Path | None,
    proof: Path | None,
    previous: Path | None,
    details: Path | None,
    policies: tuple[Path, ...],
    data_dir: Path,
    as_json: bool,
) -> None:
    """Check a receipt, an answer, a record or an exported month, without a network.

    PATH is a receipt or a whole answer (JSON), a bare record, a folder made by
    `medaid settlements export`, or a month package. Believed is the trust file alone;
    keys inside PATH are never used. Ends with status 1 when anything does not hold.
    """
    trust = read_trust(trust_path or data_dir / "trust.json")
    opening_key = None if bureau_key is None else read_bureau_key(bureau_key)
    if is_package(path):
        verify_month(
            path,
            trust,
            opening_key,
            previous=previous,
            details=details,
            policies=_digests(policies),
            as_json=as_json,
        )
        return
    if previous is not None or details is not None or policies:
        raise click.ClickException(
            f"{path} is no month package; --previous, --details and --policy go with"
            " one"
        )
    try:
        total = count_records(path)
        with counting_bar(is_shown=total >= _PROGRESS_FROM and not as_json) as progress:
            task = progress.add_task("verifying", total=total)
            outcome = verify_path(
                path,
                trust,
                opening_key=opening_key,
                proof=proof,
                on_progress=lambda count: progress.advance(task, count),
            )
    except OSError as error:
        raise click.ClickException(
            f"{error.filename or path} cannot be read: {error.strerror}"
        ) from error
    if as_json:
        click.echo(orjson.dumps(_document(outcome, trust), option=orjson.OPT_INDENT_2))
    else:
        _print(outcome, trust)
    if outcome.findings:
        sys.exit(1)


def _digests(policies: tuple[Path, ...]) -> frozenset[str] | None:
    try:
        found = [hashlib.sha256(path.read_bytes()).hexdigest() for path in policies]
    except OSError as error:
        raise click.ClickException(
            f"{error.filename} cannot be read: {error.strerror}"
        ) from error
    return frozenset(found) or None


def _print(outcome: Outcome, trust: Trust) -> None:
    for finding in outcome.findings[:_FINDINGS_SHOWN]:
        click.echo(f"{finding.where}: {finding.code} {finding.sentence}", err=True)
    hidden = len(outcome.findings) - _FINDINGS_SHOWN
    if hidden > 0:
        click.echo(f"and {hidden:,} more; --json lists all of them", err=True)
    if outcome.findings:
        click.echo(
            f"NOT verified: {len(outcome.findings):,} findings"
            f" in {outcome.checked:,} records",
            err=True,
        )
    elif outcome.kind == "folder":
        _print_folder(outcome, trust)
    else:
        _print_record(outcome, trust)


def _print_folder(outcome: Outcome, trust: Trust) -> None:
    manifest = outcome.manifest
    counts = _counts(outcome)
    if manifest is not None:
        facility = manifest.facility or "all facilities"
        click.echo(
            f"verified {outcome.checked:,} records of {manifest.month}, {facility},"
            f" in log {trust.origin} of {manifest.tree_size:,} entries"
        )
    for operation, count in counts.items():
        click.echo(f"  {operation:<12} {count:>14,}")
    click.echo(f"  {'aid, net':<12} {_yuan(_aid_fen(outcome)):>14} CNY")
    if outcome.opened:
        click.echo(
            f"  {outcome.opened:,} contents opened; they repeat the clear claims"
        )


def _print_record(outcome: Outcome, trust: Trust) -> None:
    if outcome.record is None:
        return
    claims = outcome.record.claims
    click.echo(
        f"verified {claims['op']} {claims['sid']} of {claims['day']}"
        f" at {claims['facility']}, signed by {outcome.record.signer_kid}"
    )
    click.echo(
        f"  total {_yuan(int(claims['total_fen']))}, funds"
        f" {_yuan(int(claims['funds_fen']))}, aid {_yuan(int(claims['aid_fen']))},"
        f" patient pays {_yuan(int(claims['patient_pays_fen']))} CNY"
    )
    if "sandbox" in claims:
        click.echo("  a sandbox's record: no money moves on it")
    if outcome.is_in_log:
        click.echo(f"  in log {trust.origin} under a signed checkpoint")
    else:
        click.echo("  not checked: that it is in the log (give --proof or the receipt)")
    if outcome.content is not None:
        content = parse_json(outcome.content, what="the sealed content")
        click.echo("  content, which repeats the clear claims:")
        click.echo(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def _document(outcome: Outcome, trust: Trust) -> dict[str, object]:
    record = outcome.record
    return {
        "ok": not outcome.findings,
        "kind": outcome.kind,
        "origin": trust.origin,
        "checked": outcome.checked,
        "opened": outcome.opened,
        "in_log": outcome.is_in_log,
        "aid_fen": _aid_fen(outcome),
        **_counts(outcome),
        "claims": None if record is None else dict(record.claims),
        "content": (
            None
            if outcome.content is None
            else parse_json(outcome.content, what="the sealed content")
        ),
        "findings": [
            {"where": each.where, "code": each.code, "sentence": each.sentence}
            for each in outcome.findings
        ],
    }


def _operations(outcome: Outcome) -> list[str]:
    if outcome.record is not None:
        return [str(outcome.record.claims["op"])]
    return [entry.op for entry in outcome.entries]


def _counts(outcome: Outcome) -> dict[str, int]:
    operations = _operations(outcome)
    return {
        "settlements": operations.count("settle"),
        "reversals": operations.count("reverse"),
        "tombstones": operations.count("tombstone"),
        "sandbox": sum(_sandbox_marks(outcome)),
    }


def _sandbox_marks(outcome: Outcome) -> list[bool]:
    """For each record that held, whether it is a sandbox's and counts for nothing."""
    if outcome.record is not None:
        return ["sandbox" in outcome.record.claims]
    return [entry.is_sandbox for entry in outcome.entries]


def _aid_fen(outcome: Outcome) -> int:
    """Aid of the records that held, reversals taken off."""
    if outcome.record is not None:
        claims = outcome.record.claims
        aid_fen = int(claims["aid_fen"])
        return -aid_fen if claims["op"] == "reverse" else aid_fen
    return sum(entry.net_aid_fen for entry in outcome.entries)


def _yuan(fen: int) -> str:
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100:,}.{abs(fen) % 100:02}"

"""`medaid witness cosign`, `submit` and `check`: checkpoints, countersigned."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import click

from crypto.checkpoint import parse_checkpoint
from crypto.cosignature import (
    Cosignature,
    WitnessKey,
    parse_witness_vkey,
    witnesses_of,
)
from crypto.trust import Trust
from gateway.crash_dumps import forbid_crash_dumps
from gateway.location import json_option
from gateway.month_package.chinese import both
from gateway.wiring import wall_clock
from gateway.witness.checking import CheckReport, Given, check_note
from gateway.witness.cosigning import HistoryBroken, cosign_latest
from gateway.witness.endings import NOT_WELL, saying_one_sentence
from gateway.witness.folder import WitnessFolder
from gateway.witness.notes import store_note
from gateway.witness.rules import Cosigned, Witness
from gateway.witness.source import LogSource, SourceFault
from gateway.witness.submission import submit_latest
from gateway.witness.trusted import followed_logs, read_trust
from gateway.worker_process import until_told
from settlement.domain.calendar import rfc3339

_FILE = click.Path(path_type=Path, dir_okay=False)
_STANDING = click.Path(path_type=Path, exists=True, dir_okay=False)
_GATEWAY_HELP = "Address of the gateway, as https://gateway.example."
_TRUST_HELP = "Trust file of the log, got out of band."
#: No note, and no evidence of two of them, is longer.
_NOTE_BYTES_MAX = 1024 * 1024
#: The last second of the year 9999: datetime knows none after it.
_LAST_SECOND = 253_402_300_799


@click.command(
    epilog="Example: medaid witness cosign --dir witness --gateway"
    " https://gateway.example --trust trust.json --out checkpoint",
)
@click.option(
    "--dir",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Of `medaid witness init`.",
)
@click.option("--gateway", required=True, help=_GATEWAY_HELP)
@click.option("--trust", required=True, type=_FILE, help=_TRUST_HELP)
@click.option(
    "--out", type=_FILE, help="Cosigned checkpoint.  [default: standard output]"
)
@click.option(
    "--follow",
    type=click.IntRange(1, 86_400),
    metavar="SECONDS",
    help="Look again after so long, until SIGTERM.",
)
def cosign(
    folder: Path, gateway: str, trust: Path, out: Path | None, follow: int | None
) -> None:
    """Fetch a gateway's checkpoint, prove that it extends the last one, countersign.

    Needs no token. Refuses, with status 1, a log that is smaller than before or that
    was rewritten, and keeps both signed checkpoints in the folder's `evidence`.
    """
    forbid_crash_dumps()
    with saying_one_sentence():
        believed = read_trust(trust)
        logs = followed_logs([trust], [])
        at_work = Witness(WitnessFolder(folder), logs, unix_seconds)
        is_well = asyncio.run(_cosign(at_work, gateway, believed, out, follow))
    if not is_well:
        sys.exit(NOT_WELL)


async def _cosign(
    witness: Witness, gateway: str, trust: Trust, out: Path | None, follow: int | None
) -> bool:
    """Once or again and again; false where the log's past is broken."""
    stop = asyncio.Event()
    await until_told(stop)
    async with aiohttp.ClientSession() as http:
        source = LogSource(http, gateway)
        while True:
            try:
                done = await cosign_latest(witness, source, trust)
            except SourceFault as fault:
                if follow is None:
                    raise
                click.echo(f"{fault}; trying again in {follow} s", err=True)
            else:
                if isinstance(done, HistoryBroken):
                    _say_broken(done)
                    return False
                _say_cosigned(done, out)
            if follow is None or await _told(stop, follow):
                return True


async def _told(stop: asyncio.Event, within_s: int) -> bool:
    try:
        await asyncio.wait_for(stop.wait(), within_s)
    except TimeoutError:
        return False
    return True


def _say_broken(broken: HistoryBroken) -> None:
    told = "日志历史被改写" if broken.is_proof else "日志变短, 须查问"
    click.echo(
        f"{told}, 未副署 Error: {broken.sentence}; nothing was countersigned", err=True
    )
    if broken.kept_at is None:
        click.echo("证据未保存 the evidence was not kept: its folder is full", err=True)
    elif broken.is_proof:
        click.echo(
            f"证据 proof: {broken.kept_at}; with the log's public key anybody can check"
            f" it: medaid witness check {broken.kept_at} --trust TRUST.json",
            err=True,
        )
    else:
        click.echo(f"两份检查点 both signed checkpoints: {broken.kept_at}", err=True)


def _say_cosigned(done: Cosigned, out: Path | None) -> None:
    if out is None:
        click.echo(done.note, nl=False)
        return
    store_note(out, done.note)
    checkpoint = done.checkpoint
    click.echo(
        f"countersigned {checkpoint.size:,} entries of {checkpoint.origin}: {out}"
    )


@click.command(
    epilog="Example: medaid witness submit --gateway https://gateway.example"
    " --to https://witness.example --trust trust.json --out checkpoint",
)
@click.option("--gateway", required=True, help=_GATEWAY_HELP)
@click.option("--to", "witness_url", required=True, help="Address of the witness.")
@click.option("--trust", required=True, type=_FILE, help=_TRUST_HELP)
@click.option(
    "--witness",
    "vkeys",
    multiple=True,
    metavar="VKEY",
    help="The witness's public key.  [default: those of the trust file]",
)
@click.option("--out", required=True, type=_FILE, help="Cosigned checkpoint to keep.")
def submit(
    gateway: str, witness_url: str, trust: Path, vkeys: tuple[str, ...], out: Path
) -> None:
    """Carry a gateway's checkpoint and its proof to a witness; keep what it signs.

    Run it by a timer, once for each witness with the same --out: their lines are
    collected below one checkpoint. The gateway waits for none of it.
    """
    with saying_one_sentence():
        believed = read_trust(trust)
        known = tuple(map(parse_witness_vkey, vkeys)) or witnesses_of(believed)
        if not known:
            raise click.UsageError(
                "name the witness's public key with --witness, or in the trust file"
                " (medaid witness trust)"
            )
        note, found = asyncio.run(_submit(gateway, witness_url, believed, known))
        store_note(out, note)
    checkpoint = parse_checkpoint(note)
    names = ", ".join(sorted({each.witness.name for each in found}))
    click.echo(
        f"{names} countersigned {checkpoint.size:,} entries of {checkpoint.origin}:"
        f" {out}"
    )


async def _submit(
    gateway: str,
    witness_url: str,
    trust: Trust,
    known: tuple[WitnessKey, ...],
) -> tuple[str, tuple[Cosignature, ...]]:
    async with aiohttp.ClientSession() as http:
        source = LogSource(http, gateway)
        return await submit_latest(http, source, witness_url, trust, known)


@click.command(
    epilog="Example: medaid witness check checkpoint --trust trust.json --against"
    " checkpoint-of-last-month",
)
@click.argument("note", type=_STANDING)
@click.option("--trust", required=True, type=_FILE, help=_TRUST_HELP)
@click.option(
    "--witness",
    "vkeys",
    multiple=True,
    metavar="VKEY",
    help="Public key of a witness that must have signed. May be given again."
    "  [default: any of the trust file]",
)
@click.option(
    "--against",
    type=_STANDING,
    multiple=True,
    metavar="OLDNOTE",
    help="Another signed checkpoint of the log, from whomever. May be given again.",
)
@json_option
def check(
    note: Path,
    trust: Path,
    vkeys: tuple[str, ...],
    against: tuple[Path, ...],
    *,
    as_json: bool,
) -> None:
    """Check a countersigned checkpoint, or evidence of two histories, offline.

    NOTE is a checkpoint, or a file that a witness kept as evidence. Ends with status
    1 when something does not hold, and when the log is proved to have two histories.
    """
    with saying_one_sentence():
        believed = read_trust(trust)
        known = tuple(map(parse_witness_vkey, vkeys))
        report = check_note(_given(note), believed, known, tuple(map(_given, against)))
    if as_json:
        click.echo(json.dumps(_document(report, believed), indent=2))
    else:
        _print(report, believed)
    if report.findings:
        sys.exit(NOT_WELL)


def _given(path: Path) -> Given:
    with path.open("rb") as file:
        return Given(path.name, file.read(_NOTE_BYTES_MAX))


def _print(report: CheckReport, trust: Trust) -> None:
    for finding in report.findings:
        said = both(finding.sentence, finding.code)
        click.echo(f"{finding.where}: {finding.code} {said}", err=True)
    checkpoint = report.checkpoint
    if checkpoint is None:
        return
    click.echo(
        f"日志已签署 {checkpoint.size:,} entries of {trust.origin}, signed by the log"
    )
    for each in report.cosignatures:
        click.echo(
            f"已副署 countersigned by {each.witness.name} at {_instant(each.time)}"
        )
    if not report.cosignatures:
        click.echo("未核对 not checked: cosignatures (name a witness with --witness)")
    for name in report.agreeing:
        click.echo(f"{name}: 历史相同 the same history")
    for name, size in report.not_compared:
        click.echo(
            f"{name}: {size:,} entries 无法单独比较; only the log can show whether one"
            " extends the other (medaid witness cosign asks it)"
        )


def _document(report: CheckReport, trust: Trust) -> dict[str, object]:
    return {
        "ok": not report.findings,
        "origin": trust.origin,
        "size": None if report.checkpoint is None else report.checkpoint.size,
        "two_histories": report.has_two_histories,
        "cosignatures": [
            {"witness": each.witness.name, "time": each.time}
            for each in report.cosignatures
        ],
        "agreeing": report.agreeing,
        "not_compared": [name for name, _size in report.not_compared],
        "findings": [
            {"where": each.where, "code": each.code, "sentence": each.sentence}
            for each in report.findings
        ],
    }


def _instant(seconds: int) -> str:
    if seconds > _LAST_SECOND:
        return f"second {seconds}"
    return rfc3339(datetime.fromtimestamp(seconds, UTC))


def unix_seconds() -> int:
    """The time that a cosignature bears."""
    return int(wall_clock().timestamp())

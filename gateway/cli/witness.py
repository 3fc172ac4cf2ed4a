"""`medaid witness`: a witness, and what it is made and trusted with."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click
import uvloop

from crypto.cosignature import parse_witness_vkey
from gateway.cli.witness_notes import check, cosign, submit, unix_seconds
from gateway.crash_dumps import forbid_crash_dumps
from gateway.logs import configure_logs
from gateway.witness.endings import saying_one_sentence
from gateway.witness.folder import WitnessFolder, make_witness
from gateway.witness.rules import Witness
from gateway.witness.server import serve_witness
from gateway.witness.trusted import followed_logs, trust_witness
from gateway.worker_process import until_told

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group()
def witness() -> None:
    """Countersign a log's checkpoints, so that a rewritten past can be proved."""


@witness.command(
    epilog="Example: medaid witness init --name bureau.example/w1 --out witness"
)
@click.option(
    "--name",
    required=True,
    help="Name in its signature lines: like an address, without spaces or plus.",
)
@click.option("--out", required=True, type=_FOLDER, help="Folder to make.")
def init(name: str, out: Path) -> None:
    """Make a witness's key and its empty memory; print its public key.

    Safe to run again. Never copy the folder or restore it from a backup: a witness
    that has forgotten something must be replaced by a new one.
    """
    with saying_one_sentence():
        made = make_witness(out, name, os.urandom)
    click.echo(made.vkey)
    click.echo(f"witness {name} lives in {out}; hand its public key around", err=True)


@witness.command(
    epilog="Example: medaid witness trust witness.example/w1+5ab7a7f1+BI4RsCoFA7PnRE2I"
    "qPXw4TQ5qrgta06y03M0imUu7C+O --trust trust.json"
)
@click.argument("vkey")
@click.option("--trust", required=True, type=_FILE, help="Trust file to add it to.")
def trust(vkey: str, trust: Path) -> None:
    """Add the witness of public key VKEY to a verifier's trust file."""
    with saying_one_sentence():
        named = parse_witness_vkey(vkey)
        is_new = trust_witness(trust, named)
    verb = "now names" if is_new else "names already"
    click.echo(f"{trust} {verb} the witness {named.name} ({named.key.kid})")


@witness.command(
    epilog="Example: medaid witness serve --dir witness --trust trust.json --port 8090"
)
@click.option("--dir", "folder", required=True, type=_FOLDER, help="Of `init`.")
@click.option(
    "--trust",
    "trusts",
    type=_FILE,
    multiple=True,
    help="Trust file of a log to follow. May be given again.",
)
@click.option(
    "--log-key",
    "log_keys",
    multiple=True,
    metavar="VKEY",
    help="Public key of a log to follow, NAME+ID+KEY. May be given again.",
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8090,
    show_default=True,
    help="0: any free one.",
)
def serve(
    folder: Path,
    trusts: tuple[Path, ...],
    log_keys: tuple[str, ...],
    host: str,
    port: int,
) -> None:
    """Countersign what logs submit (C2SP tlog-witness), until SIGTERM.

    Prints `ready URL` when it answers POST /add-checkpoint. Nobody signs in, and
    nothing secret crosses the wire: signatures say it all.
    """
    forbid_crash_dumps()
    configure_logs()
    with saying_one_sentence():
        logs = followed_logs(trusts, log_keys)
        at_work = Witness(WitnessFolder(folder), logs, unix_seconds)
        uvloop.run(_serve(at_work, host, port))


async def _serve(at_work: Witness, host: str, port: int) -> None:
    stop = asyncio.Event()
    await until_told(stop)
    await serve_witness(at_work, host, port, click.echo, stop)


witness.add_command(cosign)
witness.add_command(submit)
witness.add_command(check)

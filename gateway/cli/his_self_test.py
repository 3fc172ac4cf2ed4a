"""`medaid his self-test`: tries a connection line by line before it goes live."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import click
from rich.console import Console

from crypto.errors import CryptoError
from crypto.key_files import parse_private_key_file
from crypto.keys import OpeningKey
from gateway.cli.his_self_test_html import report_page
from gateway.cli.his_self_test_view import show_report
from gateway.demo.progress import progress
from gateway.his_self_test.charges import Shown
from gateway.his_self_test.lines import Report
from gateway.his_self_test.masking import Masks
from gateway.his_self_test.proof import NoProof, Proof, SignInProof, TifProof
from gateway.his_self_test.run import GROUPS, LINES, run_all
from gateway.his_self_test.trial import Trial
from gateway.his_self_test.wire import Caller, Means, Wire
from gateway.his_simulator.clients import Client
from gateway.location import json_option
from gateway.wiring import wall_clock
from settlement.domain.calendar import SHANGHAI

_HERE = click.Path(path_type=Path, exists=True, dir_okay=False)
_NEW_FILE = click.Path(path_type=Path, dir_okay=False)
_SECRET = "MEDAID_HIS_SECRET"  # noqa: S105  # the name of a variable
_TIMES = ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%z"]


@click.command(
    "self-test",
    epilog="Example: medaid his self-test --url https://gateway.test --fixmedins-code"
    " H99010000001 --profile x-tif --paasid ACCOUNT --secret-file secret.txt"
    " --card C00000001",
)
@click.option(
    "--url",
    required=True,
    help="Address of the connection. Without a path it is /his; {infno} stands for"
    " the transaction's number.",
)
@click.option("--fixmedins-code", required=True, help="The institution's number.")
@click.option(
    "--profile",
    type=click.Choice(["x-tif", "sign-in", "none"]),
    default="x-tif",
    show_default=True,
    help="How the hospital shows who it is.",
)
@click.option("--paasid", default="", help="Account of x-tif.")
@click.option(
    "--secret-file",
    type=_HERE,
    help=f"The account's secret, or of sign-in the key file.  [default: {_SECRET}]",
)
@click.option("--card", default="", help="A test person's social security card.")
@click.option("--id-number", default="", help="The test person's identity number.")
@click.option(
    "--place", default="990100", show_default=True, help="mdtrtarea_admvs, six digits."
)
@click.option(
    "--encoding",
    type=click.Choice(["utf-8", "gbk"]),
    default="utf-8",
    show_default=True,
    help="Of the messages.",
)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(GROUPS),
    help="These groups alone; repeatable.",
)
@click.option(
    "--live-writes",
    is_flag=True,
    help="Settle, and undo, where the other side does not show itself a sandbox.",
)
@click.option(
    "--sandbox-time",
    type=click.DateTime(_TIMES),
    help="Instant of settling, as 2026-01-05T02:14:09Z; sandboxes only.",
)
@click.option(
    "--patience",
    "patience_s",
    type=click.FloatRange(min=0.1),
    default=30.0,
    show_default=True,
    help="Seconds to wait for an answer.",
)
@click.option("--html", "html_file", type=_NEW_FILE, help="Write a page of results.")
@json_option
def self_test(
    *,
    url: str,
    sandbox_time: datetime | None,
    only: tuple[str, ...],
    live_writes: bool,
    html_file: Path | None,
    as_json: bool,
    **plain: Any,
) -> None:
    """Try a HIS connection line by line and print what holds.

    What is settled on the way is undone at the end. Status 0: all that was tried
    holds; 1: something does not; 2: it could not run.
    """
    if sandbox_time is not None:
        aware = (
            sandbox_time if sandbox_time.tzinfo else sandbox_time.replace(tzinfo=UTC)
        )
        sandbox_time = aware.astimezone(SHANGHAI)
    secret = _secret(plain["secret_file"])
    caller = Caller(
        url=_address(url),
        fixmedins_code=plain["fixmedins_code"],
        place=plain["place"],
        encoding=plain["encoding"],
        patience_s=plain["patience_s"],
        sandbox_time=sandbox_time,
    )
    means = Means(
        clock=lambda: wall_clock().astimezone(SHANGHAI),
        tick=time.monotonic,
        random=os.urandom,
    )
    proof = _proof(plain["profile"], plain["paasid"], secret, caller, means)
    shown = Shown(plain["card"], plain["id_number"].upper())
    masks = Masks([shown.card, shown.id_number, secret, plain["paasid"]])
    report = asyncio.run(
        _run(
            caller, proof, means, masks, shown, only,
            live_writes=live_writes, quiet=as_json,
        )
    )  # fmt: skip
    if html_file is not None:
        html_file.write_text(report_page(report), encoding="utf-8")
    show_report(report, as_json=as_json)
    raise SystemExit(report.exit_code)


async def _run(
    caller: Caller,
    proof: Proof,
    means: Means,
    masks: Masks,
    shown: Shown,
    only: Collection[str],
    *,
    live_writes: bool,
    quiet: bool,
) -> Report:
    console = Console(stderr=True, quiet=quiet)
    # A keep-alive connection that the other side has closed looks like a lost answer.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as http:
        trial = Trial(Wire(http, caller, proof, means, masks), shown)
        total = sum(not only or line.group in only for line in LINES)
        with progress(console, "his self-test", total) as show:
            return await run_all(trial, only, live_writes=live_writes, show=show)


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise click.BadParameter("an address of http or https", param_hint="--url")
    if parts.username or parts.query:
        raise click.BadParameter(
            "neither a user nor a query: they would stand in logs", param_hint="--url"
        )
    return urlunsplit(parts._replace(path="/his")) if parts.path in {"", "/"} else url


def _secret(path: Path | None) -> str:
    if path is None:
        return os.environ.get(_SECRET, "").strip()
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as fault:
        raise click.UsageError(f"{path} cannot be read") from fault


def _proof(
    profile: str, paasid: str, secret: str, caller: Caller, means: Means
) -> Proof:
    """How messages are signed; raises `click.UsageError`."""
    if profile == "none":
        return NoProof()
    if not secret:
        raise click.UsageError(f"{profile} needs --secret-file, or {_SECRET}")

    def unix() -> float:
        return means.clock().timestamp()

    if profile == "x-tif":
        if not paasid:
            raise click.UsageError("x-tif needs --paasid")
        client = Client(caller.fixmedins_code, "", paasid, secret)
        return TifProof(client, unix, means.random)
    try:
        key = parse_private_key_file(secret.encode())
    except (CryptoError, ValueError) as fault:
        raise click.UsageError(
            "sign-in needs the key file that medaid party wrote"
        ) from fault
    if isinstance(key, OpeningKey):
        raise click.UsageError("that key opens files; it signs nothing")
    return SignInProof(key, unix, means.random)

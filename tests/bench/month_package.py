"""A month package verified offline, against bare signatures on the same core.

`python -m tests.bench.month_package --records 100000`
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from crypto.encoding import b64u_decode
from crypto.key_files import parse_private_key_file, private_key_file
from crypto.keys import OpeningKey
from crypto.trust import parse_trust_file, trust_file
from gateway.month_package.outcome import Means
from gateway.month_package.verifier import verify_package
from tests.bench.made_month import MadeMonth, make_month
from tests.bench.measures import Measure

TARGET = 0.6


class Verified(NamedTuple):
    """One run: its CPU time, its highest memory, and whether all was flat."""

    seconds: float
    megabytes: int
    is_flat: bool


def measure(folder: Path, records: int, rounds: int) -> list[Measure]:
    """Without the bureau's key, which has the target, and with it."""
    month = make_month(folder / f"package-{records}.zip", records)
    scale = f"{records:,} records, one core"
    figures = [
        Measure("month_package_verified", TARGET, at_least=True, scale=scale),
        Measure("month_package_opened", 0.0, at_least=True, scale=scale),
    ]
    for _ in range(rounds):
        for figure, with_key in zip(figures, (False, True), strict=True):
            before = _bare_rate(month)
            ran = _run(month, records, with_key=with_key)
            yardstick = (before + _bare_rate(month)) / 2
            figure.ratios.append(records / ran.seconds / yardstick)
            figure.note = (
                f"{records / ran.seconds:,.0f}/s against {yardstick:,.0f} bare"
                f" signatures/s; memory at most {ran.megabytes} MB"
            )
    month.path.unlink()
    return figures


def _run(month: MadeMonth, records: int, *, with_key: bool) -> Verified:
    """Verify in a process of its own, so that its memory is its own."""
    key = private_key_file(month.opening) if with_key else None
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        ran = pool.submit(_verify, month.path, trust_file(month.trust), key, records)
    if not ran.result().is_flat:
        raise click.ClickException("the package is not flat")
    return ran.result()


def _verify(path: Path, trust: bytes, key: bytes | None, records: int) -> Verified:
    opening = None if key is None else parse_private_key_file(key)
    means = Means(
        trust=parse_trust_file(trust),
        opening_key=opening if isinstance(opening, OpeningKey) else None,
        cores=1,
    )
    begun = time.process_time()
    outcome = verify_package(path, means)
    return Verified(
        time.process_time() - begun,
        _peak_megabytes(),
        not outcome.findings and outcome.records == records,
    )


def _peak_megabytes() -> int:
    """Of this process alone; `getrusage` would count its parent's before the start."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def _bare_rate(month: MadeMonth) -> float:
    """Signatures a second over the records' own bytes, with the bare library."""
    octets = month.record_key.public.public_bytes
    key = Ed25519PublicKey.from_public_bytes(octets)
    signed = [record.rsplit(b".", 1) for record in month.samples]
    pairs = [(b64u_decode(sig, what="it"), message) for message, sig in signed]
    begun = time.process_time()
    for signature, message in pairs:
        key.verify(signature, message)
    return len(pairs) / (time.process_time() - begun)


@click.command()
@click.option("--records", default=100_000)
@click.option("--rounds", default=3)
def main(records: int, rounds: int) -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as folder:
        for figure in measure(Path(folder), records, rounds):
            click.echo(f"{figure.name}: {figure.ratio:.3f} ({figure.note})")


if __name__ == "__main__":
    main()

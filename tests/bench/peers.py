"""Other programs measured beside ours in the same run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ECHO = Path(__file__).with_name("echo_server.py")


@contextmanager
def echo_server(answer_bytes: int) -> Iterator[int]:
    """The yardstick's port, as long as the block runs."""
    with echo_process(answer_bytes) as (port, _):
        yield port


@contextmanager
def echo_process(answer_bytes: int) -> Iterator[tuple[int, int]]:
    """The same, with the process that answers."""
    process = subprocess.Popen(
        [sys.executable, str(_ECHO), str(answer_bytes)], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.pid
    finally:
        process.terminate()
        process.wait()


def tpcb_median_ms(pgbench: Path, dsn: str, seconds: int) -> float:
    """Median latency of one pgbench TPC-B client on a database, milliseconds.

    The log of single transactions gives the median; pgbench prints only the mean.
    """
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [pgbench, "-c", "1", "-T", str(seconds), "-l", "-M", "prepared", dsn],
            check=True,
            capture_output=True,
            cwd=folder,
        )
        latencies = sorted(
            int(line.split()[2])
            for log in Path(folder).glob("pgbench_log.*")
            for line in log.read_text().splitlines()
        )
    return latencies[len(latencies) // 2] / 1_000


def fill_tpcb(pgbench: Path, dsn: str) -> None:
    """Make pgbench's tables at scale 10: a million accounts."""
    subprocess.run(
        [pgbench, "-i", "-q", "-s", "10", dsn], check=True, capture_output=True
    )

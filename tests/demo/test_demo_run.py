"""`medaid demo` end to end, and what it prints to try by hand."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

DEMO = [sys.executable, "-m", "gateway.cli.main", "demo"]
PROJECT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_once_ends_with_status_0_twice_in_a_row(data_dir: Path) -> None:
    """The published figures come out of the system, every record verifies."""
    for _ in range(2):
        done = subprocess.run(
            [*DEMO, "--once", "--data-dir", str(data_dir)],
            capture_output=True,
            check=False,
            timeout=280,
        )

        printed = done.stdout.decode()
        assert done.returncode == 0, printed + done.stderr.decode()
        assert "All of it held." in printed
        assert "FAILS" not in printed
        for figure in (
            "359", "610", "857", "922", "1,712", "2,648",
            "55,279.78", "122,779.47", "182,964.96",
        ):  # fmt: skip
            # Read back from the system, and published.
            assert printed.count(f" {figure} ") >= 2, figure


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_commands_by_hand_work_as_printed(data_dir: Path, tmp_path: Path) -> None:
    """Copied into a shell, each command answers; Ctrl-C then ends the demo cleanly."""
    output = tmp_path / "output"
    with output.open("wb") as file:
        demo = subprocess.Popen(
            [*DEMO, "--data-dir", str(data_dir)],
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=PROJECT,
        )
    try:
        commands = _commands(demo, output)
        eligibility, settlement, proof = (_shell(command) for command in commands)
        again = _shell(commands[1])
    finally:
        demo.send_signal(signal.SIGINT)
        status = demo.wait(60)

    assert '"status":"eligible"' in eligibility
    assert '"decision":"approved"' in settlement
    assert again == settlement
    assert "verified settle" in proof
    assert status == 0
    assert "Stopping" in output.read_text(encoding="utf-8")


def _commands(demo: subprocess.Popen[bytes], output: Path) -> list[str]:
    """Wait until the demo stays up, and take its three commands."""
    deadline = time.monotonic() + 400
    while "Ctrl-C ends" not in output.read_text(encoding="utf-8"):
        assert demo.poll() is None, output.read_text(encoding="utf-8")
        assert time.monotonic() < deadline, "the demo did not get to its end"
        time.sleep(0.5)
    commands = re.findall("^curl .*$", output.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) == 3
    return [str(command) for command in commands]


def _shell(command: str) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        capture_output=True,
        check=True,
        timeout=60,
        cwd=PROJECT,
        text=True,
    )
    return done.stdout

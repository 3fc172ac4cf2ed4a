"""The kit run as an operator runs it: by its own Python, against an address."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from gateway.loadtesting.world import write_world
from tests.support.sources import PROJECT

#: The kit's own environment, beside the one that runs the tests.
KIT = Path(f"{sys.prefix}-load")
PYTHON = KIT / "bin" / "python"

#: Two cores are shared by other tests: the generator may be late here, and only a
#: second of delay is slow. What the shipped budgets say is tested elsewhere.
BUDGETS = """
[generator]
late_ms = 50
late_share = 1.0
cpu = 9.0
[calls.eligibility]
p50_ms = 900
[calls.quote]
p50_ms = 900
[calls.settle]
p50_ms = 900
[errors]
share = 0.01
[throughput]
share = 0.99
[recovery]
decided_s = 60
[knee]
p99_ms = 900
error_share = 0.005
times = 3
[memory]
growth = 0.25
"""


async def made_kit() -> None:
    """Make the kit's environment, where `make test` has not done it."""
    if not (KIT / ".made").exists():
        made = ["make", "-s", f"VENV={sys.prefix}", f"{KIT}/.made"]
        await asyncio.to_thread(subprocess.run, made, cwd=PROJECT, check=True)


def command(
    target: str, folder: Path, plan: str, world: dict[str, Any], *more: str
) -> list[str]:
    """The command line of a run in a new folder, whose files are written."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "budgets.toml").write_text(BUDGETS, encoding="utf-8")
    write_world(world, folder / "world.json")
    return [
        str(PYTHON), "-m", "loadtests", "run", "--target", target, "--plan", plan,
        "--world", str(folder / "world.json"), "--out", str(folder / "out"),
        "--budgets", str(folder / "budgets.toml"), *more,
    ]  # fmt: skip


async def run(
    target: str, folder: Path, plan: str, world: dict[str, Any], *more: str
) -> tuple[int, dict[str, Any]]:
    """Run the kit; its exit status and its report."""
    process = await asyncio.create_subprocess_exec(
        *command(target, folder, plan, world, *more),
        cwd=PROJECT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    report = folder / "out" / "report.json"
    assert report.exists(), printed.decode()
    return process.returncode or 0, json.loads(report.read_text(encoding="utf-8"))


def failed_checks(report: dict[str, Any]) -> dict[str, str]:
    """Failed checks, and what they complain of."""
    return {
        one["name"]: " / ".join(one["faults"])
        for one in report["checks"]
        if not one["holds"]
    }


def broken_budgets(report: dict[str, Any]) -> set[str]:
    """Names of the budgets that were not kept."""
    return {one["name"] for one in report["budgets"] if not one["kept"]}

"""The check of a long run needs no more memory than that of a short one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.sources import PROJECT

#: What the check may take in memory, of however many settlements; docs say it.
_BOUND_MB = 150


def _checked(folder: Path, count: int) -> dict[str, Any]:
    many = [sys.executable, "-m", "tests.loadtest.many"]
    arguments = [str(folder), str(count)]
    subprocess.run([*many, "make", *arguments], cwd=PROJECT, check=True)
    done = subprocess.run(
        [*many, "check", *arguments], cwd=PROJECT, check=True, capture_output=True
    )
    told: dict[str, Any] = json.loads(done.stdout)
    assert all(faults == [] for _, faults in told["checks"].values()), told
    for name in ("answers", "receipts", "log", "money"):
        assert told["checks"][name][0] == count
    return told


def test_ten_times_the_settlements_need_no_more_memory(tmp_path: Path) -> None:
    """From 3,000 to 30,000 it grows by less than what is kept at hand."""
    small, large = tmp_path / "small", tmp_path / "large"
    small.mkdir()
    large.mkdir()

    few = _checked(small, 3_000)["peak_mb"]
    many = _checked(large, 30_000)["peak_mb"]

    # 30,000 receipts alone would be 60 MB.
    assert many < few + 25
    assert many < _BOUND_MB


@pytest.mark.slow
def test_a_million_settlements_stay_below_the_bound(tmp_path: Path) -> None:
    """A night of soak."""
    assert _checked(tmp_path, 1_000_000)["peak_mb"] < _BOUND_MB

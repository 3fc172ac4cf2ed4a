"""What a figure was measured on: no name of the machine, no path, no address."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from settlement.store.embedded_place import installed_postgres


@cache
def machine() -> dict[str, Any]:
    """Cores that this process may use, processor, kernel and versions."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(Path("/proc/cpuinfo").read_text(encoding="utf-8")),
        "kernel": "Linux " + re.sub(r"[^0-9.].*", "", platform.release()),
        "python": platform.python_version(),
        "postgresql": _postgresql(),
    }


def _processor(cpuinfo: str) -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found.group(1).strip() if found else platform.machine()


def _postgresql() -> str:
    """The embedded server's version, which is what is measured."""
    program = installed_postgres() / "bin" / "postgres"
    said = subprocess.run([program, "--version"], capture_output=True, check=True)
    return said.stdout.decode().split()[-1]

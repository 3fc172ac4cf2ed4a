"""CPU seconds of a process and of all that it has started, as Linux counts them."""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
#: Places in `/proc/PID/stat` behind the name: the parent, then user and system time of
#: the process, and of its children that have ended and were waited for.
_PARENT, _TIMES = 1, slice(11, 15)


def cpu_s_of(root: int) -> float:
    """CPU seconds of a process with its whole tree, the dead included."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # ended meanwhile: its parent has its time
        fields = stat.rpartition(")")[2].split()
        pid = int(folder.name)
        parents[pid] = int(fields[_PARENT])
        ticks[pid] = sum(map(int, fields[_TIMES]))
    return sum(t for pid, t in ticks.items() if _is_under(pid, root, parents)) / (
        _TICKS_PER_S
    )


def _is_under(pid: int, root: int, parents: dict[int, int]) -> bool:
    while pid in parents:
        if pid == root:
            return True
        pid = parents[pid]
    return False

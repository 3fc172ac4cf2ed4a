"""`python -m tests.torture.armed ...`: `medaid`, or a worker, with crash points.

The program is the real one. Its steps are wrapped so that they can be fatal, its
clock can be wrong, and dead workers are replaced without the growing pause that an
operator's machine wants.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import gateway.child
import gateway.wiring
import gateway.worker_process
from gateway.cli.main import main as medaid
from tests.torture.control import VARIABLE, Control
from tests.torture.points import arm_points

WORKER = "worker_process"
_MODULE = "tests.torture.armed"
_PAUSE_S = 0.1


def main() -> None:
    """Arm this process and become what the arguments say."""
    control = Control.open(Path(os.environ[VARIABLE]))
    arm_points(control)
    _take_clock(control)
    if sys.argv[1:] == [WORKER]:
        gateway.worker_process.main()
        return
    _arm_workers()
    medaid()


def _take_clock(control: Control) -> None:
    right = gateway.wiring.wall_clock

    def clock() -> datetime:
        return right() + timedelta(seconds=control.skew_s)

    gateway.wiring.wall_clock = clock


def _arm_workers() -> None:
    """Let the supervisor start armed workers, and soon."""
    for name in ("_FIRST_PAUSE_S", "_LONGEST_PAUSE_S"):
        if not hasattr(gateway.child, name):
            raise AttributeError(f"processes that are kept have no {name} any more")
        setattr(gateway.child, name, _PAUSE_S)
    start = asyncio.create_subprocess_exec

    async def start_armed(
        program: str, *arguments: str, **options: Any
    ) -> asyncio.subprocess.Process:
        if arguments == ("-m", "gateway.watch_process"):
            return await start(program, *arguments, **options)
        if arguments != ("-m", "gateway.worker_process"):
            raise ValueError(f"the supervisor starts {arguments}, not a worker")
        return await start(program, "-m", _MODULE, WORKER, **options)

    asyncio.create_subprocess_exec = start_armed  # type: ignore[assignment]  # narrower on purpose


if __name__ == "__main__":
    main()

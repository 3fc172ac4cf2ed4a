"""`medaid`, sampled: `python -m tests.bench.sampled_gateway FILE serve ...`.

Whenever the process has used some more milliseconds of processor time, the kernel
interrupts it and the stack of Python is written to the file, as it is at that instant:
also in the middle of a function in C, which then is its caller's. It costs some 3 %.
"""

from __future__ import annotations

import faulthandler
import signal
import sys
from pathlib import Path

from gateway.cli.main import main

#: Kernels that tick 250 times a second make 4 ms of it.
_EVERY_S = 0.002


def run(file: Path, arguments: list[str]) -> None:
    """Run the command; processes that it starts are not sampled."""
    with file.open("w", encoding="utf-8") as stacks:
        faulthandler.register(signal.SIGPROF, stacks, all_threads=False)
        signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)
        try:
            main(arguments, prog_name="medaid")
        finally:
            # Python gives the signal back to the system, to which it means the end.
            signal.setitimer(signal.ITIMER_PROF, 0)


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2:])

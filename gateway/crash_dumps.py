"""No crash dump: the memory of this process holds keys, tokens and cards.

Two locks on one door: a size limit of nothing, which child processes inherit, and
Linux' own mark, which also keeps other processes of the same user from reading the
memory (proc(5), prctl(2) PR_SET_DUMPABLE) and holds where dumps are piped to a
program and the size limit is ignored (core(5)).
"""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4


def forbid_crash_dumps() -> None:
    """Keep this process' memory off the disk, however it ends."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)

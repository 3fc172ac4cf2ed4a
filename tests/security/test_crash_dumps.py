"""The memory of the gateway is never written to a file, and nobody reads it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.test_serve import children_of, eventually, line, serving

#: A row of proc(5), `/proc/PID/limits`.
_LIMIT = "Max core file size"


def core_limit(pid: int) -> list[str]:
    """Soft and hard limit of a core file, as the kernel says."""
    limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()
    row = next(each for each in limits if each.startswith(_LIMIT))
    return row.removeprefix(_LIMIT).split()[:2]


def forbidding(then: str) -> subprocess.CompletedProcess[str]:
    """A process that forbids dumps as the gateway does, and what it then prints."""
    program = (
        "import ctypes, os, resource, signal\n"
        "resource.setrlimit(resource.RLIMIT_CORE,"
        " (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)\n"
        "from gateway.crash_dumps import forbid_crash_dumps\n"
        "forbid_crash_dumps()\n" + then
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_limit_and_mark_are_set() -> None:
    """Nothing may be dumped, by size and by the kernel's mark; neither comes back."""
    done = forbidding(
        "print(resource.getrlimit(resource.RLIMIT_CORE))\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"
    )

    assert done.stdout.splitlines() == ["(0, 0)", "0"], done.stderr


def test_abort_leaves_no_dump() -> None:
    """The kernel says of the dead process that it dumped nothing."""
    program = (
        "from gateway.crash_dumps import forbid_crash_dumps\n"
        "import os\nforbid_crash_dumps()\nos.abort()\n"
    )
    pid = os.posix_spawn(
        sys.executable, [sys.executable, "-c", program], dict(os.environ)
    )
    _, status = os.waitpid(pid, 0)

    assert os.WTERMSIG(status) == signal.SIGABRT
    assert not os.WCOREDUMP(status)


async def test_supervisor_and_workers_leave_none(place: list[str]) -> None:
    """Every process that holds a key or a card, and the database that it started."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    async with serving(*place, "--port", "0", "--workers", "2") as process:
        await line(process, "ready ")
        # Two workers, and the watch, which begins when they serve.
        workers = await eventually(
            lambda: children_of(process.pid), lambda found: len(found) == 3
        )
        pids = [process.pid, *workers]

        assert {tuple(core_limit(pid)) for pid in pids} == {("0", "0")}


_NOBODY = 65_534
_BECOME_NOBODY = f"os.setgid({_NOBODY}); os.setuid({_NOBODY})"


def same_user_reads(*, forbidden: bool) -> bool:
    """Whether a second program of the same user reads the first one's environment."""
    holder = (
        "import ctypes, os, sys\n"
        "from gateway.crash_dumps import forbid_crash_dumps\n"
        f"{_BECOME_NOBODY}\n"
        # Changing the user has closed the process already: open it again.
        "ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)\n"
        + ("forbid_crash_dumps()\n" if forbidden else "")
        + "print('up', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as held:
        assert held.stdout is not None
        assert held.stdout.readline() == b"up\n"
        reader = f"import os; {_BECOME_NOBODY}; open('/proc/{held.pid}/environ').read()"
        done = subprocess.run(
            [sys.executable, "-c", reader], capture_output=True, check=False, timeout=60
        )
        held.kill()
    assert done.returncode == 0 or b"PermissionError" in done.stderr, done.stderr
    return done.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="acts as another user: run as root")
def test_same_user_cannot_read_the_memory() -> None:
    """Neither memory nor environment; without the mark it could."""
    assert same_user_reads(forbidden=False)
    assert not same_user_reads(forbidden=True)

"""Long work beside settling is served after it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from settlement.store import priority
from settlement.store.database import Database
from settlement.store.embedded import EmbeddedPostgres
from settlement.store.priority import lower

_GROUPS = Path("/proc/sys/kernel/sched_autogroup_enabled")
#: Whether this kernel weighs sessions; where it does not, priorities alone count.
_GROUPED = _GROUPS.exists() and _GROUPS.read_text("ascii").strip() == "1"


def _priority(process: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, process)


def _lowered(wanted: int) -> int:
    """What a process that was started here gets to: a whole run may give way itself."""
    return max(wanted, _priority(0))


def _session(process: int) -> str:
    """`/autogroup-42 nice 19`; empty where the session is in no group of its own."""
    return Path(f"/proc/{process}/autogroup").read_text("ascii") if _GROUPED else ""


def _of_group(process: int) -> int:
    """What the kernel weighs by."""
    text = _session(process)
    return int(text.rsplit(maxsplit=1)[1]) if text else _priority(process)


async def test_only_long_work_gives_way(
    database: Database, postgres_server: EmbeddedPostgres
) -> None:
    """The server's process of a match has the lowest priority, a cashier's none."""
    long_work = await Database.open(database.dsn, max_size=1, gives_way=True)
    server = postgres_server.postmaster_pid
    assert server is not None
    try:
        async with database.pool.acquire() as first, long_work.pool.acquire() as second:
            assert _priority(first.get_server_pid()) == _priority(server)
            assert _priority(second.get_server_pid()) == 19
            for name, value in (
                ("max_parallel_workers_per_gather", "0"),
                ("client_connection_check_interval", "1s"),
            ):
                assert await second.fetchval(f"SHOW {name}") == value
                assert await first.fetchval(f"SHOW {name}") != value
    finally:
        await long_work.close()


async def test_the_servers_process_gives_way_with_its_whole_session(
    database: Database, postgres_server: EmbeddedPostgres
) -> None:
    """Otherwise it gets as much of a processor as all cashiers together."""
    long_work = await Database.open(database.dsn, max_size=1, gives_way=True)
    server = postgres_server.postmaster_pid
    assert server is not None
    try:
        async with database.pool.acquire() as first, long_work.pool.acquire() as second:
            assert _of_group(first.get_server_pid()) == _of_group(server)
            assert _of_group(second.get_server_pid()) == 19
    finally:
        await long_work.close()


@contextmanager
def _sleeper(*, own_session: bool) -> Iterator[int]:
    """A process that waits."""
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        start_new_session=own_session,
    ) as process:
        yield process.pid


@pytest.mark.parametrize("own_session", [True, False])
def test_a_session_is_lowered_by_the_process_that_leads_it(
    own_session: bool,
) -> None:
    """A shell's other commands are not lowered with one of them."""
    with _sleeper(own_session=own_session) as process:
        before = _session(process)
        lower(process, 7)
        lower(process, 7)
        assert _priority(process) == _lowered(7)
        if own_session:
            assert _of_group(process) == (7 if before else _lowered(7))
        else:
            assert _session(process) == before


def test_a_session_in_no_group_is_let_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A kernel that had no memory for a group names none; only the process gives way.

    So does each process of a container whose first session is the kernel's.
    """
    empty = tmp_path / "autogroup"
    empty.write_text("", encoding="ascii")
    monkeypatch.setattr(priority, "_SESSION", str(empty))
    with _sleeper(own_session=True) as process:
        lower(process, 7)
        assert _priority(process) == _lowered(7)
    assert empty.read_text("ascii") == ""


def test_nobody_is_raised() -> None:
    """Who gives way more than is asked for goes on to do so."""
    with _sleeper(own_session=True) as process:
        lower(process, 12)
        lower(process, 3)
        of_group = 12 if _session(process) else _lowered(12)
        assert (_priority(process), _of_group(process)) == (_lowered(12), of_group)

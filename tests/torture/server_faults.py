"""Faults of PostgreSQL: lost backends, crashes, a bad disk, locks, refused COMMITs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from tests.torture.stage import DISK, HarnessError, Impossible, Stage, until, until_true

#: A file system grows between the look at it and the remount.
_SHRINK_ATTEMPTS = 20
_BACKENDS = (
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'medaid'"
    " AND backend_type = 'client backend'"
)
_END_BACKENDS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'medaid' AND backend_type = 'client backend'"
)
_END_COMMITTING = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'medaid' AND query = 'COMMIT' AND state = 'active'"
)
_CONNECTIONS_MAX = 110
_HOLDING = (
    "SELECT 1 FROM log_head FOR UPDATE",
    "SELECT 1 FROM accumulator FOR UPDATE",
    "LOCK TABLE settle_key IN EXCLUSIVE MODE",
)
_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)
#: What cuts a fault short when another one takes PostgreSQL away meanwhile.
INTERRUPTIONS = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # Of a connection that is torn down while a statement begins.
    asyncpg.InternalClientError,
)


async def end_backends(stage: Stage, rng: random.Random) -> None:
    """`pg_terminate_backend` of all that the gateway has, several times."""
    for _ in range(rng.randint(1, 4)):
        await stage.sql(_END_BACKENDS)
        await asyncio.sleep(rng.random() * 0.1)


async def end_backends_in_commit(stage: Stage, rng: random.Random) -> None:
    """Slow flushes hold COMMITs open; backends are ended inside them."""
    caught = 0
    connection = await stage.admin_soon()
    try:
        async with traced(stage, "delay_enter=150000"):
            for _ in range(60):
                rows = await connection.fetch(_END_COMMITTING)
                caught += len(rows)
                if caught >= 2:
                    break
                await asyncio.sleep(0.02)
    finally:
        await connection.close()
    stage.tally.noted["backends ended inside COMMIT"] += caught


async def crash_immediately(stage: Stage, rng: random.Random) -> None:
    """`pg_ctl stop -m immediate`, then a recovery."""
    server = stage.sandbox.server
    command: list[str | Path] = [server.binaries / "pg_ctl", "stop", "-w"]
    command += ["-m", "immediate", "-D", server.place.pgdata]
    await asyncio.to_thread(server.place.account.run, command)
    await asyncio.sleep(rng.random() * 0.3)
    await stage.server_up()


async def kill_postmaster(stage: Stage, rng: random.Random) -> None:
    """SIGKILL for the postmaster, sometimes again while it recovers."""
    for _ in range(rng.choice((1, 1, 2))):
        pid = stage.sandbox.server.postmaster_pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            stage.tally.kills += 1
        await asyncio.sleep(rng.random() * 0.2)
        await stage.server_up()


async def kill_backend(stage: Stage, rng: random.Random) -> None:
    """SIGKILL for one backend: PostgreSQL ends all of them and recovers."""
    rows = await stage.sql(_BACKENDS)
    if rows:
        with contextlib.suppress(ProcessLookupError):
            os.kill(rng.choice(rows)["pid"], signal.SIGKILL)
            stage.tally.kills += 1
    await until_true(lambda: _answers(stage), "PostgreSQL is back")


async def stop_server_processes(stage: Stage, rng: random.Random) -> None:
    """SIGSTOP for the gateway's backends, CONT a while later."""
    rows = await stage.sql(_BACKENDS)
    pids = [row["pid"] for row in rows]
    await _stopped(pids, rng.uniform(0.2, 1.5))


async def _stopped(pids: Sequence[int], seconds: float) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


async def stop_gateway_processes(stage: Stage, rng: random.Random) -> None:
    """SIGSTOP for a worker or the gateway whole, CONT up to seconds later."""
    pids = stage.gateway.worker_pids()
    pids = [stage.gateway.pid, *pids] if rng.random() < 0.4 else pids[:1]
    await _stopped(pids, rng.choice((0.2, 0.5, 1.0, 2.0, 4.0)))


async def fail_flush(stage: Stage, rng: random.Random) -> None:
    """Flushing the log fails with EIO: PostgreSQL panics and recovers (H4)."""
    try:
        async with traced(stage, f"error=EIO:when={rng.randint(1, 3)}"):
            await asyncio.sleep(0.6)
    finally:
        await stage.server_up()
    await until_true(lambda: _answers(stage), "PostgreSQL is back")


async def slow_flush(stage: Stage, rng: random.Random) -> None:
    """Every flush takes 0.2 to 2 seconds."""
    delay = rng.choice((200_000, 500_000, 1_000_000, 2_000_000))
    async with traced(stage, f"delay_enter={delay}"):
        await asyncio.sleep(1.0 + delay / 1_000_000)


@asynccontextmanager
async def traced(stage: Stage, injection: str) -> AsyncIterator[None]:
    """Have strace tamper with fdatasync of the gateway's backends."""
    strace = shutil.which("strace")
    if strace is None:
        raise Impossible("strace is not installed")
    rows = await stage.sql(_BACKENDS)
    pids = [part for row in rows for part in ("-p", str(row["pid"]))]
    if not pids:
        yield
        return
    process = await asyncio.create_subprocess_exec(
        strace,
        *("-f", "-qq", "-e", "trace=fdatasync", "-e", f"inject=fdatasync:{injection}"),
        *pids,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    await asyncio.sleep(0.15)
    if process.returncode is not None and process.stderr is not None:
        said = (await process.stderr.read()).decode(errors="replace")
        if "ermitted" in said:
            raise Impossible("strace may not attach to PostgreSQL here")
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.communicate(), 10)
        if process.returncode is None:
            process.kill()


async def fill_disk(stage: Stage, rng: random.Random) -> None:
    """No space left for PostgreSQL, the mark and the logs; then freed again."""
    if stage.disk is None:
        raise Impossible("only root on Linux can make a small file system to fill")
    try:
        await _shrink(stage.disk, rng.randint(4, 200))
        with contextlib.suppress(*_ERRORS):
            connection = await stage.admin()
            for _ in range(rng.choice((0, 0, 30))):
                # Uses up the segments that were kept for the write-ahead log.
                await connection.execute("SELECT pg_switch_wal()")
            await connection.close()
        await asyncio.sleep(rng.uniform(0.5, 1.5))
    finally:
        await _resize(stage.disk, DISK)
    await stage.server_up()
    await until_true(lambda: _answers(stage), "PostgreSQL is back")


async def _shrink(disk: Path, free_kb: int) -> None:
    """Leave so little free. What is written meanwhile may need it: then again."""
    for attempts_left in reversed(range(_SHRINK_ATTEMPTS)):
        used = shutil.disk_usage(disk).used
        try:
            await _resize(disk, f"{used // 1024 + free_kb}k")
        except HarnessError:
            if not attempts_left:
                raise
        else:
            return


async def _resize(disk: Path, size: str) -> None:
    """Give the file system another size; what it holds stays."""
    mount = shutil.which("mount") or "mount"
    command = [mount, "-o", f"remount,size={size}", str(disk)]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise HarnessError(f"remount: {done.stderr.decode()[-200:]}")


async def _answers(stage: Stage) -> bool:
    try:
        connection = await stage.admin()
        await connection.close()
    except _ERRORS:
        return False
    return True


async def make_deadlock(stage: Stage, rng: random.Random) -> None:
    """Hold what a batch wants and want what it holds."""
    connection = await stage.admin_soon()
    try:
        await connection.execute("BEGIN")
        await connection.execute("SET LOCAL deadlock_timeout = '5s'")
        await connection.execute("SELECT 1 FROM log_head FOR UPDATE")
        await asyncio.sleep(0.1)
        with contextlib.suppress(*_ERRORS):
            await connection.execute("SET LOCAL lock_timeout = '3s'")
            await connection.execute("SELECT 1 FROM accumulator FOR UPDATE")
            stage.tally.noted["deadlocks decided against the gateway"] += 1
        await asyncio.sleep(rng.random() * 0.2)
    finally:
        connection.terminate()


async def hold_lock(stage: Stage, rng: random.Random) -> None:
    """Somebody holds the log's head or the accumulators for seconds."""
    connection = await stage.admin_soon()
    try:
        await connection.execute("BEGIN")
        await connection.execute(rng.choice(_HOLDING))
        await asyncio.sleep(rng.uniform(0.3, 2.5))
    finally:
        connection.terminate()


async def fail_serialization(stage: Stage, rng: random.Random) -> None:
    """Writing raises 40001, or another passing fault, for a while."""
    code = rng.choice(("40001", "40P01", "55P03", "53200"))
    connection = await stage.admin_soon()
    try:
        await connection.execute(
            "CREATE OR REPLACE FUNCTION torture_fails() RETURNS trigger"
            " LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'torture'"
            f" USING ERRCODE = '{code}'; END $$"
        )
        await connection.execute(
            "CREATE OR REPLACE TRIGGER torture BEFORE UPDATE ON log_head"
            " FOR EACH ROW EXECUTE FUNCTION torture_fails()"
        )
        await asyncio.sleep(rng.uniform(0.2, 0.8))
        await connection.execute("DROP TRIGGER torture ON log_head")
    finally:
        connection.terminate()
        await stage.sql("DROP TRIGGER IF EXISTS torture ON log_head")


async def use_up_connections(stage: Stage, rng: random.Random) -> None:
    """Nobody new is let in, while the gateway's backends are ended."""
    held: list[asyncpg.Connection[asyncpg.Record]] = []
    try:
        with contextlib.suppress(*_ERRORS):
            while len(held) < _CONNECTIONS_MAX:
                held.append(await stage.admin())
        with contextlib.suppress(IndexError, *_ERRORS):
            await held[0].execute(_END_BACKENDS)
            held.append(await stage.admin())
        await asyncio.sleep(rng.uniform(0.2, 1.0))
    finally:
        for connection in held:
            connection.terminate()
    await until_true(lambda: _answers(stage), "PostgreSQL lets somebody in")


async def spoil_commits(stage: Stage, rng: random.Random) -> None:
    """COMMIT of an aborted block, which PostgreSQL answers with ROLLBACK (H1)."""
    wanted = rng.randint(1, 3)
    stage.back.toxics.spoil_commits = wanted
    try:
        with contextlib.suppress(Exception):
            await until(
                lambda: stage.back.toxics.spoil_commits <= 0, "COMMITs came by", 10
            )
    finally:
        left = stage.back.toxics.spoil_commits
        stage.back.toxics.spoil_commits = 0
    stage.tally.noted["COMMITs answered ROLLBACK"] += wanted - left

"""A second PostgreSQL server: a required standby, an old backup, a stale standby."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import aiohttp
import asyncpg

from settlement.store.embedded_place import SOCKET_NAME
from tests.acceptance.gateway_process import PROJECT, command_line, environment
from tests.torture.house_faults import Visitor
from tests.torture.proxy import to_socket
from tests.torture.stage import HarnessError, Stage, until, until_true

NAME = "torture"
_SYNC = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
_RECEIVING = "SELECT pid FROM pg_stat_wal_receiver"
_WAITING = (
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
)
_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
#: A promise that must not be given while the standby is away is waited for so long.
_NOT_WITHIN_S = 1.2


class Second:
    """A server made from a base backup of the stage's own."""

    def __init__(self, stage: Stage, name: str) -> None:
        """Nothing is made yet."""
        self._server = stage.sandbox.server
        self.folder = stage.folder / name
        self._socket = self.folder / "s"

    @property
    def socket(self) -> str:
        """Where it listens."""
        return str(self._socket / SOCKET_NAME)

    @property
    def dsn(self) -> str:
        """Its address, for asyncpg and for gateways."""
        return f"postgresql://medaid@/medaid?host={quote(str(self._socket), safe='')}"

    async def make(self, *, follows: bool) -> None:
        """Take a base backup; `follows`: as a standby of the stage's server."""
        await self.remove()
        account = self._server.place.account
        self.folder.mkdir()
        os.chown(self.folder, account.uid, account.gid)
        host = str(self._server.place.socket_folder)
        source = f"host={host} user=medaid application_name={NAME}"
        command: list[str | Path] = [self._server.binaries / "pg_basebackup"]
        command += ["-d", source, "-D", self.folder / "data", "-X", "stream"]
        command += ["-c", "fast", *(["-R"] if follows else [])]
        await self._run(command)
        await self._run(["mkdir", "-m", "0700", self._socket])

    async def start(self) -> None:
        """Start it and wait until it takes connections."""
        settings = f"-c unix_socket_directories={self._socket} -c shared_buffers=16MB"
        settings += " -c synchronous_standby_names= -c hot_standby=on"
        log = self.folder / "log"
        await self._ctl("start", "-o", settings, "-l", str(log))

    async def stop(self, how: str = "immediate") -> None:
        """Stop it where it runs."""
        if (self.folder / "data" / "postmaster.pid").exists():
            with contextlib.suppress(HarnessError):
                await self._ctl("stop", "-m", how)

    async def promote(self) -> None:
        """Make it a primary of its own."""
        await self._ctl("promote")

    async def remove(self) -> None:
        """Stop it and remove what it has."""
        await self.stop()
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    async def ask(self, statement: str) -> list[asyncpg.Record]:
        """One statement on it."""
        connection = await asyncpg.connect(self.dsn, timeout=10)
        try:
            return await connection.fetch(statement)
        finally:
            await connection.close()

    async def _ctl(self, action: str, *options: str) -> None:
        binary = self._server.binaries / "pg_ctl"
        data = self.folder / "data"
        await self._run([binary, action, "-D", data, "-w", "-t", "60", *options])

    async def _run(self, command: list[str | Path]) -> None:
        account = self._server.place.account
        done = await asyncio.to_thread(account.run, command)
        if done.returncode != 0:
            name = Path(command[0]).name
            raise HarnessError(f"{name}: {(done.stderr or done.stdout)[-300:]}")


class StandbyFaults:
    """A required standby that goes away."""

    def __init__(self, visitor: Visitor) -> None:
        """Nothing is started yet."""
        self._visitor = visitor
        self._standby: Second | None = None

    async def lose_standby(self, stage: Stage, rng: random.Random) -> None:
        """While it is away nobody is told 201, not even of what is there (H3)."""
        standby = await self._following(stage)
        async with _required(stage):
            await until_true(lambda: _holds(stage, _SYNC), "the standby is in step")
            first = self._visitor.intend()
            await self._visitor.settle(first)
            async with _away(standby, rng):
                waiting = self._visitor.intend()
                await self._no_promise(stage, waiting)
                for pid in stage.gateway.worker_pids() if rng.random() < 0.5 else []:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                        stage.tally.kills += 1
                async with _impatience(stage, rng.choice((0.0, 0.05, 0.5))):
                    for intent in (waiting, self._visitor.intend(), waiting, waiting):
                        # Another worker may know the key as settled by now.
                        stage.hang_up()
                        await self._no_promise(stage, intent)
            for intent in self._visitor.intents[-2:]:
                await self._visitor.settle(intent)
                await self._visitor.settle(intent)

    async def _no_promise(self, stage: Stage, intent: object) -> None:
        intents = self._visitor.intents
        known = next(each for each in intents if each is intent)
        answer = await self._visitor.try_once(known, within_s=_NOT_WITHIN_S)
        told = "nothing" if answer is None else str(answer.status)
        stage.tally.noted[f"told while the standby was away: {told}"] += 1
        if answer is not None and answer.status in (200, 201):
            what = f"answered {answer.status}, replayed {answer.replayed}"
            stage.tally.violated("standby away", what)

    async def _following(self, stage: Stage) -> Second:
        """The standby, made anew where it cannot follow any more."""
        if self._standby is not None:
            with contextlib.suppress(HarnessError):
                await until_true(lambda: _follows(stage), "the standby follows", 10)
                return self._standby
        self._standby = self._standby or Second(stage, "standby")
        await self._standby.make(follows=True)
        await self._standby.start()
        await until_true(lambda: _follows(stage), "the standby follows")
        return self._standby


class OldServers:
    """Servers that have forgotten the end of the log."""

    def __init__(self, visitor: Visitor) -> None:
        """Nothing is made yet."""
        self._visitor = visitor
        self._old: dict[str, Second] = {}

    async def restored(self, stage: Stage, _rng: random.Random) -> None:
        """An old base backup is put in place: a gateway does not start on it."""
        await self._is_refused(stage, await self._server(stage, "backup"))

    async def promoted(self, stage: Stage, _rng: random.Random) -> None:
        """A stale standby is promoted: a gateway does not start on it."""
        await self._is_refused(stage, await self._server(stage, "stale"))

    async def slipped_in(self, stage: Stage, rng: random.Random) -> None:
        """The running gateway meets such a server behind the same address."""
        old = await self._server(stage, rng.choice(("backup", "stale")))
        said = stage.gateway.log.stat().st_size
        stage.back.connect = to_socket(old.socket)
        stage.back.reset_all()
        try:
            for _ in range(3):
                answer = await self._visitor.try_once(self._visitor.intend())
                if answer is not None and answer.status == 201:
                    stage.tally.violated("old database", "a bill was settled on it")
            await until_true(lambda: self._has_stopped(stage, said), "settling stops")
        finally:
            stage.back.connect = to_socket(stage.server_socket)
            stage.back.reset_all()
            # Only a restart resumes: it might have been the true one.
            await stage.restart_gateway()
        for intent in self._visitor.intents[-3:]:
            await self._visitor.settle(intent)

    async def _has_stopped(self, stage: Stage, said: int) -> bool:
        """Whether a worker says so, or one that had to start refuses to."""
        await self._visitor.try_once(self._visitor.intend())
        with contextlib.suppress(OSError, TimeoutError, aiohttp.ClientError):
            answer = await self._visitor.desk().raw("GET", "/readyz")
            if answer.status == 503 and b"went back" in answer.body:
                return True
        with stage.gateway.log.open("rb") as log:
            log.seek(said)
            return b"went back" in log.read()

    async def _is_refused(self, stage: Stage, old: Second) -> None:
        machine = stage.new_machine()
        shutil.copy2(stage.gateway.data_dir / "checkpoint", machine / "checkpoint")
        command = command_line("serve", "--port", "0", "--workers", "1")
        command += ["--data-dir", str(machine), "--dsn", old.dsn]
        status, out, said = await asyncio.to_thread(_serve, command)
        if status == 0 or "went back in time" not in said:
            stage.tally.violated("old database", f"{out[-200:]} {said[-300:]}")
        shutil.rmtree(machine)

    async def _server(self, stage: Stage, name: str) -> Second:
        """The old server, running; made at its first use and overtaken then."""
        if name not in self._old:
            old = Second(stage, name)
            await old.make(follows=name == "stale")
            await old.start()
            if name == "stale":
                await old.promote()
            await self._visitor.settle(self._visitor.intend())
            [head] = await old.ask("SELECT size FROM log_head")
            # The mark follows within a tenth of a second, unless its writer is shot.
            await until(lambda: _mark_of(stage) > head["size"], "the mark moves on")
            self._old[name] = old
        return self._old[name]


def _mark_of(stage: Stage) -> int:
    """Entries that the machine's mark has seen."""
    note = (stage.gateway.data_dir / "checkpoint").read_text(encoding="utf-8")
    return int(note.splitlines()[1])


def _serve(command: list[str]) -> tuple[int, str, str]:
    """Status, output and errors of a gateway that should not stay; 0 if it does."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            timeout=20,
            cwd=PROJECT,
            env=environment(),
        )
    except subprocess.TimeoutExpired as stays:
        return 0, (stays.stdout or b"").decode(), (stays.stderr or b"").decode()
    return done.returncode, done.stdout.decode(), done.stderr.decode()


async def _follows(stage: Stage) -> bool:
    return await _holds(
        stage, "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"
    )


async def _holds(stage: Stage, question: str) -> bool:
    try:
        return bool(await stage.sql(question))
    except _ERRORS:
        return False


@asynccontextmanager
async def _required(stage: Stage) -> AsyncIterator[None]:
    """Settlements need the standby for the life of the block."""
    await _require(stage, NAME)
    try:
        yield
    finally:
        await _require(stage, "")


@asynccontextmanager
async def _impatience(stage: Stage, every_s: float) -> AsyncIterator[None]:
    """Somebody ends every wait for the standby, again and again (H2); 0: nobody."""

    async def cancel() -> None:
        while every_s:
            with contextlib.suppress(*_ERRORS):
                ended = await stage.sql(_WAITING)
                stage.tally.noted["waits for a standby cut short"] += len(ended)
            await asyncio.sleep(every_s)

    cancelling = asyncio.create_task(cancel())
    try:
        yield
    finally:
        cancelling.cancel()
        await asyncio.gather(cancelling, return_exceptions=True)


async def _require(stage: Stage, names: str) -> None:
    await stage.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
    await stage.sql("SELECT pg_reload_conf()")


@asynccontextmanager
async def _away(standby: Second, rng: random.Random) -> AsyncIterator[None]:
    """The standby is stopped, or its receiver frozen, for the life of the block."""
    if rng.random() < 0.4:
        await standby.stop(rng.choice(("fast", "immediate")))
        try:
            yield
        finally:
            await standby.start()
        return
    pids = [row["pid"] for row in await standby.ask(_RECEIVING)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

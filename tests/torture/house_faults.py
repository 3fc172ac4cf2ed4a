"""Faults of the gateway's own house: a second one, clocks, resources, the roster."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import aiohttp

from tests.acceptance.desk import Answer, Desk, bill, new_name
from tests.acceptance.gateway_process import PROJECT, environment, medaid
from tests.torture.stage import ARMED, Stage, until, until_true
from tests.torture.terminals import Intent, Journal

_NO_ANSWER = (aiohttp.ClientError, TimeoutError, OSError, AssertionError)
_DAY_S, _HOUR_S = 86_400.0, 3_600.0
_WINDOW_S = 60


class Visitor:
    """A hospital that the faults use themselves, with notes like everybody's."""

    def __init__(self, stage: Stage, code: str, journal: Journal) -> None:
        """Nothing was sent yet."""
        self._stage = stage
        self.code = code
        self._journal = journal
        self._tokens: dict[str, str] = {}
        self.intents: list[Intent] = []

    def desk(self, url: str | None = None) -> Desk:
        """A terminal, through the proxy unless said else."""
        desk = self._stage.desk(self.code, url=url, operator="visitor")
        desk.tokens = self._tokens
        return desk

    def intend(self) -> Intent:
        """A new bill, written down."""
        person = self._stage.rng.randrange(361, 401)
        intent = Intent("settle", new_name("visit"), bill(person), facility=self.code)
        self._journal.write(intent)
        self.intents.append(intent)
        return intent

    async def try_once(
        self, intent: Intent, url: str | None = None, within_s: float = 8
    ) -> Answer | None:
        """Send it once; its answer, or `None` where none came in time."""
        try:
            async with asyncio.timeout(within_s):
                answer = await self.desk(url).settle(intent.key, intent.sent)
        except _NO_ANSWER:
            return None
        if answer.status == 401:
            self._tokens.clear()
        if answer.status == 201:
            if intent.answer is None:
                intent.answer = answer
            elif intent.answer.body != answer.body:
                self._stage.tally.violated("a replay", "has other bytes")
        return answer

    async def settle_all(self) -> None:
        """No bill of ours stays without a definite answer."""
        for intent in self.intents:
            if intent.answer is None:
                await self.settle(intent)

    async def settle(self, intent: Intent, url: str | None = None) -> Answer:
        """Send it until it is settled."""

        async def settled() -> bool:
            answer = await self.try_once(intent, url)
            return answer is not None and answer.status == 201

        await until_true(settled, "a bill is settled")
        assert intent.answer is not None
        return intent.answer


class HouseFaults:
    """Those that settle something themselves."""

    def __init__(self, visitor: Visitor) -> None:
        """Whom they settle for."""
        self._visitor = visitor

    async def second_by_mistake(self, stage: Stage, rng: random.Random) -> None:
        """A second gateway on the same folder is refused in one sentence."""
        port = rng.choice((stage.gateway.url.rpartition(":")[2], "0"))
        command = [sys.executable, "-m", ARMED, "serve", "--port", port]
        command += ["--workers", str(rng.choice((1, 2))), "--dsn", stage.back_dsn]
        command += ["--data-dir", str(stage.gateway.data_dir)]
        done = await asyncio.to_thread(
            subprocess.run,
            command,
            capture_output=True,
            check=False,
            timeout=60,
            cwd=PROJECT,
            env=environment(),
        )
        said = done.stderr.decode()
        if done.returncode == 0 or "in use" not in said:
            stage.tally.violated("second gateway, same folder", said[-200:])
        if len(said.strip().splitlines()) != 1:
            stage.tally.violated("second gateway, same folder", "said more than a line")

    async def second_beside(self, stage: Stage, rng: random.Random) -> None:
        """A second gateway of the same database, on a machine of its own: both safe."""
        machine = stage.new_machine()
        second = stage.new_gateway(machine, workers=1)
        second.launch()
        try:
            await asyncio.to_thread(second.wait_ready)
            intents = [self._visitor.intend() for _ in range(4)]
            for intent in intents:
                await asyncio.gather(
                    self._visitor.try_once(intent),
                    self._visitor.try_once(intent, second.url),
                )
            for intent in intents:
                await self._visitor.settle(intent, second.url)
                await self._visitor.settle(intent)
        finally:
            if second.is_alive():
                end = second.kill if rng.random() < 0.5 else second.stop
                await asyncio.to_thread(end)
            shutil.rmtree(machine)

    async def roll_over(self, stage: Stage, _rng: random.Random) -> None:
        """A new gateway starts beside the old, which drains; the bytes are the same."""
        intent = self._visitor.intend()
        await self._visitor.settle(intent)
        async with stage.changing:
            old, new = stage.gateway, stage.new_gateway(stage.new_machine())
            new.launch()
            await asyncio.to_thread(new.wait_ready)
            await self._visitor.settle(intent, new.url)
            stage.lead_to(new)
            status = await asyncio.to_thread(old.stop)
        stage.front.reset_all()
        if status != 0:
            stage.tally.violated("rolling restart", f"the old one ended with {status}")
        if old.data_dir != stage.sandbox.data_dir:
            shutil.rmtree(old.data_dir)
        await self._visitor.settle(intent)

    async def turn_clock(self, stage: Stage, rng: random.Random) -> None:
        """The gateway's clock jumps by an hour, a day, or over the end of the year."""
        year_end = time.mktime((2027, 1, 1, 0, 0, -2, 0, 0, 0)) - time.time()
        skew = rng.choice((_HOUR_S, -_HOUR_S, _DAY_S, -_DAY_S, year_end))
        intent = self._visitor.intend()
        await self._visitor.settle(intent)
        stage.control.skew_s = skew
        answer = await self._visitor.try_once(intent)
        self._visitor._tokens.clear()
        with contextlib.suppress(*_NO_ANSWER):
            call = self._visitor.desk().signed_session()
            opened = await self._visitor.desk().send(call)
            if opened.status == 201:
                stage.tally.violated("clock jump", "a session of another hour")
        await asyncio.sleep(rng.uniform(0.1, 0.6))
        stage.control.skew_s = 0.0
        if answer is not None and answer.status not in (201, 401, 409, 503):
            stage.tally.violated("clock jump", f"answered {answer.status}")
        await self._visitor.settle(intent)

    async def skew_callers(self, stage: Stage, _rng: random.Random) -> None:
        """Callers whose clock is wrong by seconds get in, by an hour do not."""
        now, desk = int(time.time()), self._visitor.desk()
        for seconds, wanted in ((5, 201), (-5, 201), (3_600, 401), (-3_600, 401)):
            call = desk.signed_session(created=now + seconds)
            answer = await self._until_told(desk, call)
            if answer is not None and answer.status != wanted:
                is_replay = wanted == 201 and answer.code == "MA-3103"
                is_late = time.time() - now > _WINDOW_S / 2
                if not (is_replay or is_late):
                    stage.tally.violated("clock skew", f"{seconds} s: {answer.status}")

    async def replay_session(self, stage: Stage, _rng: random.Random) -> None:
        """A captured signed request is good once, also after a restart."""
        desk = self._visitor.desk()
        call = desk.signed_session()
        first = await self._until_told(desk, call)
        for _ in range(3):
            again = await self._until_told(desk, call)
            if first is not None and again is not None and again.status != 401:
                stage.tally.violated("captured request", f"replayed: {again.status}")

    async def _until_told(self, desk: Desk, call: object) -> Answer | None:
        """The first answer that is neither busy nor lost; `None` after a while."""
        for _ in range(100):
            with contextlib.suppress(*_NO_ANSWER):
                answer = await desk.send(call)  # type: ignore[arg-type]  # a SignedCall
                if answer.status < 500 and answer.status != 429:
                    return answer
            await asyncio.sleep(0.1)
        return None

    async def starve_files(self, stage: Stage, rng: random.Random) -> None:
        """A worker may open no further file while many callers come."""
        pids = stage.gateway.worker_pids()
        for pid in pids:
            with contextlib.suppress(OSError):
                used = len(list(Path(f"/proc/{pid}/fd").iterdir()))
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 2, 65_536))
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(40):
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(
                        "127.0.0.1", stage.front.port
                    )
                    stack.callback(writer.transport.abort)
            await asyncio.sleep(rng.uniform(0.3, 1.0))
        for pid in pids:
            with contextlib.suppress(OSError):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (65_536, 65_536))

    async def starve_memory(self, stage: Stage, rng: random.Random) -> None:
        """Workers get no further memory for a while."""
        pids = stage.gateway.worker_pids()
        for pid in pids:
            with contextlib.suppress(OSError, IndexError, ValueError):
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
                size = pages * resource.getpagesize()
                limits = (size, resource.RLIM_INFINITY)
                resource.prlimit(pid, resource.RLIMIT_AS, limits)
        await asyncio.sleep(rng.uniform(0.3, 1.0))
        free = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        for pid in pids:
            with contextlib.suppress(OSError):
                resource.prlimit(pid, resource.RLIMIT_AS, free)

    async def starve_cpu(self, _stage: Stage, rng: random.Random) -> None:
        """Others want the processors too."""
        busy = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", "while True: pass", stdin=subprocess.DEVNULL
            )
            for _ in range(2 * (os.cpu_count() or 2))
        ]
        await asyncio.sleep(rng.uniform(0.5, 1.5))
        for process in busy:
            process.kill()
            await process.wait()

    async def import_garbage(self, stage: Stage, rng: random.Random) -> None:
        """A roster file that is not what its manifest says is refused whole."""
        folder = stage.folder / "garbage"
        folder.mkdir(exist_ok=True)
        (folder / "roster.csv").write_bytes(rng.randbytes(2_000))
        manifest = (
            stage.sandbox.data_dir.parent / "roster" / "manifest.json"
        ).read_bytes()
        (folder / "manifest.json").write_bytes(manifest)
        done = await asyncio.to_thread(
            medaid,
            *("roster", "import", str(folder / "manifest.json")),
            *("--data-dir", str(stage.sandbox.data_dir)),
        )
        if done.status == 0 or "Traceback" in done.err:
            stage.tally.violated("garbage roster", done.err[-200:] or "was taken")

    async def damage_cache(self, stage: Stage, rng: random.Random) -> None:
        """The machine's cache is overwritten with noise; it is built anew."""
        cache = stage.gateway.data_dir / "cache"
        for path in sorted(cache.rglob("data.mdb")):
            with path.open("r+b") as file:
                file.seek(rng.randrange(max(1, path.stat().st_size)))
                file.write(rng.randbytes(64))
        await stage.restart_gateway()
        await until(stage.gateway.is_alive, "the gateway lives")

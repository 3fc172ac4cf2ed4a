"""The stage: one sandbox, its PostgreSQL, its gateway, and proxies before both."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import asyncpg

from settlement.store.embedded import EmbeddedPostgresError
from settlement.store.embedded_place import SOCKET_NAME
from tests.acceptance.desk import Desk
from tests.acceptance.gateway_process import GatewayProcess
from tests.acceptance.sandbox import Sandbox, open_sandbox
from tests.support import postgres
from tests.torture.control import VARIABLE, Control
from tests.torture.proxy import Proxy, to_port, to_socket

WORKERS = 2
ARMED = "tests.torture.armed"
#: For what a process must do on a machine that others use too.
WITHIN_S = 60.0
#: Of the file system that can be filled up.
DISK = "4g"
_POLL_S = 0.02
_LAST_WORDS = 3_000


class HarnessError(Exception):
    """The harness itself could not do what it wanted: neither a pass nor a finding."""


class Impossible(Exception):
    """This machine cannot have the fault; the text says why."""


@dataclass(slots=True)
class Tally:
    """What has happened so far."""

    injected: Counter[str] = field(default_factory=Counter)
    """By the name of the fault."""
    impossible: dict[str, str] = field(default_factory=dict)
    """By the name of the fault: why."""
    violations: list[tuple[str, str]] = field(default_factory=list)
    """What was being done, and what was not as it must be."""
    noted: Counter[str] = field(default_factory=Counter)
    """What clients and faults have counted besides."""
    kills: int = 0
    """Processes shot with SIGKILL on purpose."""
    slowest_s: float = 0.0
    """The longest from a heal to a definite answer for every client."""

    def violated(self, place: str, what: str) -> None:
        """Note what must never be, and say it at once: a run is long."""
        self.violations.append((place, what))
        print(f"VIOLATION: {place}: {what}", flush=True)  # noqa: T201  # to whoever watches


@dataclass(slots=True)
class Stage:
    """Everything that a fault may lay its hands on."""

    folder: Path
    sandbox: Sandbox
    control: Control
    gateway: GatewayProcess
    front: Proxy
    """Between clients and gateway."""
    back: Proxy
    """Between gateway and PostgreSQL."""
    http: aiohttp.ClientSession
    rng: random.Random
    tally: Tally = field(default_factory=Tally)
    disk: Path | None = None
    """A small file system that holds everything of the installation, or `None`."""
    #: Held by a fault that needs nobody else to be shot meanwhile.
    peace: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: Held while the gateway as a whole is ended and started.
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _gateways: int = 0

    @property
    def url(self) -> str:
        """Where clients find the gateway."""
        return f"http://127.0.0.1:{self.front.port}"

    @property
    def back_dsn(self) -> str:
        """Where the gateway finds PostgreSQL."""
        return f"postgresql://medaid@127.0.0.1:{self.back.port}/medaid?sslmode=disable"

    @property
    def server_socket(self) -> str:
        """PostgreSQL's own address, past the proxy."""
        return str(self.sandbox.server.place.socket_folder / SOCKET_NAME)

    def desk(self, code: str, *, url: str | None = None, operator: str = "w-0") -> Desk:
        """A terminal of one of the hospitals, through the proxy unless said else."""
        key = self.sandbox.keys[code]
        return Desk(self.http, url or self.url, key, operator=operator)

    def hang_up(self) -> None:
        """Have the next requests of everybody meet whichever worker takes them."""
        self.front.reset_all()

    def new_machine(self) -> Path:
        """A data folder with the same keys, as a second machine has it."""
        self._gateways += 1
        folder = (self.disk or self.folder) / f"machine-{self._gateways}"
        home = self.sandbox.data_dir
        folder.mkdir(mode=0o700)
        for name in ("trust.json", "installation.json"):
            shutil.copy2(home / name, folder / name)
        for name in ("keys", "bureau"):
            shutil.copytree(home / name, folder / name)
        return folder

    def new_gateway(
        self, data_dir: Path | None = None, *, workers: int = WORKERS
    ) -> GatewayProcess:
        """A further armed gateway on the same database, not started."""
        self._gateways += 1
        return GatewayProcess(
            data_dir or self.sandbox.data_dir,
            workers=workers,
            options=("--dsn", self.back_dsn),
            program=ARMED,
            name=f"serve-{self._gateways}",
        )

    async def start_gateway(self) -> None:
        """Start the gateway as a service manager does, and lead the clients to it.

        A start that meets another fault may end with a sentence; it is made again.
        """
        ends = time.monotonic() + WITHIN_S
        while True:
            self.gateway.launch()
            try:
                await asyncio.to_thread(self.gateway.wait_ready)
            except AssertionError as never:
                self.note_ended()
                if time.monotonic() > ends:
                    raise HarnessError(str(never)) from never
            else:
                break
        self.lead_to(self.gateway)

    def note_ended(self) -> None:
        """A gateway that ended by itself says why, and with a status that says so."""
        status, words = self.gateway.stop(), self.last_words().rstrip()
        sentence = words.rpartition("\n")[2]
        self.tally.noted["starts made again"] += 1
        if status == 0 or "not prepared" in sentence or "Error: " not in sentence:
            self.tally.violated("a start", f"ended with {status}: {sentence[-300:]}")

    def lead_to(self, gateway: GatewayProcess) -> None:
        """Let new connections of clients reach this gateway."""
        self.gateway = gateway
        self.front.connect = to_port(int(gateway.url.rpartition(":")[2]))

    async def restart_gateway(self) -> None:
        """Shoot the gateway whole and start it again."""
        async with self.changing:
            await asyncio.to_thread(self.gateway.kill)
            await self.start_gateway()

    async def admin(
        self, database: str = "medaid"
    ) -> asyncpg.Connection[asyncpg.Record]:
        """A superuser's connection past the proxy."""
        return await asyncpg.connect(self.sandbox.server.dsn_of(database), timeout=10)

    async def admin_soon(
        self, database: str = "medaid"
    ) -> asyncpg.Connection[asyncpg.Record]:
        """The same, as soon as the server is back from what another fault did."""
        ends = time.monotonic() + WITHIN_S
        while True:
            try:
                return await self.admin(database)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                if time.monotonic() > ends:
                    raise
                await asyncio.sleep(_POLL_S)

    async def sql(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """One statement of the superuser."""
        connection = await self.admin_soon()
        try:
            return await connection.fetch(statement, *values)
        finally:
            await connection.close()

    async def server_up(self) -> None:
        """Start PostgreSQL where it does not run, and wait for it.

        Another fault may stop it in the middle of its start; then it is started again.
        """
        ends = time.monotonic() + WITHIN_S
        while True:
            try:
                await asyncio.to_thread(self.sandbox.server.start)
            except EmbeddedPostgresError:
                if time.monotonic() > ends:
                    raise
                await asyncio.sleep(_POLL_S)
            else:
                return

    async def heal(self) -> None:
        """Take every lasting fault away."""
        self.control.disarm()
        self.control.skew_s = 0.0
        self.front.heal()
        self.back.heal()
        await self.server_up()
        async with self.changing:
            if not self.gateway.is_alive():
                self.note_ended()
                await self.start_gateway()

    def last_words(self) -> str:
        """What the gateway said last."""
        return self.gateway.log.read_text(encoding="utf-8")[-_LAST_WORDS:]


async def until(
    holds: Callable[[], object], what: str, within_s: float = WITHIN_S
) -> float:
    """Wait until something holds; the seconds. Raises `HarnessError`."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > within_s:
            raise HarnessError(f"{what}: not within {within_s:.0f} s")
        await asyncio.sleep(_POLL_S)
    return time.monotonic() - began


async def until_true(
    ask: Callable[[], Awaitable[object]], what: str, within_s: float = WITHIN_S
) -> float:
    """The same for a question that has to be awaited."""
    began = time.monotonic()
    while not await ask():
        if time.monotonic() - began > within_s:
            raise HarnessError(f"{what}: not within {within_s:.0f} s")
        await asyncio.sleep(_POLL_S)
    return time.monotonic() - began


@asynccontextmanager
async def open_stage(seed: int, facilities: list[str]) -> AsyncIterator[Stage]:
    """A sandbox with a roster and hospitals; the gateway is not started yet."""
    _unmount_abandoned()
    folder = postgres.make_folder()
    disk = _mount(folder / "disk")
    try:
        control = Control.make(folder / "control")
        os.environ[VARIABLE] = str(folder / "control")
        with open_sandbox((disk or folder) / "var") as sandbox:
            await asyncio.to_thread(_furnish, sandbox, facilities)
            async with _proxies(sandbox, random.Random(seed)) as (front, back, http):
                stage = Stage(
                    folder=folder,
                    sandbox=sandbox,
                    control=control,
                    gateway=GatewayProcess(sandbox.data_dir, workers=WORKERS),
                    front=front,
                    back=back,
                    http=http,
                    rng=random.Random(seed),
                    disk=disk,
                )
                stage.gateway = stage.new_gateway()
                await _limit_log(stage)
                try:
                    yield stage
                finally:
                    await _strike(stage)
    finally:
        os.environ.pop(VARIABLE, None)
        postgres.remove_folder(disk or folder)
        _clear(folder, disk)


async def _limit_log(stage: Stage) -> None:
    """Little write-ahead log: the disk is small, and standbys come back soon."""
    for setting in ("max_wal_size = '256MB'", "wal_keep_size = '128MB'"):
        await stage.sql(f"ALTER SYSTEM SET {setting}")
    await stage.sql("SELECT pg_reload_conf()")


def _unmount_abandoned() -> None:
    """Let go of the disks of runs that were killed."""
    mounts, umount = Path("/proc/mounts"), shutil.which("umount")
    if umount is None or not mounts.exists():
        return
    for line in mounts.read_text(encoding="utf-8").splitlines():
        place = Path(line.split()[1])
        is_ours = place.name == "disk" and place.parent.name.startswith("medaid-tests-")
        if is_ours and not _runs(place.parent.name.split("-")[2]):
            subprocess.run([umount, "--lazy", place], check=False)


def _runs(pid: str) -> bool:
    return Path("/proc", pid).exists()


def _furnish(sandbox: Sandbox, facilities: list[str]) -> None:
    sandbox.import_roster()
    sandbox.add_parties(*((code,) for code in facilities))


@asynccontextmanager
async def _proxies(
    sandbox: Sandbox, rng: random.Random
) -> AsyncIterator[tuple[Proxy, Proxy, aiohttp.ClientSession]]:
    server = str(sandbox.server.place.socket_folder / SOCKET_NAME)
    front, back = Proxy(to_port(1), rng), Proxy(to_socket(server), rng)
    await front.start()
    await back.start()
    try:
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=8),
        ) as http:
            yield front, back, http
    finally:
        await front.stop()
        await back.stop()


async def _strike(stage: Stage) -> None:
    """End what the stage has started; the sandbox ends its server itself."""
    with suppress(Exception):
        await stage.heal()
    if stage.gateway.is_alive():
        await asyncio.to_thread(stage.gateway.kill)


def _clear(folder: Path, disk: Path | None) -> None:
    umount = shutil.which("umount")
    if disk is not None and umount is not None:
        subprocess.run([umount, "--lazy", disk], check=False)
    shutil.rmtree(folder, ignore_errors=True)


def _mount(place: Path) -> Path | None:
    """A small file system in memory, where root may make one."""
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        return None
    place.mkdir(mode=0o755)
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={DISK},mode=755", "tmpfs", place],
        capture_output=True,
        check=False,
    )
    return place if done.returncode == 0 else None

"""Machines with workers: the product's own parts, put together as the gateway does.

What `gateway.wiring.open_gateway` builds from files and sockets is built here from
the simulated ones; a supervisor starts again whatever dies.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any

import asyncpg
import orjson

from crypto.checkpoint import CheckpointSigner
from crypto.encoding import b64u
from crypto.keys import OpeningKey, Role, SigningKey
from crypto.sealer import Sealer
from crypto.tokens import Tokenizer
from crypto.trust import Trust, TrustedKey
from eligibility_cache.follower import Follower
from gateway.render import JsonRenderer
from settlement.domain.errors import FatalError, RequestRefused
from settlement.service.claims import month_number
from settlement.service.desk import Desk
from settlement.service.freshness import Freshness, FreshnessLimits
from settlement.service.logbook import Logbook
from settlement.service.policy_shelf import PolicyShelf
from settlement.service.ports import Answer
from settlement.service.publish import Publisher
from settlement.service.reverse import Reverse
from settlement.service.sequencer import Sequencer, SequencerLimits
from settlement.service.settle import Settle
from settlement.store.database import Database
from settlement.store.errors import (
    BatchConflictError,
    BatchRefusedError,
    StoreUnavailableError,
)
from settlement.store.head import ensure_head
from settlement.store.line import Line
from settlement.store.log_nodes import LogNodes
from settlement.store.months import Months
from settlement.store.roster_feed import RosterFeed
from tests.simulation.cachefolder import SharedFolder, open_cache
from tests.simulation.driver import SimDatabase, as_database
from tests.simulation.loop import Process, current_process
from tests.simulation.server import Server

ORIGIN = "medaid.test/log"
_START_FAULTS = (
    StoreUnavailableError,
    BatchRefusedError,
    BatchConflictError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
)


class LostError(Exception):
    """No answer came: the client does not know what became of its request."""


class PlainSealer:
    """Records without encryption and signature, for volume; real ones for the rest."""

    def seal(
        self,
        claims: Mapping[str, int | str | bool],
        content: bytes,
        random: Callable[[int], bytes],
    ) -> bytes:
        """Claims in clear, the content as its hash, and 12 bytes that are its own."""
        parts = (orjson.dumps(dict(claims)), sha256(content).digest(), random(12))
        return b".".join(b64u(part) for part in parts)

    def batch(self, random: Callable[[int], bytes]) -> PlainBatch:
        """Nothing to agree on."""
        return PlainBatch(self, random)


@dataclass(frozen=True)
class PlainBatch:
    """Records of one batch."""

    sealer: PlainSealer
    random: Callable[[int], bytes]

    def seal(self, claims: Mapping[str, int | str | bool], content: bytes) -> bytes:
        """As `PlainSealer.seal`."""
        return self.sealer.seal(claims, content, self.random)


@dataclass(frozen=True)
class Keys:
    """Keys of the gateway and its bureau, from the seed."""

    trust: Trust
    opening: OpeningKey
    tokenizer: Tokenizer
    sealer: Any
    signer: CheckpointSigner
    are_real: bool


def make_keys(random: Callable[[int], bytes], *, real: bool) -> Keys:
    """Every key; `real` seals and signs records as in production."""
    opening = OpeningKey.generate(random)
    record = SigningKey.generate(Role.RECORD_SIGN, random)
    checkpoint = SigningKey.generate(Role.CHECKPOINT_SIGN, random)
    public = (record.public, checkpoint.public, opening.public)
    return Keys(
        trust=Trust(ORIGIN, [TrustedKey(key) for key in public]),
        opening=opening,
        tokenizer=Tokenizer(random(32)),
        sealer=Sealer(record, opening.public) if real else PlainSealer(),
        signer=CheckpointSigner(ORIGIN, checkpoint),
        are_real=real,
    )


class Mark:
    """The machine's mark file, with the faults of the disk that it lies on."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.seen: tuple[int, bytes] | None = None
        self.is_consulted = True

    def load(self) -> tuple[int, bytes] | None:
        """The largest that was kept."""
        return self.seen if self.is_consulted else None

    def save(self, size: int, root: bytes, checkpoint: str) -> None:  # noqa: ARG002  # as the file's
        """Keep it unless a larger one is kept; may fail as disks do."""
        plan = self._server.plan
        if plan.is_on and plan.random.random() < 0.03:
            process = current_process()
            fault = plan.random.choice(["write-fails", "kill"])
            plan.note(fault, "mark")
            if fault == "kill" and process is not None:
                self._server.on_kill(process)
                return
            raise OSError(errno.ENOSPC, "No space left on device")
        if self.seen is None or self.seen[0] < size:
            self.seen = (size, root)


class Machine:
    """A mark, a cache folder, a wall clock, and the workers that share them."""

    def __init__(self, server: Server, shelf: PolicyShelf, keys: Keys) -> None:
        self.server = server
        self.shelf = shelf
        self.keys = keys
        self.mark = Mark(server)
        self.folder = SharedFolder()
        self.open_database: Callable[[], Database] = lambda: as_database(
            SimDatabase(server)
        )


@dataclass(frozen=True)
class Settings:
    """What is drawn once for all workers of a run."""

    random: Random
    limits: SequencerLimits
    tombstones_per_day: int
    now: Callable[[], datetime]


class Worker:
    """One process of the gateway, from its start to its death."""

    def __init__(self, machine: Machine, name: str, settings: Settings) -> None:
        self.machine = machine
        self.process = Process(name)
        self.settings = settings
        self.settle: Settle | None = None
        self.reverse: Reverse | None = None
        self.sequencer: Sequencer | None = None
        self.publisher = Publisher(machine.mark)
        #: Why the start was refused for good.
        self.refused: str | None = None
        self._replies: dict[asyncio.Future[Any], None] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._is_closing = False

    @property
    def is_ready(self) -> bool:
        """Whether it takes requests."""
        return self.settle is not None and not self.process.is_dead

    def random(self, count: int) -> bytes:
        """The worker's randomness."""
        return self.settings.random.randbytes(count)

    async def open(self) -> None:
        """As `gateway.wiring.open_gateway`; raises what that raises."""
        machine, keys = self.machine, self.machine.keys
        database = machine.open_database()
        logbook = Logbook(keys.signer)
        nodes = LogNodes(database)
        publisher = self.publisher

        async def check_log() -> None:
            await publisher.check(lambda: ensure_head(database, logbook.empty()), nodes)

        await check_log()
        cache = open_cache(machine.folder, keys.tokenizer)
        months = Months(database)
        now = self.settings.now()
        await months.ensure({month_number(now), month_number(now + timedelta(31))})
        desk = Desk(
            renderer=JsonRenderer(),
            sealer=keys.sealer,
            logbook=logbook,
            random=self.random,
            guard=publisher.guard,
            tombstones_per_day=self.settings.tombstones_per_day,
            lasting=keys.tokenizer.lasting,
        )
        lines = [Line(database, check_log) for _ in range(2)]
        sequencer = Sequencer(desk, lines, publisher, months, self.settings.limits)
        loop = asyncio.get_running_loop()
        follower = Follower(RosterFeed(database), cache)
        self._keep(loop.create_task(follower.run(), name="follower"))
        self._keep(loop.create_task(sequencer.run(), name="sequencer"))
        await follower.looked_once()
        self.sequencer = sequencer
        self.reverse = Reverse(
            cache=cache,
            tokenizer=keys.tokenizer,
            sequencer=sequencer,
            random=self.random,
        )
        self.settle = Settle(
            cache=cache,
            book=machine.shelf,
            tokenizer=keys.tokenizer,
            sequencer=sequencer,
            database=database,
            random=self.random,
            freshness=Freshness(FreshnessLimits(), asyncio.get_running_loop().time),
        )

    def _keep(self, task: asyncio.Task[None]) -> None:
        """Work that must not end by itself; where it does the run fails."""

        def note(done: asyncio.Task[None]) -> None:
            if not done.cancelled() and not self._is_closing:
                loop: Any = asyncio.get_running_loop()
                loop.call_exception_handler(
                    {
                        "message": f"{done.get_name()} ended",
                        "exception": done.exception(),
                    }
                )

        task.add_done_callback(note)
        self._tasks.append(task)

    async def close(self) -> None:
        """End in good order, as SIGTERM does."""
        self._is_closing = True
        follower, run = self._tasks
        follower.cancel()
        if self.sequencer is not None:
            self.sequencer.drain()
        await asyncio.gather(follower, run, return_exceptions=True)
        await self.publisher.close()

    async def ask(
        self, work: Callable[[Worker], Coroutine[Any, Any, Answer]], goes_after: float
    ) -> Answer:
        """A request over the wire; `LostError` where no answer comes.

        `goes_after`: seconds until the client goes away, which cancels the handler.
        """
        loop = self.machine.server.loop
        if not self.is_ready:
            raise LostError
        reply: asyncio.Future[Answer] = loop.create_future()
        self._replies[reply] = None
        task = loop.spawn(self.process, self._handle(work, reply))
        try:
            async with asyncio.timeout(goes_after):
                return await reply
        except TimeoutError:
            if not self.process.is_dead:
                task.cancel()
            raise LostError from None
        finally:
            self._replies.pop(reply, None)

    async def _handle(
        self,
        work: Callable[[Worker], Coroutine[Any, Any, Answer]],
        reply: asyncio.Future[Answer],
    ) -> None:
        """A handler: whatever it raises is rendered, as the edge does."""
        answer: Answer | None = None
        refused = RequestRefused("MA-5107")
        try:
            answer = await work(self)
        except RequestRefused as refusal:
            refused = refusal
        except Exception as bug:  # noqa: BLE001  # told to the client as MA-5107
            self.machine.server.trace.append(("bug", type(bug).__name__))
        if reply.done():
            return
        if answer is None:
            reply.set_exception(refused)
        else:
            reply.set_result(answer)

    def die(self) -> None:
        """SIGKILL."""
        if self.process.is_dead:
            return
        server = self.machine.server
        server.loop.kill(self.process)
        server.buried.append(self.process)
        self.machine.folder.lose(self.process)
        server.let_go(self.process)
        for reply in list(self._replies):
            if not reply.done():
                reply.set_exception(LostError())
        self._replies.clear()


class Fleet:
    """All workers of a run, with their supervisors."""

    def __init__(
        self, server: Server, machines: list[Machine], settings: Settings, size: int
    ) -> None:
        self.server = server
        self.settings = settings
        self._machines = machines
        self._starts = 0
        self.workers = [
            self._new(number, machines[number % len(machines)])
            for number in range(size)
        ]
        self.is_closing = False
        server.on_kill = self._kill
        server.on_pause = self._pause

    def _new(self, number: int, machine: Machine) -> Worker:
        self._starts += 1
        return Worker(machine, f"worker-{number}.{self._starts}", self.settings)

    def supervise(self) -> None:
        """Start everybody, and again whoever dies."""
        for number in range(len(self.workers)):
            self.server.loop.begin(None, self._keep_alive(number))

    async def _keep_alive(self, number: int) -> None:
        while True:
            worker = self.workers[number]
            await self._start(worker)
            while not worker.process.is_dead:  # noqa: ASYNC110  # as a supervisor polls
                await asyncio.sleep(0.25)
            if self.is_closing:
                return
            await asyncio.sleep(self.server.random.choice([0.0, 0.2, 2.0]))
            self.workers[number] = self._new(number, worker.machine)

    async def _start(self, worker: Worker) -> None:
        opened = self.server.loop.spawn(worker.process, worker.open())
        while not opened.done() and not worker.process.is_dead:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        if not opened.done():
            return
        error = opened.exception()
        if isinstance(error, FatalError):
            worker.refused = str(error)
        elif isinstance(error, _START_FAULTS):
            worker.die()
        elif error is not None:
            self.server.loop.unhandled.append(f"start of a worker: {error!r}")
            worker.die()

    def _kill(self, process: Process) -> None:
        for worker in self.workers:
            if worker.process is process:
                worker.die()

    def _pause(self, process: Process, seconds: float) -> None:
        loop = self.server.loop
        loop.pause(process)
        loop.later(seconds, loop.resume, process)

    def ready(self) -> list[Worker]:
        """Who takes requests."""
        return [worker for worker in self.workers if worker.is_ready]

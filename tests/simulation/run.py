"""One seed: a world, its faults, its clients, the healing, and the verdict."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from random import Random
from time import process_time
from typing import Any

from settlement.domain.calendar import shanghai_day
from settlement.domain.decision import PolicyRef
from settlement.domain.policy import compile_pack
from settlement.service.policy_shelf import PolicyShelf
from settlement.service.sequencer import SequencerLimits
from settlement.store.policies import PackRow
from tests.settlement.house import DEMO_PACK
from tests.simulation import checker
from tests.simulation.clients import Draw, Hospitals, Operation, World
from tests.simulation.faults import Coverage, Plan
from tests.simulation.loop import SimLoop, StuckError, bury
from tests.simulation.machine import Fleet, Keys, Machine, Settings, make_keys
from tests.simulation.model import Window
from tests.simulation.registry import Record
from tests.simulation.server import Roster, Server

#: Simulated seconds after which a run that has not ended never will.
UNTIL_S = 4_000.0
#: After healing every request has a definite answer within this.
LIVENESS_S = 90.0
#: Instants at which runs begin; most are seconds before a month or a year turns.
_BEGINNINGS = (
    datetime(2025, 12, 31, 15, 59, 50, tzinfo=UTC),
    datetime(2026, 1, 31, 15, 59, 40, tzinfo=UTC),
    datetime(2026, 3, 5, 2, 0, 0, tzinfo=UTC),
)
_CATEGORIES = (
    "tekun", "guer", "dibao", "dibao", "fanpin", "dibao_bianyuan", "dishouru",
    "yinbing",
)  # fmt: skip

#: Operations of one seed, over all its clients.
_WISHES = 180

#: A change of the simulated world by which a test shows that the checker sees it.
Sabotage = Callable[[Any], None]


@dataclass
class Outcome:
    """What one seed came to."""

    seed: int
    settled: int = 0
    """Leaves in the log at the end."""
    requests: int = 0
    kept: int = 0
    """Operations that ended with a stored answer."""
    faults: int = 0
    seconds: float = 0.0
    """Of processor time."""
    digest: str = ""
    violations: list[tuple[str, str]] = field(default_factory=list)
    last_events: list[str] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Counter)


class WallClock:
    """The machines' clock: jumps, and never tells the loop."""

    def __init__(self, loop: SimLoop, begin: datetime) -> None:
        self._loop = loop
        self._begin = begin
        self.offset_s = 0.0

    def now(self) -> datetime:
        """Aware, UTC, whole milliseconds."""
        seconds = self._loop.time() + self.offset_s
        return self._begin + timedelta(milliseconds=round(seconds * 1000))


@lru_cache(maxsize=1)
def _shelf() -> PolicyShelf:
    document = DEMO_PACK.read_bytes()
    row = PackRow(
        no=1,
        id="demo-district",
        version="2000.1",
        document=document,
        sha256=sha256(document).hexdigest(),
        known_since=datetime(2000, 1, 1, tzinfo=UTC),
        active=True,
    )
    return PolicyShelf([row], sandbox=True)


@lru_cache(maxsize=1)
def _pack_ref() -> PolicyRef:
    return compile_pack(DEMO_PACK.read_bytes()).ref


@lru_cache(maxsize=1)
def _keys(*, real: bool) -> Keys:
    return make_keys(Random(7).randbytes, real=real)


class Run:
    """One simulation from its seed."""

    def __init__(
        self,
        seed: int,
        *,
        clients: int | None = None,
        wishes: int = _WISHES,
        real_crypto: bool | None = None,
    ) -> None:
        self.seed = seed
        self.random = Random(f"medaid-{seed}")
        self.loop = SimLoop(  # type: ignore[abstract]  # it has no sockets
            Random(f"loop-{seed}")
        )
        real = seed % 4 == 0 if real_crypto is None else real_crypto
        self.keys = _keys(real=real)
        self.coverage: Coverage = Counter()
        self.plan = Plan(Random(f"plan-{seed}"), self.coverage, seed)
        self.clock = WallClock(self.loop, self.random.choice(_BEGINNINGS))
        self.server = Server(
            self.loop,
            Random(f"server-{seed}"),
            self.plan,
            Roster(self.random.randbytes(16)),
            _pack_ref(),
        )
        self.cards = [f"C{number:03d}" for number in range(self.random.randint(3, 8))]
        #: Every version of the roster, for the model.
        self.rosters: dict[int, checker.KnownRoster] = {}
        machines = [
            Machine(self.server, _shelf(), self.keys)
            for _ in range(self.random.choice([1, 1, 2]))
        ]
        self.machines = machines
        settings = Settings(
            random=Random(f"worker-{seed}"),
            limits=SequencerLimits(batch=self.random.choice([3, 16, 64])),
            tombstones_per_day=self.random.choice([3, 100]),
            now=self.clock.now,
        )
        self.settings = settings
        self.fleet = Fleet(self.server, machines, settings, self.random.randint(1, 3))
        day = shanghai_day(self.clock.now())
        world = World([*self.cards, "X-unknown"], self.random.randint(2, 3), day)
        self.draw = Draw(Random(f"draw-{seed}"), world, self.plan)
        self.hospitals = Hospitals(
            self.fleet, self.draw, self.clock, Random(f"client-{seed}"), self.plan
        )
        self._clients = clients or self.random.choice([8, 24, 60])
        self._wishes = wishes // self._clients
        self.violations: list[tuple[str, str]] = []
        #: The tables before the last scene, and those of an old backup.
        self.final_rows = self._backup = self.server.tables.rows

    @property
    def operations(self) -> list[Operation]:
        """Everything that was asked."""
        return self.draw.operations

    # -- the roster ----------------------------------------------------------------

    def _first_roster(self) -> None:
        for place, card in enumerate(self.cards):
            categories = [self.random.choice(_CATEGORIES)]
            if place % 4 == 3:
                categories.append(self.random.choice(_CATEGORIES))
            self._enrol(card, sorted(set(categories)), None)

    def _enrol(self, card: str, categories: list[str], last: date | None) -> None:
        tokenizer = self.keys.tokenizer
        person = tokenizer.person(f"person-{card}")
        token = tokenizer.card("social_security_card", card)
        rows = [
            Record(
                person=person, category=category, valid_from=date(2020, 1, 1),
                valid_to=last, subdistrict="990101001", household=b"",
            )
            for category in categories
        ]  # fmt: skip
        self.server.import_roster(
            {person: rows},
            {token: person},
            datetime(2025, 12, 1, tzinfo=UTC)
            + timedelta(minutes=self.server.roster.version),
            tokenizer.digest("roster-key-check", "1"),
            list_changes=self.random.random() < 0.9,
        )
        self._note_roster()

    def _note_roster(self) -> None:
        roster = self.server.roster
        self.rosters[roster.version] = checker.KnownRoster(
            next(self.hospitals.events),
            {card.hex(): person.hex() for card, person in roster.cards.items()},
            {
                person.hex(): tuple(
                    Window(row["category"], row["valid_from"], row["valid_to"])
                    for row in rows
                )
                for person, rows in roster.windows.items()
            },
        )

    def _change_roster(self) -> None:
        """A file in the middle of everything: someone leaves, returns or changes."""
        card = self.random.choice(self.cards)
        day = shanghai_day(self.clock.now())
        last = self.random.choice([None, None, day - timedelta(1), day])
        self._enrol(card, [self.random.choice(_CATEGORIES)], last)
        in_batch = any(
            backend.transaction is not None for backend in self.server.backends.values()
        )
        self.plan.note("changed-in-batch" if in_batch else "changed", "roster")

    # -- what happens beside the clients -----------------------------------------------

    async def _world(self) -> None:
        """Roster files, clock jumps, and periods without faults."""
        random = self.random
        while True:
            self.plan.is_on = random.random() < 0.85
            await asyncio.sleep(random.uniform(0.3, 3))
            if random.random() < 0.5:
                self._change_roster()
            if random.random() < 0.15:
                jump = random.choice([-3600, -5, 7, 3600, 86_400])
                self.clock.offset_s += jump
                self.plan.note("back" if jump < 0 else "ahead", "clock")

    async def main(self) -> None:
        """Begin, disturb, heal, resolve."""
        began = self.clock.now()
        self._first_roster()
        self.fleet.supervise()
        loop = self.loop
        world = loop.spawn(None, self._world())
        clients = [
            loop.spawn(None, self.hospitals.work(self._wishes))
            for _ in range(self._clients)
        ]
        for client in clients:
            await client
        world.cancel()
        self._note_turns(began)
        await self._heal()
        await self._resolve()
        await self._repeat_some()
        self.final_rows = self.server.tables.copy()
        await self._go_back()

    def _note_turns(self, began: datetime) -> None:
        before, now = shanghai_day(began), shanghai_day(self.clock.now())
        if before.month != now.month:
            self.plan.note("month-turns", "clock")
        if before.year != now.year:
            self.plan.note("year-turns", "clock")

    async def _heal(self) -> None:
        """No more faults; everybody is alive, awake and reachable."""
        self.plan.is_on = False
        self._backup = self.server.tables.copy()
        self.server.is_up = True
        self.clock.offset_s = max(self.clock.offset_s, 0.0)
        for worker in self.fleet.workers:
            self.loop.resume(worker.process)
            if worker.sequencer is not None and worker.sequencer.stopped is not None:
                self.violations.append(
                    (
                        "D4 liveness",
                        f"stopped for no reason: {worker.sequencer.stopped}",
                    )
                )
                worker.die()
            if worker.refused is not None:
                self.violations.append(("D4 liveness", worker.refused))
        await asyncio.sleep(1.0)

    async def _resolve(self) -> None:
        """Every open request is asked again until it is definite."""
        open_ones = [o for o in self.operations if not o.is_definite]
        asking = [self.loop.spawn(None, self._resolve_one(o)) for o in open_ones]
        for asked in asking:
            await asked

    async def _resolve_one(self, operation: Operation) -> None:
        give_up, pause = self.loop.time() + LIVENESS_S, 0.2
        while not operation.is_definite:
            if self.loop.time() > give_up:
                last = operation.attempts[-1].refusal
                self.violations.append(
                    ("D4 liveness", f"{operation.kind} {operation.key}: still {last}")
                )
                return
            await self.hospitals.ask(operation, 10.0, 30.0)
            if not operation.is_definite:
                await asyncio.sleep(pause)
                pause = min(pause * 2, 10.0)

    async def _repeat_some(self) -> None:
        """Answers stay what they were."""
        told = [o for o in self.operations if o.body is not None]
        for operation in self.random.sample(told, len(told) // 8):
            await self.hospitals.ask(operation, 10.0, 30.0)

    async def _go_back(self) -> None:
        """An old backup is restored: settlement must stop, in every worker.

        Only where the mark knows more than the backup; what nobody has seen since
        nobody can miss.
        """
        await asyncio.sleep(0.3)
        size = self._backup["log_head"][True].size
        seen = [machine.mark.seen for machine in self.machines]
        if any(mark is None or mark[0] <= size for mark in seen):
            return
        self.plan.note("goes-back", "database")
        self.server.crash()
        self.server.tables.restore(self._backup)
        self.fleet.workers[0].die()
        await asyncio.sleep(10.0)
        before = len(self.operations)
        asking = [
            self.hospitals.ask(self.draw.next(), 10.0, 30.0, worker=worker)
            for worker in self.fleet.workers * 3
        ]
        for attempt in await asyncio.gather(*asking):
            if attempt.answer is not None:
                self.violations.append(("T3 went back", "settled on an old backup"))
        del self.operations[before:]
        for worker in self.fleet.workers:
            stopped = worker.sequencer and worker.sequencer.stopped
            if worker.refused is None and not stopped:
                self.violations.append(
                    ("T3 went back", f"{worker.process.name} serves")
                )

    # -- from outside ------------------------------------------------------------------

    def go(self, sabotage: Sabotage = lambda _run: None) -> Outcome:
        """Run to the end and judge."""
        began = process_time()
        sabotage(self)
        with _our_logs(self.server):
            try:
                self.loop.run(self.main(), until=UNTIL_S)
            except StuckError as stuck:
                self.violations.append(("D4 liveness", str(stuck)))
            else:
                self.violations += checker.judge(self)
            finally:
                self._bury()
        self.violations += [("crash", told) for told in self.loop.unhandled]
        return self._outcome(process_time() - began)

    def _bury(self) -> None:
        for process in self.server.buried:
            bury(process)
        bury(self.server.process)
        for worker in self.fleet.workers:
            bury(worker.process)
        bury(self.loop.world)

    def _outcome(self, seconds: float) -> Outcome:
        trace = self.server.trace
        told = hashed(trace)
        return Outcome(
            seed=self.seed,
            settled=len(self.final_rows["log_leaf"]),
            requests=sum(len(o.attempts) for o in self.operations),
            kept=sum(o.body is not None for o in self.operations),
            faults=self.plan.struck,
            seconds=seconds,
            digest=told,
            violations=self.violations,
            last_events=[" ".join(map(str, event)) for event in trace[-40:]],
            coverage=self.coverage,
        )


def hashed(trace: list[tuple[Any, ...]]) -> str:
    """One value for everything that happened, in order."""
    digest = sha256()
    for event in trace:
        digest.update(repr(event).encode())
    return digest.hexdigest()


class _Told(logging.Handler):
    """The product's log, as part of the trace."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server

    def emit(self, record: logging.LogRecord) -> None:
        now = round(self._server.loop.time(), 6)
        self._server.trace.append((now, "log", record.levelname, record.getMessage()))


@contextmanager
def _our_logs(server: Server) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("settlement", "eligibility_cache")]
    told = _Told(server)
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(told)
        logger.propagate = False
        # Of its own: what another test made of the root logger must not show.
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(told)
            logger.propagate = True
            logger.setLevel(level)


def run_seed(seed: int, sabotage: Sabotage = lambda _run: None) -> Outcome:
    """One seed, judged."""
    return Run(seed).go(sabotage)

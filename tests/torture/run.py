"""One run: load, kills and faults in rounds; after each round everything is checked."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import aiohttp

from settlement.store.database import Database
from tests.acceptance.desk import Answer
from tests.torture import checker
from tests.torture.checker import Findings, LogView
from tests.torture.fault import Fault
from tests.torture.house_faults import HouseFaults, Visitor
from tests.torture.kills import Killer
from tests.torture.museum import Museum
from tests.torture.network_faults import Cutter
from tests.torture.points import POINTS, check_points
from tests.torture.server_faults import INTERRUPTIONS
from tests.torture.stage import WITHIN_S, Impossible, Stage, open_stage, until_true
from tests.torture.standby import OldServers, StandbyFaults
from tests.torture.table import (
    house_table,
    museum_table,
    network_table,
    server_table,
    standby_table,
)
from tests.torture.terminals import Hospital, Intent, Journal, Terminal, make_terminals

HOSPITALS = ("T1", "T2", "T3", "T4")
VISITOR, CUTTER = "VISIT", "CUT"
_TERMINALS = 8
#: Of definite answers asked for again over HTTP after a round.
_REPEATED = 60
_BUSY = 500
_NO_ANSWER = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long, how much, and from which seed."""

    seed: int
    minutes: float
    kills: int
    """Go on until so many were shot; the minutes are a limit then."""
    repeats: int
    """How often each fault is made."""
    round_s: float
    only: frozenset[str] = frozenset()
    """Numbers of the fault matrix; empty: all."""
    deaths: int = 0
    """How many are to die at each crash point, beyond what the kills make."""
    pause_s: float = 0.12
    """Of each client, between two intents, on the average."""
    sweep_step: int = 50
    """Every so many offsets of an answer are cut at."""
    names: frozenset[str] = frozenset()
    """Names of faults; empty: all."""


@dataclass(slots=True)
class Run:
    """The lanes of one run and what they have come to."""

    plan: Plan
    stage: Stage
    journal: Journal
    terminals: list[Terminal]
    cutter: Cutter
    visitor: Visitor
    faults: list[Fault]
    say: Callable[[str], None]
    rng: random.Random
    killer: Killer
    log: LogView
    began: float = field(default_factory=time.monotonic)
    harness_errors: list[str] = field(default_factory=list)
    needs: dict[str, int] = field(default_factory=dict)
    """How often each fault is to be made, by its name."""
    rounds: int = 0
    postgres: str = ""
    """The server's version."""
    points: list[int] = field(default_factory=list)
    """How many have died at each crash point."""
    took: dict[str, float] = field(default_factory=dict)
    """Seconds that making the faults took, by name."""
    healed_in: dict[str, float] = field(default_factory=dict)
    """Seconds until every client had an answer, by name of the fault."""
    _told: int = 0
    _in_company: bool = False
    _given_up: bool = False
    """Whether clients were left without an answer: nothing further is to be seen."""
    _checked: int = 0

    @property
    def intents(self) -> list[Intent]:
        """Everything that anybody ever wanted."""
        noted = [note for one in self.terminals for note in one.notes]
        mine = [note for note in noted if isinstance(note, Intent)]
        return mine + self.cutter.intents + self.visitor.intents

    @property
    def is_over(self) -> bool:
        """Whether all was done that was planned, or the time is up."""
        if time.monotonic() - self.began > self.plan.minutes * 60 or self._given_up:
            return True
        return not self.wanting()

    def wanting(self) -> list[str]:
        """What was not done as often as planned; what cannot be done does not count."""
        tally = self.stage.tally
        names = [
            fault.name
            for fault in self.faults
            if fault.name not in tally.impossible and self._is_wanting(fault)
        ]
        if tally.kills < self.plan.kills:
            names.append("kills")
        return names + [f"deaths at: {name}" for name in self._spared()]

    def _is_half_swept(self, fault: Fault) -> bool:
        """Whether offsets are left at which nothing was cut yet."""
        kind = self.cutter.kind_of(fault.inject)
        return kind is not None and self.cutter.left(kind) > 0

    def _spared(self) -> list[str]:
        """Crash points at which too few have died."""
        control, deaths = self.stage.control, self.plan.deaths
        return [p.name for n, p in enumerate(POINTS) if control.fired(n) < deaths]

    async def guarded_go(self) -> None:
        """A run that breaks is told of with all that it has come to until then."""
        for step in (self.go, self.finish):
            try:
                await step()
            except Exception:  # noqa: BLE001  # told, counted, and the run has failed
                self._harness_error(step.__name__)

    async def go(self) -> None:
        """Round after round until it is over."""
        await self.stage.start_gateway()
        while not self.is_over:
            await self.round()

    async def round(self) -> None:
        """Load and faults for a while; then heal, wait for every answer, check."""
        stop = asyncio.Event()
        self.rounds += 1
        ends = time.monotonic() + self.plan.round_s
        working = [asyncio.create_task(one.work(stop)) for one in self.terminals]
        lanes = [
            asyncio.create_task(self._kill_until(ends)),
            asyncio.create_task(self._inject_until(ends)),
        ]
        try:
            await asyncio.gather(*lanes)
            await self._heal()
            await self._alive("after the round")
        finally:
            stop.set()
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)
            _, late = await asyncio.wait(working, timeout=2 * WITHIN_S)
            for task in late:
                task.cancel()
            ended = await asyncio.gather(*working, return_exceptions=True)
        if late:
            self.stage.tally.violated("the round's end", f"{len(late)} never answered")
            self._given_up = True
        for fault in ended:
            if isinstance(fault, Exception):
                raise fault
        await self._check()
        self.progress()

    async def _kill_until(self, ends: float) -> None:
        while time.monotonic() < ends and not self.is_over:
            if not self._may_kill():
                await asyncio.sleep(0.2)
                continue
            async with self.stage.peace:
                await self._guarded("a kill", self.killer.kill())

    def _may_kill(self) -> bool:
        """Kills accompany all faults: they are spread over them, not done first."""
        tally, plan = self.stage.tally, self.plan
        needs = self.needs
        made = sum(min(tally.injected[name], need) for name, need in needs.items())
        planned = sum(needs.values())
        share = 1.0 if planned == 0 else min(1.0, (made + 3) / planned)
        if share == 1.0 and self._spared():
            return True
        return tally.kills < max(plan.kills, plan.deaths * len(POINTS)) * share

    async def _inject_until(self, ends: float) -> None:
        while time.monotonic() < ends and not self.is_over:
            fault = self._draw()
            if fault is None:
                await asyncio.sleep(0.2)
                continue
            await self._inject(fault)
            self.progress()

    def _draw(self, *, in_company: bool = False) -> Fault | None:
        """One of the faults that were made least often."""
        counted = self.stage.tally.injected
        possible = [
            fault
            for fault in self.faults
            if fault.name not in self.stage.tally.impossible
            and not (in_company and (fault.alone or fault.apart))
        ]
        wanting = [fault for fault in possible if self._is_wanting(fault)]
        if not wanting:
            return self.rng.choice(possible) if possible else None
        # By share, so that what is to be made often is not left for the end.
        share = {f.name: counted[f.name] / self.needs[f.name] for f in wanting}
        fewest = min(share.values())
        return self.rng.choice([f for f in wanting if share[f.name] <= fewest])

    def _is_wanting(self, fault: Fault) -> bool:
        """Whether it was not made as often as planned."""
        made = self.stage.tally.injected[fault.name]
        return made < self.needs[fault.name] or self._is_half_swept(fault)

    async def _inject(self, fault: Fault) -> None:
        """One fault, sometimes a second one while the first is recovered from."""
        self._in_company = False
        if fault.alone:
            async with self.stage.peace:
                await self._make(fault)
        else:
            pairs = not fault.apart and self.rng.random() < 0.5
            second = self._draw(in_company=True) if pairs else None
            makings = [self._make(fault)]
            if second is not None and second is not fault:
                self.stage.tally.noted["faults during recovery from faults"] += 1
                makings.append(self._make(second, self.rng.random() * 0.5))
            self._in_company = len(makings) > 1
            await asyncio.gather(*makings)
        await self._guarded("healing", self._heal())
        await self._alive(fault.name)

    async def _make(self, fault: Fault, later_s: float = 0.0) -> None:
        await asyncio.sleep(later_s)
        tally = self.stage.tally
        began = time.monotonic()
        try:
            await fault.inject(self.stage, self.rng)
            self.took[fault.name] = self.took.get(fault.name, 0.0) + (
                time.monotonic() - began
            )
        except Impossible as why:
            tally.impossible[fault.name] = str(why)
        except INTERRUPTIONS as gone:
            if not self._in_company:
                self._harness_error(fault.name)
            self._cut_short(gone)
        except Exception:  # noqa: BLE001  # told, counted, and the run has failed
            self._harness_error(fault.name)
            tally.injected[fault.name] += 1
        else:
            tally.injected[fault.name] += 1

    async def _guarded(self, what: str, work: object) -> None:
        try:
            await work  # type: ignore[misc]  # an awaitable
        except INTERRUPTIONS as gone:
            self._cut_short(gone)
        except Exception:  # noqa: BLE001  # told, counted, and the run has failed
            self._harness_error(what)
            with contextlib.suppress(Exception):
                await self._heal()

    def _cut_short(self, gone: Exception) -> None:
        name = type(gone).__name__
        self.stage.tally.noted[f"cut short by another fault ({name})"] += 1

    def _harness_error(self, what: str) -> None:
        self.harness_errors.append(f"{what}: {traceback.format_exc(limit=-4)}")
        self.say(f"HARNESS ERROR in {what}\n{traceback.format_exc()}")

    async def _heal(self) -> None:
        await self.stage.heal()

    async def _alive(self, after: str) -> None:
        """Every client gets a definite answer to something new."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(WITHIN_S):
                await asyncio.gather(*(t.has_news() for t in self.terminals))
        except TimeoutError:
            self.stage.tally.violated(after, f"no answer within {WITHIN_S:.0f} s")
        seconds = time.monotonic() - began
        self.stage.tally.slowest_s = max(self.stage.tally.slowest_s, seconds)
        self.healed_in[after] = self.healed_in.get(after, 0.0) + seconds

    async def _check(self, *, whole: bool = False) -> None:
        """The notes, the database and the log agree; at the end the books too."""
        findings = Findings()
        await until_true(self._is_ready, "the gateway is ready")
        await self.visitor.settle_all()
        intents = self.intents
        await self._repeat_some(intents, findings)
        self.log.take(intents, findings)
        size = await self._shown_size()
        self.log.grow(size, findings)
        dsn = self.stage.sandbox.server.dsn
        database = await Database.open(dsn, max_size=2)
        try:
            await checker.check_notes(database, intents, findings)
            if whole:
                trust, key = self.stage.sandbox.trust, self.stage.sandbox.opening_key
                await checker.check_model(database, trust, key, findings)
        finally:
            await database.close()
        if whole:
            folder = self.stage.sandbox.data_dir
            await checker.check_by_command(folder, intents, findings)
        for terminal in self.terminals:
            findings.told += terminal.faults
            terminal.faults.clear()
        for finding in findings.told:
            self.stage.tally.violated(f"round {self.rounds}", finding)
            self.say(f"VIOLATION in round {self.rounds}: {finding}")

    async def _repeat_some(self, intents: Sequence[Intent], findings: Findings) -> None:
        """Ask again over HTTP: the same bytes, marked as a replay."""
        by_code = {t.hospital.code: t for t in self.terminals}
        mine = [i for i in intents[-4_000:] if i.facility in by_code]
        for intent in self.rng.sample(mine, min(_REPEATED, len(mine))):
            terminal = by_code[intent.facility]
            again = await _told(lambda t=terminal, i=intent: t.send(i))  # type: ignore[misc]  # bound now
            if again.status != 201:
                findings.add(f"a replay is answered {again.status}:", intent.key)
            elif intent.answer is None or again.body != intent.answer.body:
                findings.add("a replay has other bytes:", intent.key)
            elif not again.replayed:
                findings.add("a replay is not marked as one:", intent.key)

    async def _shown_size(self) -> int:
        desk = self.terminals[0].desk
        answer = await _told(lambda: desk.raw("GET", "/v1/log/checkpoint"))
        return self.log.saw(answer.body.decode())

    async def finish(self) -> None:
        """Everything, once more, over all that ever was."""
        await self._heal()
        await until_true(self._is_ready, "the gateway is ready")
        await self._check(whole=True)
        for terminal in self.terminals:
            self.stage.tally.injected.update(terminal.counts)
        self.points = [self.stage.control.fired(n) for n in range(len(POINTS))]
        row = (await self.stage.sql("SHOW server_version"))[0]
        self.postgres = f"PostgreSQL {row['server_version']}"

    async def _is_ready(self) -> bool:
        with contextlib.suppress(*_NO_ANSWER):
            return (await self.terminals[0].desk.raw("GET", "/readyz")).status == 200
        return False

    def progress(self) -> None:
        """Say now and then how it stands."""
        seconds = int(time.monotonic() - self.began)
        if seconds - self._told < 5:
            return
        self._told = seconds
        tally = self.stage.tally
        made = sum(tally.injected[fault.name] for fault in self.faults)
        settled = sum(i.answer is not None for i in self.intents)
        self.say(
            f"{seconds // 60:02d}:{seconds % 60:02d}  faults {made}"
            f"  kills {tally.kills}  answers {settled}"
            f"  violations {len(tally.violations)}"
            f"  harness errors {len(self.harness_errors)}"
        )


def needs_of(faults: Sequence[Fault], repeats: int) -> dict[str, int]:
    """So often that each number of the matrix comes to `repeats`.

    Several kinds of one number share them, each with a third at least.
    """
    kinds = Counter(number for fault in faults for number in fault.numbers)
    least = -(-repeats // 3)
    return {
        fault.name: max(least, *(-(-repeats // kinds[n]) for n in fault.numbers))
        for fault in faults
    }


async def _told(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """What is answered once nobody is being replaced any more."""
    ends = time.monotonic() + WITHIN_S
    while True:
        try:
            answer = await ask()
        except _NO_ANSWER:
            if time.monotonic() > ends:
                raise
        else:
            if answer.status < _BUSY or time.monotonic() > ends:
                return answer
        await asyncio.sleep(0.1)


def _faults_of(plan: Plan, visitor: Visitor, cutter: Cutter) -> list[Fault]:
    table = server_table() + network_table(cutter) + house_table(HouseFaults(visitor))
    table += standby_table(StandbyFaults(visitor), OldServers(visitor))
    table += museum_table(Museum())
    return [
        fault
        for fault in table
        if (not plan.only or plan.only & set(fault.numbers))
        and (not plan.names or fault.name in plan.names)
    ]


async def run(plan: Plan, say: Callable[[str], None]) -> Run:
    """A whole run, checked at its end; what it found stands in what it returns."""
    check_points()
    async with open_stage(plan.seed, [*HOSPITALS, VISITOR, CUTTER]) as stage:
        rng = random.Random(plan.seed)
        journal = Journal(stage.folder / "journal.jsonl")
        hospitals = [Hospital(code) for code in HOSPITALS]
        seats = [hospitals[n % len(hospitals)] for n in range(_TERMINALS)]
        desks = [
            stage.desk(seat.code, operator=f"w-{n}") for n, seat in enumerate(seats)
        ]
        visitor = Visitor(stage, VISITOR, journal)
        cutter = Cutter(stage, CUTTER, journal, plan.sweep_step)
        made = Run(
            plan=plan,
            stage=stage,
            journal=journal,
            terminals=make_terminals(desks, seats, rng, journal),
            cutter=cutter,
            visitor=visitor,
            faults=_faults_of(plan, visitor, cutter),
            say=say,
            rng=rng,
            killer=Killer(stage, rng),
            log=LogView(stage.sandbox.trust),
        )
        for terminal in made.terminals:
            terminal.pause_s = plan.pause_s
        made.needs = needs_of(made.faults, plan.repeats)
        await made.guarded_go()
        journal.close()
        return made

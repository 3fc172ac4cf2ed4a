"""SIGKILL: at a named step, at a random instant, one process or the gateway whole."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable

import aiohttp

from tests.acceptance.gateway_process import PROJECT, environment
from tests.torture import points
from tests.torture.points import INDEX, POINTS, Point
from tests.torture.proxy import to_port
from tests.torture.server_faults import INTERRUPTIONS
from tests.torture.stage import ARMED, WORKERS, Stage, until, until_true

#: A point that load does not reach within this time is armed again later.
_REACHED_WITHIN_S = 4.0
_PROVOKED_EVERY_S = 0.4
#: A worker that is to be shot while it starts must be let start.
_STARTED_WITHIN_S = 10.0
_NOT_AGAIN_FOR = 20
Provoke = Callable[[Stage], Awaitable[None]]


async def shoot_at_point(stage: Stage, rng: random.Random, point: Point) -> bool:
    """Have a process die at the point; whether one did."""
    if point.trigger == points.BY_MIGRATION:
        return await _shoot_init(stage, point)
    number = INDEX[point.name]
    before = stage.control.fired(number)
    stage.control.arm(number, rng.randint(1, 3) if _is_frequent(point) else 1)
    try:
        fired = await _provoke_until_shot(stage, point, before)
    finally:
        stage.control.disarm()
    shots = stage.control.fired(number) - before
    stage.tally.kills += shots
    return fired


def _is_frequent(point: Point) -> bool:
    return point.trigger == points.BY_LOAD


async def _provoke_until_shot(stage: Stage, point: Point, before: int) -> bool:
    number, loop = INDEX[point.name], asyncio.get_running_loop()
    is_slow = point.trigger in (points.BY_START, points.BY_DRAIN)
    ends = loop.time() + (_STARTED_WITHIN_S if is_slow else _REACHED_WITHIN_S)
    every_s = _STARTED_WITHIN_S / 2 if is_slow else _PROVOKED_EVERY_S
    provoke = _PROVOKING.get(point.trigger)
    next_time = loop.time()
    while stage.control.fired(number) == before:
        if loop.time() > ends:
            return False
        if provoke is not None and loop.time() >= next_time:
            next_time = loop.time() + every_s
            with contextlib.suppress(*INTERRUPTIONS):
                await provoke(stage)
        await asyncio.sleep(0.01)
    return True


async def _lose_commits(stage: Stage) -> None:
    """Lose the answers to COMMITs: slow ways, all of them reset at once."""
    stage.back.toxics.latency_s = 0.02
    await asyncio.sleep(_PROVOKED_EVERY_S / 2)
    stage.back.toxics.latency_s = 0.0
    stage.back.reset_all()


async def _new_lines(stage: Stage) -> None:
    """Make every worker open its line anew."""
    stage.back.reset_all()


async def _change_roster(stage: Stage) -> None:
    """A new version in which nothing but its number has changed."""
    await stage.sql(_NEW_VERSION)


async def _rebuild_cache(stage: Stage) -> None:
    """A new version whose changes are not listed: the cache is built anew."""
    await stage.sql(_NEW_VERSION)
    await stage.sql("UPDATE roster_head SET scan_floor = last_change")
    await stage.sql("NOTIFY roster_change")


async def _new_worker(stage: Stage) -> None:
    """A worker dies, so that another starts."""
    await shoot_workers(stage, 1)


async def _sign_in(stage: Stage) -> None:
    """Somebody opens a session; whoever dies meanwhile does not answer."""
    with contextlib.suppress(aiohttp.ClientError, TimeoutError, AssertionError):
        await stage.desk(next(iter(stage.sandbox.keys))).sign_in()


async def _drain_worker(stage: Stage) -> None:
    """A worker is told to end, as at a shutdown; another starts."""
    for pid in stage.gateway.worker_pids()[:1]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


_NEW_VERSION = (
    "WITH head AS (UPDATE roster_head SET version = version + 1,"
    " last_change = last_change + 1 RETURNING version, last_change),"
    " told AS (SELECT pg_notify('roster_change', ''))"
    " INSERT INTO roster_change SELECT last_change, w.person, head.version"
    " FROM head, told, (SELECT person FROM roster_window LIMIT 1) w"
)
_PROVOKING: dict[str, Provoke] = {
    points.BY_LOST_COMMIT: _lose_commits,
    points.BY_NEW_LINE: _new_lines,
    points.BY_ROSTER: _change_roster,
    points.BY_REBUILD: _rebuild_cache,
    points.BY_START: _new_worker,
    points.BY_DRAIN: _drain_worker,
    points.BY_SIGN_IN: _sign_in,
}


async def _shoot_init(stage: Stage, point: Point) -> bool:
    """`medaid init` dies in an empty database; the next one makes it whole."""
    name = "half_made"
    connection = await stage.admin_soon("postgres")
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {name}")
        number = INDEX[point.name]
        before = stage.control.fired(number)
        # The schema is looked at once; of migrations there are several.
        is_each = point.target.endswith("__aexit__")
        stage.control.arm(number, stage.rng.randint(1, 3) if is_each else 1)
        await asyncio.to_thread(_init, stage, name, ARMED)
        fired = stage.control.fired(number) > before
        stage.control.disarm()
        stage.tally.kills += fired
        await until_true(
            lambda: _made_whole(stage, name), "init makes a half-made database whole"
        )
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        stage.control.disarm()
        await connection.close()
    return fired


async def _made_whole(stage: Stage, database: str) -> bool:
    """Whether `medaid init` succeeds; PostgreSQL may be away for a moment."""
    return await asyncio.to_thread(_init, stage, database, "gateway.cli.main") == 0


def _init(stage: Stage, database: str, program: str) -> int:
    command = [sys.executable, "-m", program, "init", "--sandbox"]
    command += ["--data-dir", str(stage.sandbox.data_dir)]
    command += ["--dsn", stage.sandbox.server.dsn_of(database)]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        timeout=60,
        cwd=PROJECT,
        env=environment(),
    )
    return done.returncode


async def shoot_workers(stage: Stage, how_many: int) -> int:
    """SIGKILL some workers at this instant; how many died."""
    shot = 0
    pids = stage.gateway.worker_pids()
    for pid in stage.rng.sample(pids, min(how_many, len(pids))):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            shot += 1
    stage.tally.kills += shot
    return shot


async def shoot_gateway(stage: Stage) -> None:
    """SIGKILL supervisor and workers as one, sometimes again while it starts."""
    async with stage.changing:
        await asyncio.to_thread(stage.gateway.kill)
        stage.tally.kills += 1
        if stage.rng.random() < 0.3:
            stage.gateway.launch()
            await asyncio.sleep(stage.rng.uniform(0.1, 1.2))
            if stage.gateway.is_alive():
                await asyncio.to_thread(stage.gateway.kill)
                stage.tally.kills += 1
            else:
                stage.note_ended()
        await stage.start_gateway()


async def all_workers_back(stage: Stage) -> None:
    """Wait until others are in the place of the dead, and somebody answers."""
    await until(
        lambda: len(stage.gateway.worker_pids()) >= WORKERS, "a worker is replaced"
    )
    port = int(stage.gateway.url.rpartition(":")[2])
    await until_true(lambda: _listens(port), "a worker answers")


async def _listens(port: int) -> bool:
    try:
        _, writer = await to_port(port)()
    except OSError:
        return False
    writer.transport.abort()
    return True


class Killer:
    """Draws who dies next, so that every point gets its share."""

    def __init__(self, stage: Stage, rng: random.Random) -> None:
        """Nobody has died yet."""
        self._stage = stage
        self._rng = rng
        #: Points that were not reached, and for how many draws they rest.
        self.unreached: dict[str, int] = {}

    def least_shot(self, skip: set[str]) -> Point:
        """One of the points where the fewest have died."""
        control = self._stage.control
        open_points = [point for point in POINTS if point.name not in skip]
        fewest = min(control.fired(INDEX[point.name]) for point in open_points)
        return self._rng.choice(
            [p for p in open_points if control.fired(INDEX[p.name]) <= fewest + 1]
        )

    async def kill(self) -> None:
        """One draw: a point mostly, else a random instant."""
        choice = self._rng.random()
        for name in self.unreached:
            self.unreached[name] -= 1
        await asyncio.sleep(self._rng.random() * 0.1)
        if choice < 0.85:
            # Not again at once: something else may be in the way just now.
            hopeless = {name for name, left in self.unreached.items() if left > 0}
            point = self.least_shot(hopeless)
            if await shoot_at_point(self._stage, self._rng, point):
                self._stage.tally.injected["SIGKILL at a named step"] += 1
            else:
                self.unreached[point.name] = _NOT_AGAIN_FOR
        elif choice < 0.96:
            shot = await shoot_workers(self._stage, self._rng.randint(1, 2))
            self._stage.tally.injected["SIGKILL at a random instant"] += shot
        else:
            await shoot_gateway(self._stage)
            self._stage.tally.injected["SIGKILL of the whole gateway"] += 1
        await all_workers_back(self._stage)

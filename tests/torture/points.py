"""The crash points: before, during or after which call a process is shot.

Wrapped from outside by name, so that nothing of it is in the product. A name that
leads nowhere any more stops the run at its start.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import inspect
import os
import signal
import types
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from tests.torture.control import Control

#: What makes a point's call happen, where ordinary load does not.
BY_LOAD, BY_LOST_COMMIT, BY_ROSTER, BY_REBUILD = "load", "commit", "roster", "rebuild"
BY_MIGRATION, BY_NEW_LINE, BY_START, BY_DRAIN = "migration", "line", "start", "drain"
BY_SIGN_IN = "sign-in"
_DURING_TURNS = 4


@dataclass(frozen=True, slots=True)
class Point:
    """One place to die at."""

    name: str
    target: str
    """`module:attribute.attribute` as the caller finds it."""
    when: str = "after"
    """`before`, `after`, or `commit`: while COMMIT is on its way."""
    trigger: str = BY_LOAD


_SEQUENCER = "settlement.service.sequencer:"
_BATCH = "settlement.service.batch:Batch."
_LEDGER = "settlement.store.ledger:Ledger."
_SETTLING = "settlement.service.settling:Settling."
_REVERSING = "settlement.service.reversing:Reversing."
_MARK = "gateway.mark_file:"

POINTS: tuple[Point, ...] = (
    Point("body read", "gateway.handlers.desk:json_body"),
    Point("bill parsed", "gateway.handlers.desk:parse_bill"),
    Point("reversal parsed", "gateway.handlers.desk:parse_reversal"),
    Point(
        "session opened",
        "settlement.store.access:AccessStore.open_session",
        "after",
        BY_SIGN_IN,
    ),
    Point("joined the pool", _SEQUENCER + "Sequencer._join"),
    Point("batch taken", _SEQUENCER + "Sequencer._take"),
    Point("before BEGIN", _SEQUENCER + "Sequencer._attempt", "before"),
    Point("after BEGIN", _BATCH + "run", "before"),
    Point("settle keys claimed", _LEDGER + "claim_settle_keys"),
    Point("reversal keys claimed", _LEDGER + "claim_reversal_keys"),
    Point("late original claimed", _LEDGER + "claim_late"),
    Point("known keys read", _LEDGER + "stored_settlements"),
    Point("persons refreshed", _SETTLING + "refresh_persons"),
    Point("visits claimed", _LEDGER + "claim_visits"),
    Point("originals locked", _LEDGER + "lock_originals"),
    Point("accumulators locked", _LEDGER + "lock_accumulators"),
    Point("taken back", _REVERSING + "undo"),
    Point("adjudicated", _SETTLING + "adjudicate"),
    Point("sealed", "crypto.sealer:BatchSealer.seal"),
    Point("head locked", _LEDGER + "lock_head"),
    Point("tree extended", "settlement.service.logbook:Logbook.extend"),
    Point("posted", _LEDGER + "post"),
    Point("reversals posted", _LEDGER + "post_reversals"),
    Point("before COMMIT", "settlement.store.transaction:_commit", "before"),
    Point("COMMIT sent", "asyncpg.connection:Connection.execute", "commit"),
    Point("after COMMIT", "settlement.store.transaction:_commit"),
    Point("before the answer", _SEQUENCER + "Sequencer._answer", "before"),
    Point(
        "before publishing", "settlement.service.publish:Publisher.publish", "before"
    ),
    Point("published", "settlement.service.publish:Publisher.publish"),
    Point("answer not written", "gateway.direct:DirectResponse.write_eof", "before"),
    Point("answer written", "gateway.direct:DirectResponse.write_eof"),
    Point("before the mark", _MARK + "CheckpointMark.save", "before"),
    Point("mark not flushed", _MARK + "os.fsync", "before"),
    Point("mark not in place", _MARK + "os.fsync"),
    Point("mark not lasting", _MARK + "_sync_folder", "before"),
    Point("mark saved", _MARK + "CheckpointMark.save"),
    Point(
        "before resolving",
        "settlement.store.line:Line.resolve",
        "before",
        BY_LOST_COMMIT,
    ),
    Point("resolved", "settlement.store.line:Line.resolve", "after", BY_LOST_COMMIT),
    Point("line opened", "settlement.store.line:Line._open", "after", BY_NEW_LINE),
    Point(
        "log checked", "settlement.service.publish:Publisher.check", "after", BY_START
    ),
    Point("months made", "settlement.store.months:Months.ensure", "after", BY_START),
    Point(
        "before the cache's batch",
        "eligibility_cache.store:EligibilityCache.apply",
        "before",
        BY_ROSTER,
    ),
    Point(
        "cache's batch written",
        "eligibility_cache.store:EligibilityCache.apply",
        "after",
        BY_ROSTER,
    ),
    Point(
        "cache built, not in force",
        "eligibility_cache.environment:CacheFolder.put_in_force",
        "before",
        BY_REBUILD,
    ),
    Point(
        "cache in force",
        "eligibility_cache.environment:CacheFolder.put_in_force",
        "after",
        BY_REBUILD,
    ),
    Point(
        "before the schema",
        "settlement.store.migrate:_apply_missing",
        "before",
        BY_MIGRATION,
    ),
    Point(
        "migration half applied",
        "asyncpg.transaction:Transaction.__aexit__",
        "before",
        BY_MIGRATION,
    ),
    Point("draining", "gateway.edge:Edge.settled", "before", BY_DRAIN),
)
INDEX = {point.name: number for number, point in enumerate(POINTS)}


class PointMissingError(Exception):
    """A crash point names a step that the program no longer has."""


def check_points() -> None:
    """Raise `PointMissingError` with every name that leads nowhere."""
    missing = []
    for point in POINTS:
        try:
            _find(point.target)
        except (ImportError, AttributeError):
            missing.append(f"{point.name}: {point.target}")
    if missing:
        raise PointMissingError("no such steps any more: " + "; ".join(missing))


def arm_points(control: Control) -> None:
    """Wrap every step of this process; nothing happens until one is armed."""
    check_points()
    for number, point in enumerate(POINTS):
        owner, name = _find(point.target)
        trap = functools.partial(_die_if_armed, control, number)
        wrapped = _wrapped(inspect.getattr_static(owner, name), point.when, trap)
        setattr(owner, name, wrapped)


def _find(target: str) -> tuple[Any, str]:
    """Who holds the step, and under which name.

    A module that the named one merely uses is copied first: `os.fsync` of one
    module, not of all.
    """
    module_name, _, path = target.partition(":")
    owner: Any = importlib.import_module(module_name)
    *steps, name = path.split(".")
    for step in steps:
        found = getattr(owner, step)
        if isinstance(found, types.ModuleType) and not hasattr(found, "_is_copy"):
            copy = types.ModuleType(found.__name__)
            copy.__dict__.update(found.__dict__, _is_copy=True)
            setattr(owner, step, copy)
            found = copy
        owner = found
    if not callable(getattr(owner, name)):
        raise AttributeError(target)  # noqa: TRY004  # a name, not a value, is wrong
    return owner, name


def _wrapped(step: Any, when: str, trap: Callable[[], None]) -> Any:
    if when == "commit":
        return _around_commit(step, trap)
    before = trap if when == "before" else _nothing
    after = trap if when == "after" else _nothing

    @functools.wraps(step)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        before()
        made = await step(*args, **kwargs)
        after()
        return made

    @functools.wraps(step)
    def called(*args: Any, **kwargs: Any) -> Any:
        before()
        made = step(*args, **kwargs)
        after()
        return made

    return awaited if inspect.iscoroutinefunction(step) else called


def _nothing() -> None:
    """No trap on this side of the step."""


def _around_commit(execute: Any, trap: Callable[[], None]) -> Any:
    """Shoot when COMMIT has gone out and its answer has not been looked at."""

    @functools.wraps(execute)
    async def committing(self: Any, query: str, *args: Any, **kwargs: Any) -> Any:
        if query != "COMMIT":
            return await execute(self, query, *args, **kwargs)
        async with _beside(execute(self, query, *args, **kwargs)) as sent:
            for _ in range(_DURING_TURNS):
                await asyncio.sleep(0)
            trap()
            return await sent

    return committing


@contextlib.asynccontextmanager
async def _beside(work: Any) -> AsyncIterator[asyncio.Task[Any]]:
    """Run it as a task that is never left behind."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        if not task.done():
            await asyncio.wait([task])


def _die_if_armed(control: Control, number: int) -> None:
    if control.count_down(number):
        os.kill(os.getpid(), signal.SIGKILL)

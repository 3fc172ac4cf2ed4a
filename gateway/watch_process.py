"""The watch as a process of its own: `python -m gateway.watch_process`.

Detectors never share a processor's turn with a request: the process has a lower
priority, and one on each machine is enough. Webhooks are told from here, too, by the
one process of all machines that holds the lock. It is told what to do as a worker is,
and ends as a worker does.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from gateway.alert_events import webhook_body
from gateway.background import running_beside
from gateway.child import FAILED, READY, Child, spawn
from gateway.collector import spare_the_collector
from gateway.config import ServeSettings
from gateway.crash_dumps import forbid_crash_dumps
from gateway.endings import (
    FORESEEN,
    MAY_PASS,
    sentence_of,
    status_of,
)
from gateway.keyfiles import load_party_secret_key
from gateway.last_words import sentence_of_bug, speak_without_traceback
from gateway.location import open_database
from gateway.logs import configure_logs
from gateway.webhook_sender import webhook_sender
from gateway.wiring import wall_clock
from gateway.worker import Place
from gateway.worker_process import say, until_alone, until_told
from settlement.service.watch.delivery_webhooks import Webhooks
from settlement.service.watch.shelf import follow_rules, read_rules_shelf
from settlement.service.watch.watcher import watch
from settlement.store.priority import lower

if TYPE_CHECKING:
    from settlement.store.database import Database

#: Its name among the workers.
WATCH = "watch"
#: Settling comes first, and so does the server for its server process; but not so far
#: that alerts wait for seconds on a machine whose processors are all busy (at 19 they
#: waited 6 s beside two processes that never pause, at 5 as on a free machine).
_NICE = 5
#: One look under way takes tens of milliseconds.
_END_WITHIN_S = 15.0


async def spawn_watch(place: Place, log_level: str) -> Process:
    """Start the process and tell it what to do."""
    order = {
        "data_dir": str(place.data_dir),
        "dsn": place.dsn,
        "log_level": log_level,
    }
    return await spawn("gateway.watch_process", order, {})


@asynccontextmanager
async def watching(
    place: Place, settings: ServeSettings, begin: asyncio.Event
) -> AsyncIterator[None]:
    """Keep the process from `begin` to the end of the block.

    Not before the worker serves: a start that fails is one sentence, the worker's. A
    watch that cannot start is told in the log, and tried again.
    """
    stopping = asyncio.Event()
    child = Child(
        WATCH,
        lambda: spawn_watch(place, settings.log_level),
        on_death=lambda _pid, _status: None,
        is_stopping=stopping.is_set,
    )

    async def keep() -> None:
        await begin.wait()
        await child.start_and_keep()

    keeping = asyncio.create_task(keep(), name=WATCH)
    try:
        yield
    finally:
        stopping.set()
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        await child.end(_END_WITHIN_S)


@asynccontextmanager
async def _delivering(
    database: Database, data_dir: Path, *, on_fault: Callable[[], None]
) -> AsyncIterator[None]:
    """Tell webhooks of alerts as long as the block; of all machines one does."""
    async with webhook_sender(wall_clock) as send:
        webhooks = Webhooks(
            database,
            sealing_key=load_party_secret_key(data_dir),
            render=webhook_body,
            send=send,
            now=wall_clock,
            fraction=random.random,
        )
        async with running_beside(webhooks.run(), name="webhooks", on_fault=on_fault):
            yield


async def _run(order: dict[str, str | None]) -> None:
    stop = asyncio.Event()
    await until_told(stop)
    lonely = asyncio.create_task(until_alone(stop), name="parent")
    data_dir = Path(str(order["data_dir"]))
    try:
        async with open_database(data_dir, order["dsn"], max_size=3) as database:
            shelf = await read_rules_shelf(database)
            async with (
                _delivering(database, data_dir, on_fault=stop.set),
                running_beside(
                    follow_rules(shelf, database), name="rules", on_fault=stop.set
                ),
                running_beside(
                    watch(database, shelf, wall_clock, priority=_NICE),
                    name="alerts",
                    on_fault=stop.set,
                ),
            ):
                spare_the_collector()
                say(READY)
                await stop.wait()
    finally:
        lonely.cancel()


def main() -> None:
    """Watch until told to stop; where it ends otherwise, a sentence and its status."""
    forbid_crash_dumps()
    speak_without_traceback()
    lower(os.getpid(), _NICE)
    order = json.loads(sys.stdin.readline())
    configure_logs(order["log_level"], WATCH)
    try:
        uvloop.run(_run(order))
    except FORESEEN as fault:
        say(FAILED + sentence_of(fault))
        raise SystemExit(status_of(fault)) from None
    except Exception as bug:  # noqa: BLE001  # the last resort of the process
        say(FAILED + sentence_of_bug(bug))
        raise SystemExit(MAY_PASS) from None


if __name__ == "__main__":
    main()

"""A worker as a process of its own: `python -m gateway.worker_process`.

The supervisor writes one line of JSON to standard input and keeps it open; its end
means that the supervisor is gone, and the worker drains. The worker writes `ready`,
or `failed` with a sentence, to standard output.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import uvloop

from gateway.child import FAILED, READY
from gateway.config import ServeSettings
from gateway.crash_dumps import forbid_crash_dumps
from gateway.endings import FORESEEN, MAY_PASS, sentence_of, status_of
from gateway.last_words import sentence_of_bug, speak_without_traceback
from gateway.listening import bound_socket
from gateway.logs import configure_logs
from gateway.metrics import Metrics
from gateway.worker import Place, run_worker


async def until_told(stop: asyncio.Event) -> None:
    """Set `stop` at SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


async def until_alone(stop: asyncio.Event) -> None:
    """Set `stop` when standard input ends: the supervisor is gone."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    await reader.read()
    stop.set()


async def _run(order: dict[str, object]) -> None:
    settings = ServeSettings.model_validate(order["settings"])
    dsn = order["dsn"]
    place = Place(
        data_dir=Path(str(order["data_dir"])), dsn=None if dsn is None else str(dsn)
    )
    stop = asyncio.Event()
    await until_told(stop)
    lonely = asyncio.create_task(until_alone(stop), name="supervisor")
    bound = bound_socket(settings.host, settings.port, shared=True)
    try:
        await run_worker(
            settings,
            place,
            bound,
            metrics=Metrics(),
            on_ready=lambda: say(READY),
            stop=stop,
        )
    finally:
        lonely.cancel()


def say(line: str) -> None:
    """Tell the parent, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Serve until told to stop; where it ends otherwise, a sentence and its status."""
    forbid_crash_dumps()
    speak_without_traceback()
    order = json.loads(sys.stdin.readline())
    configure_logs(order["settings"]["log_level"], order["worker"])
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

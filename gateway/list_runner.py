"""Has lists matched by processes of their own, so that no settlement waits for one.

Reading a list costs seconds of processor time. A process apart, at the lowest
priority, has its own interpreter lock and can be ended at any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

from gateway.list_order import ListOrder
from settlement.domain.bill import BillFault
from settlement.domain.errors import RequestRefused
from settlement.service.ports import Answer

if TYPE_CHECKING:
    from asyncio.subprocess import Process

PROGRAM = "gateway.list_process"
#: A month of a million lines takes a fifth of it.
WITHIN_S = 300.0
#: Lists that one worker has matched at the same time; others wait.
_AT_ONCE = 2
_LOWEST_PRIORITY = 19
_LOOK_EVERY_S = 0.5
_BUSY = "MA-5101"
_TOO_MANY = "MA-3106"

_log = logging.getLogger(__name__)


class ListRunner:
    """One for each worker."""

    def __init__(self, *, program: str = PROGRAM, within_s: float = WITHIN_S) -> None:
        """Nothing is under way. `program`: the module that does the work."""
        self._program = program
        self._within_s = within_s
        self._under_way: set[str] = set()
        self._places = asyncio.Semaphore(_AT_ONCE)

    @contextlib.contextmanager
    def turn(self, facility: str) -> Iterator[None]:
        """Take the facility's one turn; raises MA-3106 where it is taken."""
        if facility in self._under_way:
            raise RequestRefused(_TOO_MANY)
        self._under_way.add(facility)
        try:
            yield
        finally:
            self._under_way.discard(facility)

    async def match(self, order: ListOrder, is_wanted: Callable[[], bool]) -> Answer:
        """Answer 200 with what the list differs in; raises `RequestRefused`.

        MA-5101 when it takes too long, when the process ends without a word, and when
        nobody waits for it any more: then nothing is kept.
        """
        try:
            async with asyncio.timeout(self._within_s):
                said = await _while_wanted(self._run(order), is_wanted)
        except TimeoutError:
            _log.warning("list.too_slow")
            raise RequestRefused(_BUSY) from None
        return Answer(200, await asyncio.to_thread(_answer_of, said))

    async def _run(self, order: ListOrder) -> bytes:
        """Wait for a place, and let a process say what it has to say."""
        async with self._places:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._program,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=(order.fd,),
            )
            try:
                with contextlib.suppress(ProcessLookupError):
                    os.setpriority(os.PRIO_PROCESS, process.pid, _LOWEST_PRIORITY)
                return await _talk(process, order)
            finally:
                await _end(process)


async def _while_wanted(
    work: Coroutine[Any, Any, bytes], is_wanted: Callable[[], bool]
) -> bytes:
    """What the work gives; raises MA-5101 and ends it when nobody waits any more."""
    doing = asyncio.create_task(work)
    try:
        while not doing.done():
            if not is_wanted():
                raise RequestRefused(_BUSY)
            await asyncio.wait({doing}, timeout=_LOOK_EVERY_S)
        return doing.result()
    finally:
        doing.cancel()
        # It ends its process and gives its place back.
        await asyncio.wait({doing})


async def _talk(process: Process, order: ListOrder) -> bytes:
    """Give the order, and read to the end of what is said."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the process was started without pipes")
    with contextlib.suppress(ConnectionError):
        process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
        await process.stdin.drain()
    return await process.stdout.read()


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def _answer_of(said: bytes) -> bytes:
    """The answer's bytes; raises what refuses the list."""
    try:
        document: dict[str, Any] = orjson.loads(said)
    except orjson.JSONDecodeError:
        _log.error("list.process_died")
        raise RequestRefused(_BUSY) from None
    refused = document.get("refused")
    if refused is not None:
        raise RequestRefused(
            refused["reason"],
            faults=tuple(BillFault(path, code) for path, code in refused["faults"]),
            retry_after_s=refused["retry_after_s"],
        )
    return orjson.dumps(document["answer"])

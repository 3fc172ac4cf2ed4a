"""A crowd of callers at the same time, each on a connection of its own.

All are connected before the first sends, and then all send at once. Who is refused
waits as long as `Retry-After` says, as an honest caller does, and sends its next bill.
"""

from __future__ import annotations

import asyncio
import re
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import click

from tests.bench.raw_client import Load, _Connection

#: Who has no answer by then will not get one.
_ANSWERED_WITHIN_S = 30.0
#: Open files of this process that are no connections.
_OWN_FILES = 256
_RETRY_AFTER = re.compile(rb"\r\nretry-after: *(\d+)\r\n", re.IGNORECASE)
_BUSY = b"503"
_WITHOUT_RETRY_AFTER_S = 1.0


@dataclass(slots=True)
class Crowd(Load):
    """What became of the requests of a crowd."""

    connections: int = 0
    dropped: int = 0
    """Connections that could not be had, were closed, or got no answer."""
    without_retry_after: int = 0
    """Refusals that do not say when to come again."""
    refusals_s: list[float] = field(default_factory=list)
    """How long each 503 took; not among `latencies_s`."""
    last_at: float = 0.0
    """When the last answer had come."""

    @property
    def settled(self) -> int:
        """Answers that are no refusals."""
        return self.by_status.get(b"201", 0)

    @property
    def settled_rate(self) -> float:
        """Settlements a second."""
        return self.settled / self.seconds


class _Member(_Connection):
    """Sends nothing before `start`."""

    def __init__(self, crowd: Crowd, following: Callable[[], bytes | None]) -> None:
        super().__init__(crowd, following)
        self._crowd = crowd
        self._started = False
        self._pause_s = 0.0

    def start(self) -> None:
        """Send the first bill."""
        self._started = True
        self._send()

    def _send(self) -> None:
        if not self._started or self.done.done():
            return
        self._crowd.last_at = time.perf_counter()
        if self._pause_s:
            pause_s, self._pause_s = self._pause_s, 0.0
            asyncio.get_running_loop().call_later(pause_s, self._come_again)
            return
        super()._send()

    def _come_again(self) -> None:
        if not self.done.done():
            super()._send()

    def _note_refusal(self, head: bytes) -> None:
        crowd = self._crowd
        if head[9:12] == _BUSY:
            crowd.refusals_s.append(crowd.latencies_s.pop())
        found = _RETRY_AFTER.search(head)
        if found is None:
            crowd.without_retry_after += 1
        self._pause_s = float(found.group(1)) if found else _WITHOUT_RETRY_AFTER_S

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._crowd.dropped += 1
            self.done.set_result(None)
        super().connection_lost(exc)

    def give_up(self) -> None:
        """Count a caller who still waits for an answer as dropped."""
        if not self.done.done() and self._transport is not None:
            self._transport.abort()


async def run_crowd(
    port: int, requests: Iterator[bytes], *, connections: int, seconds: float
) -> Crowd:
    """Let so many callers settle for some seconds; answers to the last are awaited.

    Drops are counted and not raised. Raises `click.ClickException` where this system
    does not let us open so many connections.
    """
    _require_files(connections)
    crowd = Crowd(connections=connections)
    until = float("inf")

    def following() -> bytes | None:
        return None if time.perf_counter() >= until else next(requests, None)

    loop = asyncio.get_running_loop()
    members: list[_Member] = []
    for _ in range(connections):
        try:
            _, member = await loop.create_connection(
                lambda: _Member(crowd, following), "127.0.0.1", port
            )
            members.append(member)
        except OSError:
            crowd.dropped += 1
    began, cpu = time.perf_counter(), time.process_time()
    until = began + seconds
    for member in members:
        member.start()
    waiting = [member.done for member in members]
    if waiting:
        await asyncio.wait(waiting, timeout=seconds + _ANSWERED_WITHIN_S)
    # Not until those who were told to wait would have come again.
    crowd.seconds = max(crowd.last_at - began, seconds)
    crowd.client_cpu_s = time.process_time() - cpu
    for member in members:
        member.give_up()
    await asyncio.gather(*waiting)
    return crowd


def _require_files(connections: int) -> None:
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OWN_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if most != resource.RLIM_INFINITY and most < wanted:
        raise click.ClickException(
            f"{connections} connections need {wanted} open files; raise `ulimit -n`"
            f" (its hard limit is {most})"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))

"""The open connections of one listener: how many, whose, and which are too slow.

Whoever holds a connection without using it takes it from others. Once a second all
of them are looked at; nothing is timed for each request.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from gateway.peer import network_of

_LOOK_EVERY_S = 1.0
_ANY_NUMBER = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """How many connections one listener holds, and how long it waits for each."""

    connections: int = 4_096
    per_address: int = _ANY_NUMBER
    head_s: float = 10.0
    """From the first byte of a request to the end of its head."""
    body_s: float = 10.0
    """For the rest of a body that did not come with its head."""
    idle_s: float = 75.0
    """Without a request."""
    write_s: float = 20.0
    """With an answer that the caller does not read."""


class Connection(Protocol):
    """What the listener asks of a connection."""

    def look(self, now: float) -> None:
        """Close the connection if it has been too slow; `now` is the loop's time."""


class Connections:
    """Counts connections by address and looks after them while there are any."""

    def __init__(
        self, limits: ConnectionLimits, loop: asyncio.AbstractEventLoop
    ) -> None:
        """No connection is open."""
        self.limits = limits
        self.refused = 0
        """Connections that were one too many."""
        self.cut: Counter[str] = Counter()
        """Connections closed for being slow, by what was slow: head or write."""
        self._loop = loop
        self._open: dict[Connection, str] = {}
        self._of_address: Counter[str] = Counter()
        self._looking: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Connections open now."""
        return len(self._open)

    def opened(self, connection: Connection, peer: object) -> bool:
        """Note a new connection; false where it is one too many."""
        address = network_of(str(peer[0])) if isinstance(peer, tuple) else ""
        if (
            len(self._open) >= self.limits.connections
            or self._of_address[address] >= self.limits.per_address
        ):
            self.refused += 1
            return False
        self._open[connection] = address
        self._of_address[address] += 1
        if self._looking is None:
            self._looking = self._loop.call_later(_LOOK_EVERY_S, self._look)
        return True

    def closed(self, connection: Connection) -> None:
        """Forget a connection; nothing where it was never let in."""
        address = self._open.pop(connection, None)
        if address is None:
            return
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]

    def _look(self) -> None:
        self._looking = None
        now = self._loop.time()
        for connection in list(self._open):
            connection.look(now)
        if self._open:
            self._looking = self._loop.call_later(_LOOK_EVERY_S, self._look)

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
#: So many more than are let in may shake hands: only then can they be told why not.
_TOLD = 64


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
        self._shaking: dict[object, str] = {}
        self._shaking_of_address: Counter[str] = Counter()
        self._of_address: Counter[str] = Counter()
        self._looking: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Connections open now, with those that still shake hands."""
        return len(self._open) + len(self._shaking)

    def accepted(self, connection: object, peer: object) -> bool:
        """Note a connection whose TLS handshake begins; false where it is one too many.

        `shaken` has to follow, however the handshake ends.
        """
        address = _address_of(peer)
        of_address = self._of_address[address] + self._shaking_of_address[address]
        if (
            len(self) >= self.limits.connections + _TOLD
            or of_address >= self.limits.per_address + _TOLD
        ):
            self.refused += 1
            return False
        self._shaking[connection] = address
        self._shaking_of_address[address] += 1
        return True

    def shaken(self, connection: object) -> None:
        """Its handshake is over; where it succeeded, `opened` tells of it too."""
        address = self._shaking.pop(connection, None)
        if address is not None:
            _less(self._shaking_of_address, address)

    def opened(self, connection: Connection, peer: object) -> bool:
        """Note a new connection; false where it is one too many."""
        address = _address_of(peer)
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
        _less(self._of_address, address)

    def _look(self) -> None:
        self._looking = None
        now = self._loop.time()
        for connection in list(self._open):
            connection.look(now)
        if self._open:
            self._looking = self._loop.call_later(_LOOK_EVERY_S, self._look)


def _address_of(peer: object) -> str:
    return network_of(str(peer[0])) if isinstance(peer, tuple) else ""


def _less(counts: Counter[str], address: str) -> None:
    """One less; what has come to nothing takes no memory."""
    counts[address] -= 1
    if not counts[address]:
        del counts[address]

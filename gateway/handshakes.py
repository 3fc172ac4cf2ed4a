"""Accepts TLS connections: each is counted before its handshake, not after it.

asyncio's own server tells nobody of a caller until the handshake is done. Whoever
connects and says nothing would hold a file each, uncounted, until none was left for
the mark and the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

from gateway.connections import Connections

#: Connections taken in one turn of the loop.
_AT_ONCE = 32
#: How long nobody is accepted after the system had no file or no memory left.
_PAUSE_S = 1.0


class Handshakes:
    """Listens on a socket; a protocol is connected when its handshake is done."""

    def __init__(
        self,
        bound: socket.socket,
        context: ssl.SSLContext,
        make: Callable[[], asyncio.BaseProtocol],
        connections: Connections,
        *,
        handshake_s: float,
    ) -> None:
        """Nothing is accepted until `start`; `make` gives a new caller's protocol."""
        self._bound = bound
        self._context = context
        self._make = make
        self._connections = connections
        self._handshake_s = handshake_s
        self._loop = asyncio.get_running_loop()
        self._under_way: set[asyncio.Task[None]] = set()
        self._resuming: asyncio.TimerHandle | None = None

    def start(self, backlog: int) -> None:
        """Accept from now on."""
        self._bound.settimeout(0)
        self._bound.listen(backlog)
        self._resume()

    def close(self) -> None:
        """Accept nobody more; who has not finished a handshake has asked nothing."""
        if self._resuming is not None:
            self._resuming.cancel()
        self._loop.remove_reader(self._bound)
        self._bound.close()
        for task in self._under_way:
            task.cancel()

    def _resume(self) -> None:
        self._resuming = None
        self._loop.add_reader(self._bound, self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                link, peer = self._bound.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                # Nobody can be accepted now: the loop would ask again without end.
                self._loop.remove_reader(self._bound)
                self._resuming = self._loop.call_later(_PAUSE_S, self._resume)
                return
            protocol = self._make()
            if not self._connections.accepted(protocol, peer):
                link.close()
                continue
            task = self._loop.create_task(self._shake_hands(link, protocol))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _shake_hands(
        self, link: socket.socket, protocol: asyncio.BaseProtocol
    ) -> None:
        """Let the caller in; its own faults are nobody else's."""
        try:
            link.settimeout(0)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # No TLS, none that fits, none in time: `SSLError` is an `OSError` too.
            with contextlib.suppress(OSError):
                await self._loop.connect_accepted_socket(
                    lambda: protocol,
                    link,
                    ssl=self._context,
                    ssl_handshake_timeout=self._handshake_s,
                )
        finally:
            self._connections.shaken(protocol)

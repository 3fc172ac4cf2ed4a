"""The driver's connections and pool, as far as the product uses them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from types import SimpleNamespace
from typing import Any, Self, cast

import asyncpg

from settlement.store.database import Database, UnfitServerError
from tests.simulation.faults import Fault
from tests.simulation.loop import Process, current_process
from tests.simulation.server import GONE, Backend, Server


class SimConnection:
    """One connection. Every call may fail as the driver's do."""

    def __init__(self, backend: Backend, process: Process | None) -> None:
        self._backend = backend
        self._process = process
        self._log_listeners: list[Callable[[Any, Any], None]] = []
        self._closed = False
        backend.warn = self._warn
        backend.on_end.append(self._lost)

    async def _call(self, text: str, args: tuple[Any, ...]) -> Any:
        backend = self._backend
        dead = self._process is not None and self._process.is_dead
        if self._closed or backend.is_gone or backend.is_alone or dead:
            raise GONE("the connection is closed")
        loop = backend.server.loop
        reply = backend.reply = loop.create_future()
        loop.begin(backend.server.process, backend.serve(text, args))
        return await reply

    async def execute(self, text: str, *args: Any) -> Any:
        """The command's tag."""
        return await self._call(text, args)

    async def fetch(self, text: str, *args: Any) -> Any:
        """All rows."""
        return await self._call(text, args)

    async def fetchrow(self, text: str, *args: Any) -> Any:
        """The one row, or `None`."""
        return await self._call(text, args)

    async def fetchval(self, text: str, *args: Any) -> Any:
        """The one value."""
        return await self._call(text, args)

    def terminate(self) -> None:
        """Hang up without a word; what was sent goes on."""
        if not self._closed:
            self._closed = True
            self._backend.hang_up()

    async def close(self) -> None:
        """Say goodbye."""
        self.terminate()

    def is_closed(self) -> bool:
        """Whether the driver knows that it is."""
        return self._closed

    def _lost(self) -> None:
        self._closed = True

    def _warn(self, text: str) -> None:
        for told in list(self._log_listeners):
            told(self, SimpleNamespace(message=text))

    def add_log_listener(self, told: Callable[[Any, Any], None]) -> None:
        """Tell of warnings."""
        self._log_listeners.append(told)

    def remove_log_listener(self, told: Callable[[Any, Any], None]) -> None:
        """No longer."""
        if self._closed:
            raise asyncpg.InterfaceError("connection is closed")
        self._log_listeners.remove(told)

    # -- what the roster's feed needs besides ------------------------------------------

    def add_termination_listener(self, told: Callable[..., None]) -> None:
        """Tell of the end."""
        self._backend.on_end.append(self._as_event(told))

    async def add_listener(self, _channel: str, told: Callable[..., None]) -> None:
        """LISTEN; the connection is the feed's from here on."""
        self._backend.follows = True
        listeners, ring = self._backend.server.listeners, self._as_event(told)
        listeners.append(ring)
        self._backend.on_end.append(lambda: listeners.remove(ring))
        await asyncio.sleep(0)

    def _as_event(self, told: Callable[..., None]) -> Callable[[], None]:
        """A callback that runs in the client's process, as a socket's would."""
        loop, process = self._backend.server.loop, self._process

        async def tell() -> None:
            told()

        def ring() -> None:
            if process is None or not process.is_dead:
                loop.begin(process, tell())

        return ring

    def transaction(self, **_options: Any) -> _Snapshot:
        """REPEATABLE READ, read only: one version of the roster."""
        return _Snapshot(self._backend)

    async def cursor(self, text: str) -> _Cursor:
        """Rows by and by."""
        return _Cursor(await self._call(text, ()))


class _Snapshot:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def start(self) -> None:
        self._backend.pinned = self._backend.server.roster

    async def rollback(self) -> None:
        self._backend.pinned = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.rollback()


class _Cursor:
    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    async def fetch(self, count: int) -> list[Any]:
        taken, self._rows = self._rows[:count], self._rows[count:]
        return taken


class SimPool:
    """Connections for reading; each is used once at a time."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._idle: list[SimConnection] = []

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[SimConnection]:
        """One that works, as far as anybody knows."""
        connection = None
        while self._idle and connection is None:
            kept = self._idle.pop()
            connection = None if kept.is_closed() else kept
        if connection is None:
            process = current_process()
            backend = self._server.connect(process, pooled=True)
            connection = SimConnection(backend, process)
        try:
            yield connection
        finally:
            if not connection.is_closed():
                self._idle.append(connection)


class SimDatabase:
    """Satisfies what the product asks of `Database`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.pool = SimPool(server)

    async def connect(self) -> SimConnection:
        """One connection of its own; the step `connect` and its faults."""
        server, process = self._server, current_process()
        fault = server.plan.strike("connect")
        await asyncio.sleep(server.latency())
        if fault is not None:
            await self._suffer(fault, server.random)
        return SimConnection(server.connect(process, pooled=False), process)

    async def _suffer(self, fault: Fault, random: Random) -> None:
        server, process = self._server, current_process()
        if fault is Fault.SLOW:
            await asyncio.sleep(random.uniform(0.5, 5))
        elif fault is Fault.CRASH:
            server.crash()
        elif fault is Fault.KILL and process is not None:
            server.on_kill(process)
            await asyncio.sleep(0)
        elif fault is Fault.PAUSE and process is not None:
            server.on_pause(process, 2.0)
            await asyncio.sleep(0)
        else:
            raise random.choice(
                [
                    ConnectionResetError("connection reset by peer"),
                    asyncpg.CannotConnectNowError("the system is starting up"),
                    asyncpg.TooManyConnectionsError("too many clients already"),
                    UnfitServerError("this server is a standby in recovery"),
                    TimeoutError(),
                ]
            )


def as_database(simulated: SimDatabase) -> Database:
    """The product's type for it; the shapes are tested by running on them."""
    return cast("Database", simulated)

"""Sockets: one port for all workers, and a clear sentence when it cannot be had."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
import ssl

from aiohttp import web

from gateway.config import ServeSettings, SettingsFault
from gateway.connections import ConnectionLimits, Connections
from gateway.handshakes import Handshakes

BACKLOG = 1024
#: Files of a worker that are no callers' connections: database, cache, logs.
_OWN_FILES = 192


class AddressFault(SettingsFault):
    """An address cannot be had now: a port in use, a name that is not known yet."""


class Site(web.SockSite):
    """A bound socket that listens, also against callers who never finish a handshake.

    aiohttp's own leaves them a minute each, and counts them as no connection.
    """

    def __init__(
        self,
        runner: web.ServerRunner,
        bound: socket.socket,
        context: ssl.SSLContext | None = None,
        *,
        handshake_s: float,
        connections: Connections | None = None,
    ) -> None:
        """Nothing listens until `start`; `connections` counts handshakes too."""
        super().__init__(runner, bound, ssl_context=context, backlog=BACKLOG)
        self._handshake_s = handshake_s
        self._connections = connections
        self._handshakes: Handshakes | None = None

    async def start(self) -> None:
        """Listen; the runner's clean-up ends it."""
        await web.BaseSite.start(self)
        server = self._runner.server
        if server is None:
            raise RuntimeError("the runner is not set up")
        loop = asyncio.get_running_loop()
        if self._ssl_context is None:
            self._server = await loop.create_server(
                server, sock=self._sock, backlog=self._backlog
            )
            return
        connections = self._connections
        if connections is None:
            connections = Connections(ConnectionLimits(), loop)
        self._handshakes = Handshakes(
            self._sock,
            self._ssl_context,
            server,
            connections,
            handshake_s=self._handshake_s,
        )
        self._handshakes.start(self._backlog)

    async def stop(self) -> None:
        """Accept nobody more."""
        if self._handshakes is not None:
            self._handshakes.close()
        await super().stop()


def connection_limits(settings: ServeSettings) -> ConnectionLimits:
    """What holds for each connection of this process.

    Asks the system for as many open files as it allows, and stays below them: a
    connection that cannot be accepted would otherwise be nobody's to answer.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    connections = settings.connections
    if most != resource.RLIM_INFINITY:
        connections = max(1, min(connections, most - _OWN_FILES))
    return ConnectionLimits(
        connections=connections,
        per_address=(
            connections if settings.behind_proxy else settings.connections_per_address
        ),
        head_s=settings.head_s,
        body_s=settings.body_s,
        idle_s=settings.idle_s,
        write_s=settings.write_s,
    )


def bound_socket(host: str, port: int, *, shared: bool) -> socket.socket:
    """A bound socket, not listening yet; port 0 lets the system choose.

    `shared` lets other processes of this user bind the same port, so that the kernel
    spreads connections over the workers. Raises `AddressFault`.
    """
    family, address = _resolve(host, port)
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise AddressFault(_sentence(host, port, error)) from error
    bound.settimeout(0)
    return bound


def reserve(host: str, port: int) -> socket.socket:
    """A socket that holds a port for the workers without taking connections.

    Bound alone first: another gateway that shares the port already is a mistake
    that `SO_REUSEPORT` would hide. Raises `AddressFault`.
    """
    alone = bound_socket(host, port, shared=False)
    chosen = port_of(alone)
    alone.close()
    return bound_socket(host, chosen, shared=True)


def port_of(bound: socket.socket) -> int:
    """The port that a socket is bound to."""
    return int(bound.getsockname()[1])


def url_of(scheme: str, host: str, port: int) -> str:
    """The address as it is printed; IPv6 in brackets (RFC 3986)."""
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}:{port}"


def _resolve(host: str, port: int) -> tuple[int, tuple[object, ...]]:
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        raise AddressFault(f"the host {host!r} is not known on this machine") from error
    family, _, _, _, address = found[0]
    return family, address


def _sentence(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is in use; is another gateway running? choose"
            " another --port"
        )
    if error.errno == errno.EACCES:
        return f"port {port} needs more rights than this user has; use one above 1023"
    return f"cannot listen on {host} port {port} ({error.strerror})"

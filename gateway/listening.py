"""Sockets: one port for all workers, and a clear sentence when it cannot be had."""

from __future__ import annotations

import errno
import socket

from gateway.config import SettingsFault

BACKLOG = 1024


def bound_socket(host: str, port: int, *, shared: bool) -> socket.socket:
    """A bound socket, not listening yet; port 0 lets the system choose.

    `shared` lets other processes of this user bind the same port, so that the kernel
    spreads connections over the workers. Raises `SettingsFault`.
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
        raise SettingsFault(_sentence(host, port, error)) from error
    bound.settimeout(0)
    return bound


def reserve(host: str, port: int) -> socket.socket:
    """A socket that holds a port for the workers without taking connections.

    Bound alone first: another gateway that shares the port already is a mistake
    that `SO_REUSEPORT` would hide. Raises `SettingsFault`.
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
    except OSError as error:
        raise SettingsFault(
            f"the host {host!r} is not known on this machine"
        ) from error
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

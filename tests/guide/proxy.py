"""A small proxy between a client and the gateway that loses what it is told to.

One request on one connection, as the clients of the examples send them.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_TIMEOUT_S = 30.0
_PIECE = 65_536

#: Given the request's first line and which request of this line it is, from 1.
Fate = Callable[[str, int], str]
FORWARD, LOSE_ANSWER, LOSE_REQUEST = "forward", "lose answer", "lose request"


@dataclass(slots=True)
class Proxy:
    """Where clients connect, and what came through."""

    url: str = ""
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    """First line and the whole request, in order of arrival."""
    answers: list[bytes] = field(default_factory=list)
    """What the gateway answered, lost answers too."""

    def sent_to(self, path: str) -> list[bytes]:
        """The requests to an address, whole."""
        line = f"POST {path} HTTP/1.1"
        return [request for first, request in self.requests if first == line]


@contextmanager
def lossy(gateway_url: str, fate: Fate) -> Iterator[Proxy]:
    """Listen on loopback until the block ends."""
    target = urlsplit(gateway_url)
    assert target.hostname is not None
    assert target.port is not None
    address = (target.hostname, target.port)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread = threading.Thread(
            target=_serve, args=(listener, address, proxy, fate), daemon=True
        )
        thread.start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(_TIMEOUT_S)


def _serve(
    listener: socket.socket, address: tuple[str, int], proxy: Proxy, fate: Fate
) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with client:
            client.settimeout(_TIMEOUT_S)
            request = _read_request(client)
            line = request.partition(b"\r\n")[0].decode()
            proxy.requests.append((line, request))
            count = sum(first == line for first, _ in proxy.requests)
            decided = fate(line, count)
            answer = b"" if decided == LOSE_REQUEST else _forward(address, request)
            proxy.answers.append(answer)
            if decided == FORWARD:
                client.sendall(answer)


def _read_request(client: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += client.recv(_PIECE)
    head = data.partition(b"\r\n\r\n")[0]
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(data) < len(head) + 4 + length:
        data += client.recv(_PIECE)
    return data


def _forward(address: tuple[str, int], request: bytes) -> bytes:
    """The gateway's whole answer; empty where it does not take the connection."""
    try:
        with socket.create_connection(address, _TIMEOUT_S) as gateway:
            gateway.sendall(request)
            return b"".join(iter(lambda: gateway.recv(_PIECE), b""))
    except ConnectionError:
        return b""

"""The check's own line to the gateway: plain HTTP, several requests side by side."""

from __future__ import annotations

import http.client
import os
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import urlsplit

from loadtests.wire import Answer, Sessions, authority_of
from loadtests.world import Hospital, World

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_SIDE_BY_SIDE = 8
_AHEAD = 64
_ATTEMPTS = 12
_PAUSE_S = 0.5
_TIMEOUT_S = 30
_TOO_MANY, _FAULT = 429, 500


class NotToldError(RuntimeError):
    """The gateway did not answer what the check has to know."""


class Asker:
    """Asks until it is answered; a check that guesses would be none."""

    def __init__(self, target: str, world: World) -> None:
        """Open a session for a hospital when it first asks."""
        self._target = urlsplit(target)
        self._authority = authority_of(target)
        self._local = threading.local()
        self._lock = threading.Lock()
        self.world = world
        self._sessions = Sessions(
            self._send_once,
            authority=self._authority,
            operator="load-check",
            clock=time.time,
            nonce=lambda: os.urandom(16).hex(),
        )

    def get(self, path: str, hospital: Hospital | None = None) -> Answer:
        """Ask for an address; raises `NotToldError`."""
        return self.ask("GET", path, b"", hospital)

    def ask(
        self, method: str, path: str, body: bytes, hospital: Hospital | None
    ) -> Answer:
        """Ask, again while the gateway is busy; raises `NotToldError`."""
        answer = None
        for _ in range(_ATTEMPTS):
            headers = {}
            if hospital is not None:
                with self._lock:
                    headers = self._sessions.headers(hospital)
            answer = self._send_once(method, path, body, headers)
            is_told = answer is not None and answer.status != _TOO_MANY
            if is_told and answer is not None and answer.status < _FAULT:
                return answer
            time.sleep(max(_PAUSE_S, answer.retry_after_s if answer else 0))
        code = answer.code if answer is not None else "no answer"
        raise NotToldError(f"{method} {path.partition('?')[0]}: {code}")

    def each(
        self, items: Iterable[_Item], ask: Callable[[_Item], _Result]
    ) -> Iterator[_Result]:
        """Ask about many, side by side, answers in the order of the items.

        Items are drawn as they are asked about, so there may be any number.
        """
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            asked: deque[Future[_Result]] = deque()
            for item in items:
                asked.append(pool.submit(ask, item))
                if len(asked) >= _AHEAD:
                    yield asked.popleft().result()
            while asked:
                yield asked.popleft().result()

    def _send_once(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> Answer | None:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        try:
            connection.request(
                method, path, body or None, headers | {"Host": self._authority}
            )
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            self._local.connection = None
            return None
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, content, found)

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._target.hostname or "", self._target.port
        if self._target.scheme == "https":
            return http.client.HTTPSConnection(
                host, port, timeout=_TIMEOUT_S, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)

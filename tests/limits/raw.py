"""A client that sends exactly the bytes it is given, and reads answers one by one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """One answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The reason's code where the answer is a problem document."""
        if self.headers.get("content-type") != "application/problem+json":
            return ""
        return str(self.json()["code"])

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Raw:
    """One connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.to_head = False
        """What was asked was HEAD: answers have no body."""

    async def send(self, sent: bytes) -> None:
        """Write all of it, or as much as is taken before the other side closes."""
        try:
            self.writer.write(sent)
            await asyncio.wait_for(self.writer.drain(), WITHIN_S)
        except ConnectionError:
            pass

    async def answer(self) -> RawAnswer | None:
        """The next answer; `None` when the connection ended before it."""
        try:
            head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), WITHIN_S)
            lines = head.decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines[1:-2])
            }
            status = int(lines[0].split(" ")[1])
            has_body = status >= 200 and not self.to_head
            size = int(headers["content-length"]) if has_body else 0
            body = await asyncio.wait_for(self.reader.readexactly(size), WITHIN_S)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return RawAnswer(status, headers, body)

    async def answers(self) -> list[RawAnswer]:
        """All answers until the other side closes."""
        found = []
        while (answer := await self.answer()) is not None:
            found.append(answer)
        return found

    async def is_closed(self, within_s: float = WITHIN_S) -> bool:
        """Whether the other side closes in time; whatever it still sends is dropped."""
        try:
            async with asyncio.timeout(within_s):
                while await self.reader.read(65_536):
                    pass
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True


@asynccontextmanager
async def connected(authority: str) -> AsyncIterator[Raw]:
    """A connection as long as the block runs."""
    host, port = authority.split(":")
    raw = Raw(*await asyncio.open_connection(host, int(port)))
    try:
        yield raw
    finally:
        raw.writer.transport.abort()


def request(
    target: str = "/healthz", method: str = "GET", body: bytes = b"", **headers: str
) -> bytes:
    """A request as it should be; `_` in header names stands for `-`."""
    lines = [f"{method} {target} HTTP/1.1"]
    given = {"Host": "desk"} | {k.replace("_", "-"): v for k, v in headers.items()}
    if body:
        given = {"Content-Type": "application/json"} | given
        given.setdefault("Content-Length", str(len(body)))
    lines += [f"{name}: {value}" for name, value in given.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body

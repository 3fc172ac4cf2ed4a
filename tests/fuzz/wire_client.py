"""An HTTP/1.1 client that sends any bytes, header lines included."""

import asyncio
from collections.abc import Mapping

from tests.fuzz.oracle import HANG_S, Got

Headers = Mapping[str, bytes]
_CUT = (ConnectionError, asyncio.IncompleteReadError)


class WireClient:
    """One connection, opened again when the server has closed it."""

    def __init__(self, host: str, port: int) -> None:
        """Nothing is opened yet."""
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self, method: str, target: str, headers: Headers, body: bytes = b""
    ) -> Got:
        """Send one request and read its answer; raises `TimeoutError` for a hang."""
        head = f"{method} {target} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
        lines = b"".join(
            name.encode() + b": " + value + b"\r\n" for name, value in headers.items()
        )
        length = f"Content-Length: {len(body)}\r\n\r\n".encode()
        whole = head.encode() + lines + length + body
        async with asyncio.timeout(HANG_S):
            try:
                return await self._exchange(whole)
            except _CUT:
                # A connection that was kept may have been closed meanwhile, and a
                # body too large is answered before it is read to its end.
                await self.close()
                return await self._exchange(whole)

    async def _exchange(self, whole: bytes) -> Got:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(whole)
        return await self._answer(reader)

    async def _answer(self, reader: asyncio.StreamReader) -> Got:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status_line, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        body = await reader.readexactly(int(headers["content-length"]))
        return Got(int(status_line.split(" ")[1]), headers, body)

    async def close(self) -> None:
        """End the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

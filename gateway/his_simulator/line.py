"""A HIS's line to a platform: one message out, one answer in, or nobody knows."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from gateway.his_simulator.clients import Client
from gateway.his_simulator.messages import Answer, NoEnvelope, read_answer

_UTF8 = "utf-8"
#: Vendors' three habits of addresses (his-interface.md, 1.3).
HABITS = ("/his", "/his/{infno}", "/mbs/fmi/fsi/api/callFsiService/callService")


class OutcomeUnknown(Exception):
    """No answer, or none that can be read: it may have been done or not."""


def tif_headers(client: Client, timestamp: int, nonce: str) -> dict[str, str]:
    """The four `x-tif-*` headers (Shenzhen's rule: the body is not covered)."""
    text = f"{timestamp}{client.secret}{nonce}{timestamp}"
    return {
        "x-tif-paasid": client.paasid,
        "x-tif-timestamp": str(timestamp),
        "x-tif-nonce": nonce,
        "x-tif-signature": hashlib.sha256(text.encode()).hexdigest(),
    }


@dataclass(slots=True)
class Line:
    """From one hospital to one address."""

    http: aiohttp.ClientSession
    url: str
    habit: str
    """The path of every message; `{infno}` stands for its number."""
    client: Client
    clock: Callable[[], float]
    """Unix time."""
    nonce: Callable[[], str]
    patience_s: float
    headers: dict[str, str]
    """Sent with every message, as a sandbox's time."""

    async def send(self, infno: str, body: bytes, *, skew_s: int = 0) -> Answer:
        """Send a message once; raises `OutcomeUnknown`."""
        timestamp = int(self.clock()) + skew_s
        headers = {"Content-Type": "application/json; charset=utf-8", **self.headers}
        headers |= tif_headers(self.client, timestamp, self.nonce())
        url = self.url + self.habit.format(infno=infno)
        try:
            async with (
                asyncio.timeout(self.patience_s),
                self.http.post(url, data=body, headers=headers) as answer,
            ):
                raw = await answer.read()
                return read_answer(raw, answer.charset or _UTF8)
        except (TimeoutError, OSError, aiohttp.ClientError, NoEnvelope) as fault:
            raise OutcomeUnknown(type(fault).__name__) from fault

"""Sends alerts to webhooks: one POST, ten seconds, no redirect, no trust in answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from settlement.service.watch.delivery_webhooks import Answered, Send

WITHIN_S = 10.0
#: Of an answer; nobody reads it, but a connection is used again when it has been read.
MOST_ANSWER_BYTES = 64 * 1024
_HEADERS = {"Content-Type": "application/json", "User-Agent": "medaid-webhooks/1"}
_MOST_DIGITS = 9


@asynccontextmanager
async def webhook_sender(
    now: Callable[[], datetime],
    *,
    tls: ssl.SSLContext | None = None,
    within_s: float = WITHIN_S,
) -> AsyncIterator[Send]:
    """What sends, as long as the block; `tls`: whom to trust, the system's without."""
    timeout = aiohttp.ClientTimeout(total=within_s)
    connector = aiohttp.TCPConnector(ssl=tls or ssl.create_default_context())
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    ) as http:

        async def send(url: str, headers: Mapping[str, str], body: bytes) -> Answered:
            return await _send(http, url, headers, body, now)

        yield send


async def _send(
    http: aiohttp.ClientSession,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    now: Callable[[], datetime],
) -> Answered:
    try:
        async with http.post(
            URL(url, encoded=True),
            data=body,
            headers={**_HEADERS, **headers},
            allow_redirects=False,
        ) as response:
            asked = _retry_after_s(response.headers.get("Retry-After"), now())
            words = f"answered {response.status}"
            if response.status // 100 == 3:  # noqa: PLR2004
                words += ", not followed"
            await _read_away(response)
            return Answered(response.status, words, asked)
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as fault:
        return Answered(None, f"no answer: {_why(fault)}")


async def _read_away(response: aiohttp.ClientResponse) -> None:
    """Read a short answer to its end; hang up on a long, slow or broken one.

    What became of the message stands in the status, which has come.
    """
    left = MOST_ANSWER_BYTES
    try:
        while left > 0:
            piece = await response.content.read(left)
            if not piece:
                return
            left -= len(piece)
    except (TimeoutError, aiohttp.ClientError, OSError):
        pass
    response.close()


def _why(fault: BaseException) -> str:
    """One word of ours: what a library says may quote the receiver."""
    if isinstance(fault, asyncio.TimeoutError):
        return "too slow"
    if isinstance(
        fault, aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError
    ):
        return "its certificate or TLS does not hold"
    if isinstance(fault, aiohttp.ClientConnectorError):
        return "no connection"
    return "broken off"


def _retry_after_s(text: str | None, now: datetime) -> int | None:
    """Whole seconds from now (RFC 9110, section 10.2.3); `None` for nonsense."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return int(text[:_MOST_DIGITS])
    try:
        at = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0, int((at - now).total_seconds()) + 1)

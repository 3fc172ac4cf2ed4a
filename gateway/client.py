"""The hospital's side of the HTTP interface: signs in, asks, and retries safely.

What makes a retry safe is the idempotency key: whatever went wrong on the way, the
same content is sent again under the same key until an answer arrives. The client
never turns an unknown outcome into a failure. It knows no other module of ours but
the signature, so that a vendor can read it as an example.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from crypto.http_signature import HttpRequest, sign_request
from crypto.keys import SharedSecret, SigningKey
from settlement.domain.calendar import rfc3339

#: Statuses after which the same request under the same key is asked again.
_ASK_AGAIN = frozenset({409, 429, 502, 503, 504})
#: Of these, the ones that leave open whether an earlier attempt settles.
_MAY_HAVE_SETTLED = frozenset({409, 502, 504})
#: Refusals with such a status that no amount of waiting at the desk will cure.
_NOT_SOON = frozenset({"MA-5106", "MA-4107"})
_TRANSPORT_FAULTS = (aiohttp.ClientError, TimeoutError, OSError)
_LONGEST_PAUSE_S = 2.0
_JSON = "application/json"


class OutcomeUnknownError(Exception):
    """No answer came, however often it was asked for: settled or not, nobody knows.

    The next step is a look-up or the same request under the same key, later.
    """


class _NoSessionYetError(Exception):
    """The gateway cannot open sessions at the moment."""


class SignInRefusedError(Exception):
    """The gateway gave no session: the key, the clock or the signature is wrong."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the gateway, with its exact bytes."""

    status: int
    body: bytes
    replayed: bool
    """The gateway says that it gave this answer before."""
    attempts: int
    """How often the request was sent until this answer came."""

    def json(self) -> Any:
        """The body, parsed."""
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        """The reason's code, of a decision or of an error; empty where none stands."""
        document = self.json()
        reason = document.get("reason")
        return str(reason["code"] if reason else document.get("code", ""))

    @property
    def leaves_open(self) -> bool:
        """Whether something may have been settled although this is no final answer."""
        return self.status in _MAY_HAVE_SETTLED or self.code == "MA-5103"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a desk goes on asking before it calls the outcome unknown."""

    attempts: int = 12
    first_pause_s: float = 0.05
    answer_within_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The way to one gateway: shared by all who use it from this process."""

    http: aiohttp.ClientSession
    base_url: str
    clock: Callable[[], float]
    """Unix seconds, for the signature that opens a session."""
    nonce: Callable[[], str]
    """A text that was never used before, for the same signature."""
    patience: Patience = Patience()


class GatewayClient:
    """One operator at one facility. Signs in when first needed, and again on 401."""

    def __init__(
        self,
        line: Line,
        key: SharedSecret | SigningKey,
        operator: str,
    ) -> None:
        """Speak for one operator over a line that many may share."""
        self._line = line
        self._base_url = line.base_url.rstrip("/")
        self._patience = line.patience
        self._key = key
        self._operator = operator
        self._token = ""
        self._signing_in = asyncio.Lock()

    async def token(self) -> str:
        """The session's token, signing in first where there is none.

        Raises `OutcomeUnknownError` when the gateway opens no session in time, and
        `SignInRefusedError` when it refuses the key.
        """
        pause_s = self._patience.first_pause_s
        for _ in range(self._patience.attempts):
            try:
                return await self._session()
            except (_NoSessionYetError, *_TRANSPORT_FAULTS):
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        raise OutcomeUnknownError(
            f"no session in {self._patience.attempts} attempts; nothing was sent"
        )

    async def eligibility(self, card: Mapping[str, str], service_date: date) -> Reply:
        """Ask whether the card's person may receive aid on the day."""
        body = {"card": dict(card), "service_date": service_date.isoformat()}
        return await self._ask("POST", "/v1/eligibility", body)

    async def quote(self, bill: Mapping[str, Any], at: datetime | None = None) -> Reply:
        """Ask what the bill would get; writes nothing."""
        return await self._ask("POST", "/v1/quotes", bill, headers=_at(at))

    async def settle(
        self, key: str, bill: Mapping[str, Any] | bytes, at: datetime | None = None
    ) -> Reply:
        """Settle the bill under the key. `at` is the instant in a sandbox.

        Without a key, which the gateway refuses, no header is sent. Raises
        `OutcomeUnknownError` when no answer could be had.
        """
        headers = ({"Idempotency-Key": key} if key else {}) | _at(at)
        return await self._ask("POST", "/v1/settlements", bill, headers=headers)

    async def reverse(
        self, key: str, request: Mapping[str, Any], at: datetime | None = None
    ) -> Reply:
        """Undo a settlement, or stop one that has not arrived.

        Raises `OutcomeUnknownError` when no answer could be had.
        """
        headers = {"Idempotency-Key": key} | _at(at)
        return await self._ask("POST", "/v1/reversals", request, headers=headers)

    async def get(self, path: str) -> Reply:
        """Read any address of the interface: look-ups, records, proofs."""
        return await self._ask("GET", path, None)

    async def settle_and_hang_up(
        self, key: str, bill: Mapping[str, Any], at: datetime | None, linger_s: float
    ) -> None:
        """Send a settlement whole, then cut the connection without an answer.

        The line fails `linger_s` after the last byte was sent. What the gateway made
        of the request is unknown afterwards, as after a real failure.
        """
        body = orjson.dumps(bill)
        address = urlsplit(self._base_url)
        head = {
            "Host": address.netloc,
            "Content-Type": _JSON,
            "Content-Length": str(len(body)),
            "Authorization": f"Bearer {await self.token()}",
            "Idempotency-Key": key,
        } | _at(at)
        lines = ["POST /v1/settlements HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in head.items()]
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write("\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body)
        await writer.drain()
        await asyncio.sleep(linger_s)
        writer.transport.abort()

    async def _session(self) -> str:
        """The token of the one session that all calls of this desk share."""
        async with self._signing_in:
            if not self._token:
                self._token = await self._sign_in()
            return self._token

    async def _sign_in(self) -> str:
        body = orjson.dumps({"operator": self._operator})
        request = HttpRequest(
            method="POST",
            authority=urlsplit(self._base_url).netloc,
            path="/v1/sessions",
            headers={"content-type": _JSON},
            body=body,
        )
        signature = sign_request(
            request,
            self._key,
            created=int(self._line.clock()),
            nonce=self._line.nonce(),
        )
        async with self._line.http.post(
            f"{self._base_url}/v1/sessions",
            data=body,
            headers={"Content-Type": _JSON} | signature,
            timeout=self._timeout(),
        ) as answer:
            document = orjson.loads(await answer.read())
            if answer.status in _ASK_AGAIN:
                raise _NoSessionYetError
            if answer.status != HTTPStatus.CREATED:
                raise SignInRefusedError(
                    f"no session for key {self._key.kid}: status {answer.status},"
                    f" {document.get('code', 'no code')}"
                )
            return str(document["token"])

    async def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send until an answer is final; see `OutcomeUnknownError`."""
        content = body if isinstance(body, bytes | None) else orjson.dumps(body)
        pause_s = self._patience.first_pause_s
        last: Reply | None = None
        is_known = True
        for attempt in range(1, self._patience.attempts + 1):
            if attempt > 1:
                await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            try:
                last, wait_s = await self._send(
                    method, path, content, headers or {}, attempt
                )
            except _NoSessionYetError:
                continue
            except _TRANSPORT_FAULTS:
                is_known = False
                continue
            if wait_s is None:
                return last
            pause_s = max(pause_s, wait_s)
            # Refused before it began: this attempt settled nothing.
            is_known = is_known and not last.leaves_open
        if last is None or not is_known:
            raise OutcomeUnknownError(
                f"{method} {path}: no final answer in {self._patience.attempts}"
                " attempts; look the key up, or send the same request again under"
                " the same key"
            )
        return last

    async def _send(
        self,
        method: str,
        path: str,
        content: bytes | None,
        headers: Mapping[str, str],
        attempt: int,
    ) -> tuple[Reply, float | None]:
        """One attempt: the answer, and how long to wait if it is not final."""
        token = await self._session()
        all_headers = {"Authorization": f"Bearer {token}", **headers}
        if content is not None:
            all_headers["Content-Type"] = _JSON
        async with self._line.http.request(
            method,
            self._base_url + path,
            data=content,
            headers=all_headers,
            timeout=self._timeout(),
        ) as answer:
            reply = Reply(
                answer.status,
                await answer.read(),
                answer.headers.get("Idempotent-Replayed") == "true",
                attempt,
            )
            wait_s = float(answer.headers.get("Retry-After", "0"))
        if reply.status == HTTPStatus.UNAUTHORIZED:
            self._forget(token)
            return reply, 0.0
        if reply.status in _ASK_AGAIN and reply.code not in _NOT_SOON:
            return reply, wait_s
        return reply, None

    def _timeout(self) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=self._patience.answer_within_s)

    def _forget(self, token: str) -> None:
        """Drop a token that was refused, unless another task has renewed it."""
        if self._token == token:
            self._token = ""


def _at(instant: datetime | None) -> dict[str, str]:
    return {} if instant is None else {"Medaid-Sandbox-Time": rfc3339(instant)}

"""One message out, one answer in; what went and came is kept as it may be shown."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp

from gateway.his_self_test.lines import Exchange
from gateway.his_self_test.masking import Masks
from gateway.his_self_test.proof import AS_IT_SHOULD_BE, Proof, Proving
from gateway.his_self_test.shown import shown_answer, shown_request
from gateway.his_simulator.messages import (
    Answer,
    NoEnvelope,
    Window,
    dumped,
    read_answer,
    read_object,
    request_body,
)
from settlement.domain.calendar import rfc3339

_UTF8 = "utf-8"
#: A declared GBK is read as its superset, as every HIS does.
_READ_AS = {"gbk": "gb18030", "gb2312": "gb18030"}
_INFNO = "{infno}"
#: A letter leads, so that no message of the hospital's own HIS has the number; and
#: there are enough that two runs of one second do not meet.
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_DIGITS = "0123456789" + _LETTERS
_SERIALS = len(_LETTERS) * len(_DIGITS) ** 3
_OPERATOR = "self-test"
SANDBOX_HEADER = "Medaid-Sandbox-Time"


@dataclass(frozen=True, slots=True)
class Means:
    """Time and randomness of a run."""

    clock: Callable[[], datetime]
    """The wall clock, aware, in Shanghai."""
    tick: Callable[[], float]
    """Seconds that never go back, for latencies."""
    random: Callable[[int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Which hospital speaks, and how."""

    url: str
    fixmedins_code: str
    place: str
    encoding: str = _UTF8
    patience_s: float = 30.0
    sandbox_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Came:
    """What came back."""

    status: int
    """0 where nothing came."""
    charset: str
    raw: bytes
    answer: Answer | None
    sent_at: float
    """Unix time at which the message was half on its way and back."""
    fields: frozenset[str] = frozenset()
    """Of the envelope."""


@dataclass(slots=True)
class Wire:
    """From one hospital to one address."""

    http: aiohttp.ClientSession
    caller: Caller
    proof: Proof
    means: Means
    masks: Masks
    sign_no: str = ""
    exchanges: list[Exchange] = field(default_factory=list)
    has_answered: bool = False
    """Something came back over HTTP at least once."""
    _serial: int = 0

    def __post_init__(self) -> None:
        self._serial = int.from_bytes(self.means.random(4), "big") % _SERIALS

    def now(self) -> datetime:
        """The instant of settling: now, or the sandbox's."""
        return self.caller.sandbox_time or self.means.clock()

    def msgid(self) -> str:
        """12 + 14 + 4, by the wall clock: a sandbox's time stands still."""
        self._serial = (self._serial + 1) % _SERIALS
        at = self.means.clock()
        code = self.caller.fixmedins_code[:12]
        return f"{code}{at:%Y%m%d%H%M%S}{_serial(self._serial)}"

    def envelope(
        self, infno: str, given: Mapping[str, Any], **changes: Any
    ) -> dict[str, Any]:
        """A whole request; `changes` replace fields of the header."""
        caller = self.caller
        window = Window(caller.fixmedins_code, caller.fixmedins_code, _OPERATOR)
        body = request_body(window, infno, self.msgid(), self.now(), {}, self.sign_no)
        header = read_object(body, _UTF8) | {
            "mdtrtarea_admvs": caller.place,
            "insuplc_admdvs": caller.place,
        }
        return header | {"input": dict(given)} | changes

    async def send(
        self,
        document: Mapping[str, Any],
        *,
        encoding: str = "",
        proving: Proving = AS_IT_SHOULD_BE,
        **how: Any,
    ) -> Came:
        """Send an envelope; `how` as in `post`."""
        encoding = encoding or self.caller.encoding
        raw = dumped(document).decode().encode(_READ_AS.get(encoding, encoding))
        infno = f"{document.get('infno') or ''}"
        shown = shown_request(document)
        if encoding != _UTF8:
            shown += f" · charset={encoding}"
        return await self.post(
            raw, infno=infno, shown=shown, encoding=encoding, proving=proving, **how
        )

    async def post(
        self,
        raw: bytes,
        *,
        infno: str,
        shown: str,
        encoding: str = "",
        proving: Proving = AS_IT_SHOULD_BE,
        url: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Came:
        """Send bytes; never raises for what the other side does."""
        encoding = encoding or self.caller.encoding
        url = (url or self.caller.url).replace(_INFNO, infno)
        content_type = f"application/json; charset={encoding}"
        sent = {"Content-Type": content_type, **self._time(), **(headers or {})}
        sent |= self.proof.headers(url, infno, raw, content_type, proving)
        began, at = self.means.tick(), self.means.clock().timestamp()
        try:
            async with (
                asyncio.timeout(self.caller.patience_s),
                self.http.post(
                    url,
                    data=io.BytesIO(raw),
                    headers=sent,
                    # Nobody is handed on to an address that was not given.
                    allow_redirects=False,
                ) as told,
            ):
                body, charset, status = await told.read(), told.charset, told.status
        except (TimeoutError, OSError, aiohttp.ClientError) as fault:
            self._keep(shown, f"没有应答 no answer ({type(fault).__name__})")
            return Came(0, "", b"", None, at)
        self.has_answered = True
        took = self.means.tick() - began
        came = _read(status, (charset or _UTF8).lower(), body, at + took / 2)
        self._keep(shown, f"HTTP {status} · {took * 1_000:.0f} ms · " + _shown(came))
        return came

    def _keep(self, sent: str, came: str) -> None:
        clean = self.masks.clean
        self.exchanges.append(Exchange(clean(sent), clean(came)))

    def _time(self) -> dict[str, str]:
        at = self.caller.sandbox_time
        return {} if at is None else {SANDBOX_HEADER: rfc3339(at)}


def _serial(number: int) -> str:
    """A letter and three letters or digits."""
    text = ""
    for _ in range(3):
        number, digit = divmod(number, len(_DIGITS))
        text = _DIGITS[digit] + text
    return _LETTERS[number] + text


def _read(status: int, charset: str, body: bytes, at: float) -> Came:
    encoding = _READ_AS.get(charset, charset)
    try:
        answer = read_answer(body, encoding)
        fields = frozenset(read_object(body, encoding))
    except NoEnvelope:
        return Came(status, charset, body, None, at)
    return Came(status, charset, body, answer, at, fields)


def _shown(came: Came) -> str:
    if came.answer is None:
        return f"不是国家接口报文 no envelope ({len(came.raw)} bytes, {came.charset})"
    return shown_answer(came.answer)

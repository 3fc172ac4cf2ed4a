"""A hospital at work: its lines, its log, its books, and how it sends a message."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gateway.his_simulator.books import Books
from gateway.his_simulator.clients import Client
from gateway.his_simulator.line import Line, OutcomeUnknown
from gateway.his_simulator.log import Log, State
from gateway.his_simulator.messages import AGAIN, Answer, Window, request_body

#: The clock is set, or the bytes are written anew, and the message goes out again.
_CLOCK, _UNREADABLE = "MA-3103", "MA-1101"
_MOST_MENDED = 3
_READS = 4
#: Between two tries; a real HIS waits minutes, and nothing hangs on how long.
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be; one is enough for the day to have failed."""

    fixmedins_code: str
    mdtrt_id: str
    what: str


@dataclass(slots=True)
class Message:
    """What is about to be sent."""

    infno: str
    given: Mapping[str, Any]
    msgid: str
    at: datetime
    mdtrt_id: str = ""
    sent_as: str = ""
    """The msgid on the wire, where a vendor's log holds another."""
    skew_s: int = 0


@dataclass(slots=True)
class Desk:
    """One hospital."""

    client: Client
    gateway: Line
    national: Line
    log: Log
    findings: list[Finding]
    books: Books = field(default_factory=Books)
    sign_no: str = ""
    last_settled: dict[str, str] = field(default_factory=dict)
    """By window: the msgid of the last 2207 that was answered."""
    _serials: dict[str, int] = field(default_factory=dict)

    def msgid(self, at: datetime) -> str:
        """12 + 14 + 4: institution, time, number within the second."""
        stem = f"{self.client.fixmedins_code[:12]}{at:%Y%m%d%H%M%S}"
        number = self._serials[stem] = self._serials.get(stem, 0) + 1
        return f"{stem}{number:04d}"

    def found(self, what: str, mdtrt_id: str = "") -> None:
        """Note something that must not be."""
        self.findings.append(Finding(self.client.fixmedins_code, mdtrt_id, what))

    async def ask_platform(
        self, infno: str, given: Mapping[str, Any], at: datetime
    ) -> Answer:
        """Ask the national platform, whose line is sound; a refusal is a finding."""
        body = self._body(Message(infno, given, self.msgid(at), at))
        answer = await self.national.send(infno, body)
        if not answer.is_done:
            self.found(f"the national platform refused {infno}: {answer.err_msg}")
        return answer

    async def tell(self, message: Message) -> Answer:
        """Send to the gateway; every try has its row in the log.

        A message that did not come in for the clock's sake, or for its bytes', goes
        out again under the same msgid. Raises `OutcomeUnknown`, also for infcode -1.
        """
        answer = await self._tell(message)
        for _ in range(_MOST_MENDED):
            if answer.code not in (_CLOCK, _UNREADABLE):
                break
            # By the answer's time, as whoever looks after the windows would.
            message.skew_s = 0
            answer = await self._tell(message)
        return answer

    async def _tell(self, message: Message) -> Answer:
        row = self.log.open(
            self.client.fixmedins_code, message.infno, message.msgid, message.mdtrt_id
        )
        try:
            answer = await self.gateway.send(
                message.infno, self._body(message), skew_s=message.skew_s
            )
        except OutcomeUnknown:
            self.log.close(row, State.UNKNOWN)
            raise
        if answer.infcode == AGAIN:
            self.log.close(row, State.UNKNOWN, answer.code)
            raise OutcomeUnknown(answer.code)
        self.log.close(
            row, State.SUCCESS if answer.is_done else State.FAIL, answer.code
        )
        return answer

    def _body(self, message: Message) -> bytes:
        window = Window(self.client.fixmedins_code, self.client.name, "win-01")
        at = message.at + timedelta(seconds=message.skew_s)
        msgid = message.sent_as or message.msgid
        return request_body(
            window, message.infno, msgid, at, message.given, self.sign_no
        )

    async def read(
        self, infno: str, given: Mapping[str, Any], at: datetime, mdtrt_id: str = ""
    ) -> Answer | None:
        """Ask the gateway for what has no effect; `None` when it does not answer."""
        for number in range(_READS):
            await pause(number)
            try:
                return await self.tell(
                    Message(infno, given, self.msgid(at), at, mdtrt_id)
                )
            except OutcomeUnknown:
                continue
        return None


async def pause(number: int) -> None:
    """Before try `number`, counted from 0: a little longer each time."""
    if number:
        await asyncio.sleep(_PAUSE_S * number)

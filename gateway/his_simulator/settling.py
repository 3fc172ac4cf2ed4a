"""2207 until it is known what became of it, as the best HIS does it.

UNKNOWN is looked up by its msgid (5203), then sent again under the same msgid, and
given up with a 2601. What the 2601 answers may be unknown itself: then nothing changes
here, and it is sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Final

from gateway.his_simulator.books import REQUIRED
from gateway.his_simulator.desk import Desk, Message, pause
from gateway.his_simulator.faults import Fault
from gateway.his_simulator.line import OutcomeUnknown
from gateway.his_simulator.messages import Answer
from gateway.his_simulator.plan import Visit
from gateway.his_simulator.statement import REFUNDED


class End(Enum):
    """How a settlement ends without an answer."""

    GAVE_UP = auto()
    """A 2601 was accepted."""
    OPEN = auto()
    """Not even that is known."""


GAVE_UP: Final = End.GAVE_UP
OPEN: Final = End.OPEN
#: Codes of decisions; what else is -2 is a fault of somebody's program.
DECISION = "MA-2"
_RESENDS = 2
_MOST_TRIES = 6
_A_LITTLE_S, _A_LOT_S = 40, 900
#: The answers of a 2207 whose message was not taken for what it is.
_OTHER_CONTENT = "MA-4103"


class Settling:
    """One charge on its way."""

    def __init__(
        self, desk: Desk, visit: Visit, given: Mapping[str, Any], window: str
    ) -> None:
        """`window` names the window, which remembers its last message."""
        self._desk = desk
        self._visit = visit
        self._given = given
        self._window = window
        strike = visit.strike
        self._fault = strike.fault if strike else None
        self._variant = strike.variant if strike else 0

    async def run(self) -> Answer | End:
        """The answer, or how it ended without one."""
        if self._fault is Fault.MSGID_REPEATED:
            await self._send_under_an_old_number()
        msgid = self._desk.msgid(self._visit.at)
        answer = await self._settle(msgid)
        if answer is not None:
            self._desk.last_settled[self._window] = msgid
            return answer
        end = await reverse(self._desk, self._visit, msgid)
        if end is OPEN or not self._visit.settles_anew or self._is_hasty:
            return end
        msgid = self._desk.msgid(self._visit.at)
        return await self._settle(msgid) or await reverse(
            self._desk, self._visit, msgid
        )

    @property
    def _is_hasty(self) -> bool:
        """Reverses what it cannot find by the number that its log holds."""
        return self._fault is Fault.MSGID_CHANGED and self._variant == 1

    async def _settle(self, msgid: str) -> Answer | None:
        """Until it is known; `None` when this HIS gives up."""
        first = self._message(msgid)
        if self._fault is Fault.MSGID_CHANGED:
            # Made twice, once for the log and once for the wire.
            first.sent_as = self._desk.msgid(self._visit.at)
        if self._fault is Fault.CLOCK_SKEW:
            first.skew_s = (_A_LITTLE_S, -_A_LOT_S)[self._variant]
        try:
            return await self._desk.tell(first)
        except OutcomeUnknown:
            if self._is_hasty:
                return None
        for number in range(_RESENDS):
            await pause(number)
            found = await look_up(self._desk, self._visit, msgid)
            if found is not None:
                return found
            try:
                return await self._desk.tell(self._message(msgid))
            except OutcomeUnknown:
                continue
        return None

    async def _send_under_an_old_number(self) -> None:
        """The charge before had this msgid: to be refused, and nothing stored."""
        old = self._desk.last_settled.get(self._window)
        if old is None:
            return
        try:
            answer = await self._desk.tell(self._message(old))
        except OutcomeUnknown:
            return
        if answer.is_done or answer.code != _OTHER_CONTENT:
            self._desk.found(
                f"a repeated msgid was answered with {answer.code or 'a settlement'}",
                self._visit.mdtrt_id,
            )

    def _message(self, msgid: str) -> Message:
        visit = self._visit
        return Message("2207", self._given, msgid, visit.at, visit.mdtrt_id)


async def look_up(desk: Desk, visit: Visit, msgid: str) -> Answer | None:
    """5203 by msgid: a settlement in force that is told in full, or a decision."""
    data = {
        "psn_no": visit.person.psn_no,
        "setl_id": "",
        "mdtrt_id": visit.mdtrt_id,
        "medins_setl_id": msgid,
    }
    message = Message(
        "5203", {"data": data}, desk.msgid(visit.at), visit.at, visit.mdtrt_id
    )
    try:
        answer = await desk.tell(message)
    except OutcomeUnknown:
        return None
    if answer.code.startswith(DECISION):
        return answer
    info = answer.node("setlinfo")
    is_told = all(info.get(name) is not None for name in REQUIRED)
    is_undone = info.get("refd_setl_flag") == REFUNDED
    return answer if answer.is_done and is_told and not is_undone else None


async def reverse(desk: Desk, visit: Visit, msgid: str) -> End:
    """2601 until it is answered; a refusal leaves the visit open for the evening."""
    data = {"psn_no": visit.person.psn_no, "omsgid": msgid, "oinfno": "2207"}
    for number in range(_MOST_TRIES):
        await pause(number)
        own = desk.msgid(visit.at)
        try:
            answer = await desk.tell(
                Message("2601", {"data": data}, own, visit.at, visit.mdtrt_id)
            )
        except OutcomeUnknown:
            continue
        if answer.is_done:
            return GAVE_UP
        desk.found(f"2601 was refused: {answer.err_msg}", visit.mdtrt_id)
        return OPEN
    desk.found("2601 was never answered", visit.mdtrt_id)
    return OPEN


async def undo(desk: Desk, visit: Visit, setl_id: str) -> Answer | None:
    """2208 under one msgid until it is known; `None` where it was refused."""
    data = {
        "setl_id": setl_id, "mdtrt_id": visit.mdtrt_id, "psn_no": visit.person.psn_no,
    }  # fmt: skip
    msgid = desk.msgid(visit.at)
    for number in range(_MOST_TRIES):
        await pause(number)
        message = Message("2208", {"data": data}, msgid, visit.at, visit.mdtrt_id)
        try:
            answer = await desk.tell(message)
        except OutcomeUnknown:
            continue
        if answer.is_done:
            return answer
        desk.found(f"2208 was refused: {answer.err_msg}", visit.mdtrt_id)
        return None
    desk.found("2208 was never answered", visit.mdtrt_id)
    return None

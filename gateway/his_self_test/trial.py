"""A run under way: who asks, what was settled, and how an answer is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from gateway.his_self_test.charges import Shown, Visit, charge, differing
from gateway.his_self_test.lines import NotRun, Unkept
from gateway.his_self_test.wire import Came, Wire
from gateway.his_simulator.messages import AGAIN, FINAL, Answer
from settlement.domain.decision import Text

_OK = 200
_CODE = "MA-"
_PSN_NO = "ST{}"


class Fate(Enum):
    """What became of a 2207."""

    UNKNOWN = auto()
    NOTHING = auto()
    IN_FORCE = auto()
    UNDONE = auto()


@dataclass(slots=True)
class Settled:
    """A 2207 that was sent, so that nothing of it is forgotten."""

    document: dict[str, Any]
    fate: Fate = Fate.UNKNOWN
    info: dict[str, Any] = field(default_factory=dict)
    detail: list[dict[str, Any]] = field(default_factory=list)

    @property
    def msgid(self) -> str:
        """Of the message."""
        return str(self.document["msgid"])

    @property
    def data(self) -> dict[str, Any]:
        """`input.data`."""
        data: dict[str, Any] = self.document["input"]["data"]
        return data

    @property
    def setl_id(self) -> str:
        """As it was answered; empty where nothing is known."""
        return f"{self.info.get('setl_id') or ''}"


@dataclass(slots=True)
class Trial:
    """One run against one connection."""

    wire: Wire
    shown: Shown
    may_settle: bool = False
    is_sandbox: bool | None = None
    is_ours: bool = False
    """Refusals must have our codes; of others the infcode alone is judged."""
    probe: tuple[str, dict[str, Any]] | None = None
    """A message that is taken and changes nothing, once one is known."""
    settlements: list[Settled] = field(default_factory=list)
    notes: list[Text] = field(default_factory=list)
    signed_in_with: str = ""
    _psn_no: str = ""
    _charges: int = 0
    _first: Settled | None = None
    _stem: str = ""
    _office: str = ""

    def __post_init__(self) -> None:
        self._stem = self.wire.means.random(5).hex().upper()
        number = int.from_bytes(self.wire.means.random(4), "big") % 10_000
        self._office = f"99{number:04d}"

    def note(self, zh: str, en: str) -> None:
        """Say something beside the line, once."""
        if (text := Text(zh, en)) not in self.notes:
            self.notes.append(text)

    async def ask(self, infno: str, given: Mapping[str, Any], **header: Any) -> Came:
        """Send a transaction with this `input`."""
        return await self.wire.send(self.wire.envelope(infno, given, **header))

    def probing(self, **header: Any) -> dict[str, Any]:
        """An envelope that is taken as it is."""
        if self.probe is None:
            raise NotRun("基本报文未被接受", "no sound message is taken")
        return self.wire.envelope(*self.probe, **header)

    # Judging

    def answered(self, came: Came) -> Answer:
        """The answer of the national interface; raises `Unkept`."""
        if came.answer is None:
            zh = "没有可读的国家接口应答" if came.status else "没有应答"
            raise Unkept(zh, "no answer that can be read as an envelope")
        if came.status != _OK:
            raise Unkept(f"HTTP {came.status}", f"HTTP {came.status}, not 200")
        return came.answer

    def done(self, came: Came) -> Answer:
        """An answer of infcode 0; raises `Unkept`."""
        answer = self.answered(came)
        if not answer.is_done:
            raise Unkept(
                f"应成功，却答 infcode {answer.infcode}",
                f"had to be done, and was answered infcode {answer.infcode}",
            )
        return answer

    def refused(self, came: Came, *codes: str) -> None:
        """Refused, finally, with one of these codes; without codes with any of ours.

        Raises `Unkept`. Of a connection that is not our gateway the infcode is all.
        """
        answer = self.answered(came)
        if answer.is_done:
            raise Unkept("应拒绝，却答 infcode 0", "had to be refused, and was done")
        if not self.is_ours:
            self.note(
                "对方应答没有 MA 代码：只看 infcode",
                "not our gateway's codes: judged by infcode alone",
            )
            return
        if answer.infcode != FINAL:
            raise Unkept(
                f"infcode 应为 -2，却是 {answer.infcode}",
                f"infcode had to be -2, and was {answer.infcode}",
            )
        is_right = answer.code in codes if codes else answer.code.startswith(_CODE)
        if not is_right:
            wanted = " / ".join(codes) or "MA-…"
            told = answer.code or "(none)"
            raise Unkept(f"应为 {wanted}，却是 {told}", f"{told} instead of {wanted}")

    def left_open(self, came: Came, code: str) -> None:
        """Refused without a word on what became of it; raises `Unkept`.

        Of a connection that is not our gateway it is enough that nothing was done.
        """
        if came.answer is None:
            raise Unkept("没有可读的国家接口应答", "no answer that can be read")
        if came.answer.is_done:
            raise Unkept("应拒绝，却答 infcode 0", "had to be refused, and was done")
        if self.is_ours and (came.answer.infcode, came.answer.code) != (AGAIN, code):
            told = f"{came.answer.infcode} {came.answer.code}"
            raise Unkept(f"应为 -1 {code}，却是 {told}", f"{told} instead of -1 {code}")

    # The person and the money

    async def psn_no(self) -> str:
        """The person's number: of 1101, or made up where it tells none."""
        if not (self.shown.card or self.shown.id_number):
            raise NotRun("没有给出 --card 或 --id-number", "no --card, no --id-number")
        if not self._psn_no:
            came = await self.ask("1101", {"data": self.shown.data()})
            base = came.answer.node("baseinfo") if came.answer else {}
            number = f"{base.get('psn_no') or ''}" or _PSN_NO.format(self._stem)
            self._psn_no = number[:30]
            self.wire.masks.add(self._psn_no)
        return self._psn_no

    def require_settling(self) -> None:
        """Raises `NotRun` where nothing may be written."""
        if self.may_settle:
            return
        if self.is_sandbox is False:
            raise NotRun(
                "对方是正式环境，不写结算（--live-writes 才写）",
                "not a sandbox: settles only with --live-writes",
            )
        raise NotRun(
            "无法确认对方是沙箱，不写结算（--live-writes 才写）",
            "does not show itself a sandbox: settles only with --live-writes",
        )

    async def new_charge(self, *, aided: bool = False) -> dict[str, Any]:
        """`input` of a visit of its own."""
        self._charges += 1
        visit = Visit(
            mdtrt_id=f"ST{self._stem}{self._charges:03d}",
            number=self._charges,
            psn_no=await self.psn_no(),
            office=self._office,
            at=f"{self.wire.now():%Y-%m-%d %H:%M:%S}",
        )
        return charge(self.shown, visit, aided=aided)

    async def settle(self, document: dict[str, Any]) -> tuple[Came, Settled]:
        """Send a 2207; what may come of it is kept before it leaves."""
        self.require_settling()
        settled = Settled(document)
        self.settlements.append(settled)
        came = await self.wire.send(document)
        self._learn(settled, came.answer)
        return came, settled

    def _learn(self, settled: Settled, answer: Answer | None) -> None:
        if answer is None or answer.infcode == AGAIN:
            return
        if not answer.is_done:
            settled.fate = Fate.NOTHING
            return
        settled.info = answer.node("setlinfo")
        settled.detail = answer.rows("setldetail")
        # One that stands already is counted where it was first told.
        known = any(
            each.setl_id == settled.setl_id
            for each in self.settlements
            if each is not settled and each.setl_id
        )
        settled.fate = Fate.NOTHING if known else Fate.IN_FORCE

    async def first(self) -> Settled:
        """The charge that the lines of settling look at; settled once."""
        self.require_settling()
        if self._first is None:
            given = await self.new_charge()
            _, self._first = await self.settle(self.wire.envelope("2207", given))
        if self._first.fate not in (Fate.IN_FORCE, Fate.UNDONE):
            raise NotRun("基本结算未成功", "the plain settlement was not done")
        return self._first

    async def settled_anew(self) -> Settled:
        """Another charge, in force; raises `Unkept`."""
        given = await self.new_charge()
        came, settled = await self.settle(self.wire.envelope("2207", given))
        self.done(came)
        return settled

    async def undo(self, settled: Settled) -> Came:
        """2208."""
        data = {
            "setl_id": settled.setl_id,
            "mdtrt_id": settled.data["mdtrt_id"],
            "psn_no": settled.data["psn_no"],
        }
        came = await self.ask("2208", {"data": data})
        if came.answer is not None and came.answer.is_done:
            settled.fate = Fate.UNDONE
        return came

    async def reverse(self, settled: Settled) -> Came:
        """2601 by the message."""
        data = {
            "psn_no": settled.data["psn_no"], "omsgid": settled.msgid, "oinfno": "2207",
        }  # fmt: skip
        came = await self.ask("2601", {"data": data})
        if came.answer is not None and came.answer.is_done:
            settled.fate = Fate.UNDONE
        return came

    async def look_up(self, settled: Settled, **by: str) -> Answer:
        """5203 by `setl_id` or `medins_setl_id`; raises `Unkept`."""
        data = {"psn_no": settled.data["psn_no"], "mdtrt_id": settled.data["mdtrt_id"]}
        return self.done(await self.ask("5203", {"data": data | by}))


def must_agree(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Raise `Unkept` where two answers tell other amounts of one charge."""
    if names := differing(one, other):
        raise Unkept(f"金额不同：{names}", f"other amounts: {names}")

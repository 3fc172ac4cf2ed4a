"""5203 tells what stands, 2208 and 2601 take it back, once and wholly."""

from __future__ import annotations

from gateway.his_self_test.charges import SAME, fen_at
from gateway.his_self_test.lines import Line, NotRun, Unkept
from gateway.his_self_test.trial import Fate, Settled, Trial, must_agree
from gateway.his_simulator.messages import Answer
from settlement.domain.decision import Text

_UNDONE = "1"
_TOO_MANY_STOPS = "MA-4107"
#: A settlement of ours that nobody has: 26 characters of base32.
_NO_SETL_ID = "A" * 26


async def _by_setl_id(trial: Trial) -> None:
    first = await trial.first()
    answer = await trial.look_up(first, setl_id=first.setl_id)
    must_agree(first.info, answer.node("setlinfo"))


async def _by_msgid(trial: Trial) -> None:
    first = await trial.first()
    answer = await trial.look_up(first, medins_setl_id=first.msgid)
    told = f"{answer.node('setlinfo').get('setl_id')}"
    if told != first.setl_id:
        raise Unkept(f"setl_id 为 {told}", f"it tells setl_id {told}")


async def _no_such(trial: Trial) -> None:
    data = {"psn_no": await trial.psn_no(), "setl_id": _NO_SETL_ID}
    trial.refused(await trial.ask("5203", {"data": data}), "MA-4101")


async def _negative(trial: Trial) -> None:
    settled = await trial.settled_anew()
    _must_be_taken_back(settled, trial.done(await trial.undo(settled)))


def _must_be_taken_back(settled: Settled, answer: Answer) -> None:
    info = answer.node("setlinfo")
    if "pdn_cash_pay" not in info:
        raise Unkept("没有 pdn_cash_pay", "no pdn_cash_pay")
    wrong = [n for n in SAME if fen_at(info, n) != -fen_at(settled.info, n)]
    if fen_at(info, "pdn_cash_pay") != -fen_at(settled.info, "psn_cash_pay"):
        wrong.append("pdn_cash_pay")
    if wrong:
        names = ", ".join(wrong)
        raise Unkept(
            f"不是原金额的负数：{names}", f"not the amounts taken back: {names}"
        )


async def _cancelled_twice(trial: Trial) -> None:
    settled = await trial.settled_anew()
    first = trial.done(await trial.undo(settled)).node("setlinfo")
    again = trial.done(await trial.undo(settled)).node("setlinfo")
    must_agree(first, again)


async def _cancelled_stays(trial: Trial) -> None:
    settled = await trial.settled_anew()
    trial.done(await trial.undo(settled))
    await _must_be_undone(trial, settled)


async def _must_be_undone(trial: Trial, settled: Settled) -> None:
    """5203 says so."""
    answer = await trial.look_up(settled, setl_id=settled.setl_id)
    if f"{answer.node('setlinfo').get('refd_setl_flag')}" != _UNDONE:
        # It may stand, whatever was answered: it is undone with the rest.
        settled.fate = Fate.UNKNOWN
        raise Unkept("5203 仍显示有效", "5203 still tells it in force")


async def _cancelled_settles_no_more(trial: Trial) -> None:
    settled = await trial.settled_anew()
    trial.done(await trial.undo(settled))
    came, _ = await trial.settle(settled.document)
    trial.refused(came, "MA-4111")


async def _reversed_first(trial: Trial) -> None:
    trial.require_settling()
    document = trial.wire.envelope("2207", await trial.new_charge())
    came = await trial.reverse(Settled(document))
    if came.answer is not None and came.answer.code == _TOO_MANY_STOPS:
        raise NotRun("今日提前冲正次数已满", "today's early reversals are used up")
    trial.done(came)
    late, _ = await trial.settle(document)
    trial.refused(late, "MA-2205")


async def _reversed(trial: Trial) -> None:
    settled = await trial.settled_anew()
    trial.done(await trial.reverse(settled))
    await _must_be_undone(trial, settled)


async def _reversed_twice(trial: Trial) -> None:
    settled = await trial.settled_anew()
    trial.done(await trial.reverse(settled))
    trial.done(await trial.reverse(settled))
    await _must_be_undone(trial, settled)


_LOOK_UP = Text(
    "丢失应答后靠 5203 查清；中间件须原样转发。",
    "5203 ends the doubt after a lost answer; it must be passed on as it is.",
)
_UNDOING = Text(
    "停止上线：撤销不可靠会多付或少付。把发送与应答交网关值班人员。",
    "Do not go live: undoing is not to be relied on. Give what was sent and came to"
    " the gateway's staff.",
)
LINES = (
    Line("look-up.setl-id",
         Text("按 setl_id 查到结算", "5203 by setl_id"),
         Text("与结算同分", "the settlement to the fen"), _LOOK_UP, _by_setl_id),
    Line("look-up.msgid",
         Text("按 msgid 查到结算", "5203 by the msgid"),
         Text("同一 setl_id", "the same setl_id"), _LOOK_UP, _by_msgid),
    Line("look-up.none",
         Text("没有的结算查不到", "5203 of what is not there"),
         Text("-2，MA-4101", "-2, MA-4101"), _LOOK_UP, _no_such),
    Line("cancel.negative",
         Text("撤销金额为负", "2208 takes every amount back"),
         Text("原金额的负数，含 pdn_cash_pay", "negative amounts, pdn_cash_pay too"),
         _UNDOING, _negative),
    Line("cancel.repeated",
         Text("重复撤销，应答相同", "2208 twice is answered alike"),
         Text("infcode 0，同样金额", "infcode 0, the same amounts"),
         _UNDOING, _cancelled_twice),
    Line("cancel.shown",
         Text("撤销后查询为已退", "5203 tells the cancellation"),
         Text("refd_setl_flag 1", "refd_setl_flag 1"), _UNDOING, _cancelled_stays),
    Line("cancel.final",
         Text("已撤销的报文不再结算", "a cancelled message settles no more"),
         Text("-2，MA-4111", "-2, MA-4111"), _UNDOING, _cancelled_settles_no_more),
    Line("reverse.first",
         Text("冲正先到，原报文被拒绝", "2601 first, then its message is refused"),
         Text("0，然后 -2，MA-2205", "0, then -2, MA-2205"), _UNDOING, _reversed_first),
    Line("reverse.settled",
         Text("冲正已结算的报文", "2601 undoes what was settled"),
         Text("0，5203 为 refd_setl_flag 1", "0, and 5203 tells refd_setl_flag 1"),
         _UNDOING, _reversed),
    Line("reverse.repeated",
         Text("重复冲正", "2601 twice"),
         Text("两次 infcode 0", "infcode 0 both times"), _UNDOING, _reversed_twice),
)  # fmt: skip

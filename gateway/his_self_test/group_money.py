"""2206 adds up, 2207 settles it to the same fen, and once."""

from __future__ import annotations

from gateway.his_self_test.charges import fen_at, sums_up
from gateway.his_self_test.lines import Line, Unkept
from gateway.his_self_test.trial import Fate, Trial, must_agree
from settlement.domain.decision import Text


async def _adds_up(trial: Trial) -> None:
    answer = trial.done(await trial.ask("2206", await trial.new_charge()))
    info = answer.node("setlinfo")
    if not info:
        raise Unkept("没有 setlinfo", "no setlinfo")
    if wrong := sums_up(info, answer.rows("setldetail")):
        raise Unkept(f"金额不平：{wrong}", f"does not add up: {wrong}")


async def _takes_nothing(trial: Trial) -> None:
    given = await trial.new_charge()
    first = trial.done(await trial.ask("2206", given)).node("setlinfo")
    again = trial.done(await trial.ask("2206", given)).node("setlinfo")
    must_agree(first, again)
    if again.get("setl_id"):
        raise Unkept("预结算给出了 setl_id", "a quote has a setl_id")


async def _same_fen(trial: Trial) -> None:
    trial.require_settling()
    given = await trial.new_charge()
    quoted = trial.done(await trial.ask("2206", given)).node("setlinfo")
    came, _ = await trial.settle(trial.wire.envelope("2207", given))
    settled = trial.done(came).node("setlinfo")
    if not settled.get("setl_id"):
        raise Unkept("结算没有 setl_id", "2207 gives no setl_id")
    must_agree(quoted, settled)


async def _conserves(trial: Trial) -> None:
    first = await trial.first()
    if wrong := sums_up(first.info, first.detail):
        raise Unkept(f"金额不平：{wrong}", f"does not add up: {wrong}")
    total = fen_at(first.data, "medfee_sumamt")
    if fen_at(first.info, "medfee_sumamt") != total:
        raise Unkept("医疗费总额变了", "medfee_sumamt is not what was sent")


async def _repeated(trial: Trial) -> None:
    first = await trial.first()
    answer = trial.done((await trial.settle(first.document))[0])
    _must_be_the_same(first.setl_id, f"{answer.node('setlinfo').get('setl_id')}")
    must_agree(first.info, answer.node("setlinfo"))


async def _other_msgid(trial: Trial) -> None:
    first = await trial.first()
    document = trial.wire.envelope("2207", first.document["input"])
    answer = trial.done((await trial.settle(document))[0])
    _must_be_the_same(first.setl_id, f"{answer.node('setlinfo').get('setl_id')}")
    must_agree(first.info, answer.node("setlinfo"))


def _must_be_the_same(first: str, second: str) -> None:
    if first != second:
        raise Unkept(
            f"setl_id 不同：{first}、{second}，同一笔费用结算了两次",
            f"setl_id {first} and {second}: the charge was settled twice",
        )


async def _changed(trial: Trial) -> None:
    first = await trial.first()
    other = await trial.new_charge()
    document = trial.wire.envelope("2207", other, msgid=first.msgid)
    came, settled = await trial.settle(document)
    if settled.fate is Fate.UNKNOWN:
        # Under a msgid that stands for another charge there is nothing to reverse.
        settled.fate = Fate.NOTHING
    trial.refused(came, "MA-4103")


async def _aid_paid(trial: Trial) -> None:
    trial.require_settling()
    given = await trial.new_charge(aided=True)
    came, _ = await trial.settle(trial.wire.envelope("2207", given))
    trial.refused(came, "MA-2201")


_SUMS = Text(
    "停止上线：把发送与应答交网关值班人员。中间件不得改写金额。",
    "Do not go live: give what was sent and came to the gateway's staff. Nothing"
    " between may rewrite amounts.",
)
_ONCE = Text(
    "停止上线：重发会重复支付。中间件不得改写 msgid、mdtrt_id、chrg_bchno。",
    "Do not go live: a repeat would pay twice. Nothing between may rewrite msgid,"
    " mdtrt_id or chrg_bchno.",
)
LINES = (
    Line("quote.adds-up",
         Text("预结算金额平衡", "2206 adds up"),
         Text("总额＝各基金＋个人负担；个人负担＝账户＋现金；maf_pay＝明细之和",
              "total = funds + patient; patient = account + cash; maf_pay = its rows"),
         _SUMS, _adds_up),
    Line("quote.repeatable",
         Text("预结算不产生结算", "2206 settles nothing"),
         Text("两次同额，没有 setl_id", "twice the same amounts, and no setl_id"),
         _SUMS, _takes_nothing),
    Line("settle.same-fen",
         Text("结算与预结算同分", "2207 is 2206 to the fen"),
         Text("六项金额相同，有 setl_id", "six amounts alike, and a setl_id"),
         _SUMS, _same_fen),
    Line("settle.adds-up",
         Text("结算金额平衡", "2207 adds up"),
         Text("同预结算，总额为所送", "as 2206, and the total that was sent"),
         _SUMS, _conserves),
    Line("settle.repeated",
         Text("同一报文重发，应答相同", "the same msgid again is answered alike"),
         Text("同一 setl_id，同样金额", "the same setl_id, the same amounts"),
         _ONCE, _repeated),
    Line("settle.other-msgid",
         Text("换 msgid 重发，只付一次", "the charge under another msgid pays once"),
         Text("同一 setl_id，同样金额", "the same setl_id, the same amounts"),
         _ONCE, _other_msgid),
    Line("settle.changed",
         Text("同一 msgid 换内容被拒绝", "another charge under its msgid is refused"),
         Text("-2，MA-4103", "-2, MA-4103"), _ONCE, _changed),
    Line("settle.aid-paid",
         Text("已有救助支付的被拒绝", "a bill that aid was paid on is refused"),
         Text("-2，MA-2201", "-2, MA-2201"), _ONCE, _aid_paid),
)  # fmt: skip

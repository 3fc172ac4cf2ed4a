"""3201 is flat against what this run has settled, and not against anything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.his_self_test.charges import fen_at
from gateway.his_self_test.lines import Line, NotRun, Unkept
from gateway.his_self_test.trial import Fate, Settled, Trial
from gateway.his_self_test.wire import Came
from gateway.his_simulator.statement import FLAT, Sums
from settlement.domain.decision import Text

_NO_TRANSACTION = "MA-1201"
_DAY_CHARS = 10


async def _flat(trial: Trial) -> None:
    settled = await standing(trial)
    told = await _compare(trial, settled, _sums(settled))
    if told == FLAT:
        return
    if not trial.is_ours:
        raise NotRun(
            "不平；对方当日可能另有结算", "not flat; it may have settled more that day"
        )
    raise Unkept(f"stmt_rslt {told}", f"stmt_rslt {told}")


async def _not_flat(trial: Trial) -> None:
    settled = await standing(trial)
    sums = _sums(settled)
    told = await _compare(trial, settled, replace(sums, count=sums.count + 1))
    if told == FLAT:
        raise Unkept("多报一笔仍答平", "one more is told flat all the same")


async def standing(trial: Trial, least: int = 1) -> list[Settled]:
    """What is in force of this run, and enough of it."""
    await trial.first()
    found = [each for each in trial.settlements if each.fate is Fate.IN_FORCE]
    while len(found) < least:
        found.append(await trial.settled_anew())
    return found


def stretch(trial: Trial, settled: Sequence[Settled]) -> dict[str, str]:
    """The days of this run and the office that these are of, as a statement asks."""
    days = sorted(
        f"{each.info['setl_time']}"[:_DAY_CHARS]
        for each in trial.settlements
        if each.info.get("setl_time")
    ) or [f"{trial.wire.now():%Y-%m-%d}"]
    return {
        "setl_optins": f"{settled[0].info.get('clr_optins') or ''}",
        "stmt_begndate": days[0],
        "stmt_enddate": days[-1],
    }


def _sums(settled: list[Settled]) -> Sums:
    sums = Sums()
    for each in settled:
        info = each.info
        sums = sums.plus(
            fen_at(info, "medfee_sumamt"),
            fen_at(info, "fund_pay_sumamt"),
            fen_at(info, "acct_pay"),
        )
    return sums


async def _compare(trial: Trial, settled: list[Settled], sums: Sums) -> str:
    info = settled[0].info
    data = {
        "insutype": f"{info.get('insutype')}",
        "clr_type": f"{info.get('clr_type')}",
        **stretch(trial, settled),
        **sums.fields(),
    }
    came = await trial.ask("3201", {"data": data})
    _must_be_there(came)
    return f"{trial.done(came).node('stmtinfo').get('stmt_rslt')}"


def _must_be_there(came: Came) -> None:
    if came.answer is not None and came.answer.code == _NO_TRANSACTION:
        raise NotRun("对方没有 3201", "no 3201 here")


async def _nothing(_trial: Trial) -> None:
    """Undone by the run itself."""


_COUNTS = Text(
    "核对对账口径：按结算日、险种、清算类别、经办机构，救助计入基金支付总额。",
    "Check what is counted: by day, insutype, clr_type and office; aid is within"
    " fund_pay_sumamt.",
)
LINES = (
    Line(
        "reconcile.flat",
        Text("对总账平", "3201 is flat"),
        Text("stmt_rslt 000000，按本次所结", "stmt_rslt 000000 of what was settled"),
        _COUNTS,
        _flat,
    ),
    Line(
        "reconcile.differs",
        Text("多报一笔不平", "3201 of one more is not flat"),
        Text("stmt_rslt 不是 000000", "stmt_rslt is not 000000"),
        _COUNTS,
        _not_flat,
    ),
)
UNDOING = Line(
    "undo.all",
    Text("本次结算全部撤销", "what was settled is undone"),
    Text("没有剩余", "nothing is left"),
    Text(
        "把所列编号交网关值班人员撤销。",
        "Have the gateway's staff undo what is named.",
    ),
    _nothing,
)

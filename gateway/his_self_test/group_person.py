"""1101 knows the test person, 1901 gives dictionaries."""

from __future__ import annotations

from gateway.his_self_test.charges import by_card, by_id
from gateway.his_self_test.lines import Line, NotRun, Unkept
from gateway.his_self_test.trial import Trial
from settlement.domain.decision import Text

_AID_FUND = "610100"


async def _card(trial: Trial) -> None:
    if not trial.shown.card:
        raise NotRun("没有给出 --card", "no --card")
    await _known(trial, by_card(trial.shown.card))


async def _id(trial: Trial) -> None:
    if not trial.shown.id_number:
        raise NotRun("没有给出 --id-number", "no --id-number")
    await _known(trial, by_id(trial.shown.id_number))


async def _known(trial: Trial, data: dict[str, str]) -> None:
    came = await trial.ask("1101", {"data": data})
    if came.answer is not None:
        base = came.answer.node("baseinfo")
        for name in ("psn_no", "certno", "psn_name"):
            trial.wire.masks.add(base.get(name))
    answer = trial.done(came)
    if not answer.node("baseinfo").get("psn_no"):
        raise Unkept("没有 baseinfo.psn_no", "no baseinfo.psn_no")
    if not trial.is_ours:
        trial.note(
            "救助身份只由本网关给出，此处不查",
            "aid identities are the aid gateway's to tell: not looked at here",
        )
    elif not answer.rows("idetinfo"):
        raise Unkept("没有救助身份 idetinfo", "no aid identity in idetinfo")


async def _funds(trial: Trial) -> None:
    given = {"data": {"type": "FUND_PAY_TYPE"}}
    came = await trial.ask("1901", given)
    if not trial.is_ours and came.answer is not None and not came.answer.is_done:
        raise NotRun("对方没有 1901", "no 1901 here")
    rows = trial.done(came).rows("list")
    values = {f"{row.get('value')}" for row in rows}
    if not values:
        raise Unkept("list 为空", "list is empty")
    if trial.is_ours and _AID_FUND not in values:
        raise Unkept("list 中没有 610100", "610100 is not in list")


async def _no_dictionary(trial: Trial) -> None:
    came = await trial.ask("1901", {"data": {"type": "SELF_TEST_NONE"}})
    if not trial.is_ours:
        raise NotRun("只对本网关", "of our gateway alone")
    trial.refused(came, "MA-1232")


_ON_THE_ROSTER = Text(
    "请网关值班人员确认测试人员在沙箱名册上，且当日有效。",
    "Have the gateway's staff put the test person onto the roster, valid today.",
)
_PASS_ON = Text(
    "中间件须把 1901 转给网关。",
    "What stands between must pass 1901 on to the gateway.",
)
LINES = (
    Line(
        "person.card",
        Text("凭社会保障卡查到人", "1101 knows the card"),
        Text("baseinfo.psn_no，idetinfo 有身份", "baseinfo.psn_no, and an idetinfo"),
        _ON_THE_ROSTER,
        _card,
    ),
    Line(
        "person.id",
        Text("凭身份证查到人", "1101 knows the identity number"),
        Text("baseinfo.psn_no，idetinfo 有身份", "baseinfo.psn_no, and an idetinfo"),
        _ON_THE_ROSTER,
        _id,
    ),
    Line(
        "dictionaries.funds",
        Text("基金类型字典", "1901 gives the types of funds"),
        Text("list 含 610100", "610100 is in list"),
        _PASS_ON,
        _funds,
    ),
    Line(
        "dictionaries.unknown",
        Text("没有的字典被拒绝", "a dictionary that is none is refused"),
        Text("-2，MA-1232", "-2, MA-1232"),
        _PASS_ON,
        _no_dictionary,
    ),
)

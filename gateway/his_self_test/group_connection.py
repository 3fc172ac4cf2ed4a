"""It answers, as an envelope, and its clock is ours."""

from __future__ import annotations

from datetime import datetime

from gateway.his_self_test.lines import Line, Unkept
from gateway.his_self_test.trial import Trial
from settlement.domain.calendar import SHANGHAI
from settlement.domain.decision import Text

_SKEW_S = 60
_FIELDS = (
    "infcode", "inf_refmsgid", "refmsg_time", "respond_time", "err_msg", "output",
)  # fmt: skip
_ASKED = ("1901", {"data": {"type": "FUND_PAY_TYPE"}})


async def _answers(trial: Trial) -> None:
    trial.answered(await trial.ask(*(trial.probe or _ASKED)))


async def _envelope(trial: Trial) -> None:
    came = await trial.ask(*(trial.probe or _ASKED))
    trial.answered(came)
    if missing := [name for name in _FIELDS if name not in came.fields]:
        names = ", ".join(missing)
        raise Unkept(f"应答缺少：{names}", f"the answer lacks {names}")


async def _skew(trial: Trial) -> None:
    came = await trial.ask(*(trial.probe or _ASKED))
    text = trial.answered(came).answered_at
    try:
        told = datetime.strptime(text, "%Y%m%d%H%M%S%f")  # noqa: DTZ007  # Shanghai's wall clock
    except ValueError:
        raise Unkept(
            "respond_time 不是 yyyyMMddHHmmssSSS",
            "respond_time is no yyyyMMddHHmmssSSS",
        ) from None
    skew = round(told.replace(tzinfo=SHANGHAI).timestamp() - came.sent_at)
    trial.note(f"对方时钟相差 {skew} 秒", f"their clock is {skew} s from ours")
    if abs(skew) >= _SKEW_S:
        raise Unkept(f"时钟相差 {skew} 秒", f"the clocks are {skew} s apart")


LINES = (
    Line(
        "connection.answers",
        Text("连接有应答", "the connection answers"),
        Text("HTTP 200，应答为国家接口报文", "HTTP 200 with an envelope"),
        Text(
            "核对地址、端口、防火墙、代理；地址应直达 /his 等接口路径。",
            "Check address, port, firewall and proxy; it must lead to /his or alike.",
        ),
        _answers,
    ),
    Line(
        "connection.envelope",
        Text("应答报文字段齐全", "the answer has the envelope's fields"),
        Text(
            "infcode、inf_refmsgid、refmsg_time、respond_time、err_msg、output",
            "infcode, inf_refmsgid, refmsg_time, respond_time, err_msg, output",
        ),
        Text(
            "中间件须原样转发应答，不得改写或删减。",
            "What stands between must pass answers on as they are.",
        ),
        _envelope,
    ),
    Line(
        "clock.skew",
        Text("两端时钟一致", "the clocks agree"),
        Text("respond_time 与本机相差不到 60 秒", "respond_time within 60 s of here"),
        Text(
            "本机与对方都对时（NTP）；签名只在 180 秒内有效。",
            "Set both clocks (NTP); a signature is good within 180 s.",
        ),
        _skew,
    ),
)
